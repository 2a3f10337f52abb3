//! The tree compiled to SQLite: the part of a filter and a sort that declared indexes can serve.
//!
//! Layout. A collection is a table `(id TEXT PRIMARY KEY, doc TEXT)`. A declared index is a side
//! table with one row per document and combination of the values in its fields, as in MongoDB:
//! `(k0 BLOB, k1 BLOB, …, id TEXT)`, the keys in the order-preserving form of [`crate::key`]. It is
//! plain SQL without functions of ours, so it runs on any SQLite.
//!
//! Meaning. A [`Plan`] names candidates: every document that the filter matches is among them, at
//! most once per index entry. Whoever runs it keeps those that [`Filter::matches`], so that an
//! operator has one meaning only, the evaluation's.

use crate::filter::{Condition, Filter};
use crate::order::{begin_of_bracket, end_of_bracket, key};
use crate::{Direction, ID, Invalid, Limits, Path, Sort};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A parameter or column of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlValue {
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A statement and its parameters, `?1` first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The SQL.
    pub sql: String,
    /// Its parameters.
    pub params: Vec<SqlValue>,
}

/// An index of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its side table.
    pub table: String,
    /// Its name, for messages.
    pub name: String,
    /// Its fields, most significant first; at least one.
    pub fields: Vec<(Path, Direction)>,
    /// No two documents share an entry.
    pub unique: bool,
    /// Documents that have none of the fields are left out.
    pub sparse: bool,
    /// Documents are due so many seconds after the time in the first field.
    pub ttl_seconds: Option<u64>,
}

/// A collection's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its table.
    pub table: String,
    /// Its indexes.
    pub indexes: Vec<Index>,
}

/// How to get at the candidates of a query. The statement yields rows `(id, doc)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The statement.
    pub statement: Statement,
    /// The rows come in the order of the sort, so that reading can stop early.
    pub sorted: bool,
    /// The index that serves it; `None`: the primary key or the whole table.
    pub index: Option<String>,
}

/// What an index's leading fields are bound to.
struct Bounds {
    /// Of each leading field with equalities, the keys it may have.
    equal: Vec<Vec<Vec<u8>>>,
    /// Of the next field, one comparison.
    range: Option<(&'static str, Vec<u8>, Vec<u8>)>,
}

/// An index key combination is at most so many `IN` values; more is left to the evaluation.
const MOST_KEYS: usize = 1000;

// === impl Collection ===

impl Collection {
    /// The statements that make the tables.
    pub fn schema(&self) -> Vec<String> {
        let table = quoted(&self.table);
        let own = format!("CREATE TABLE IF NOT EXISTS {table} (id TEXT NOT NULL PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID");
        let indexes = self.indexes.iter().flat_map(Index::schema);
        std::iter::once(own).chain(indexes).collect()
    }

    /// How to find what a filter matches, in an order if need be.
    pub fn plan(&self, filter: &Filter, sort: &Sort) -> Plan {
        if let Some(ids) = ids(filter) {
            return self.by_ids(&ids, sort);
        }
        let bound = self.indexes.iter().map(|index| (index, index.bounds(filter)));
        let best = bound.max_by_key(|(index, bounds)| (bounds.score(), index.serves(sort, bounds), std::cmp::Reverse(index.fields.len())));
        match best {
            Some((index, bounds)) if bounds.score() > 0 || (index.serves(sort, &bounds) && !index.sparse) => self.by_index(index, &bounds, sort),
            _ => self.scan(sort),
        }
    }

    /// The document with an id.
    pub fn get(&self, id: &str) -> Statement {
        let sql = format!("SELECT id, doc FROM {} WHERE id = ?1", quoted(&self.table));
        Statement { sql, params: vec![SqlValue::Text(id.to_owned())] }
    }

    /// How many documents there are.
    pub fn count_all(&self) -> Statement {
        Statement { sql: format!("SELECT count(*) FROM {}", quoted(&self.table)), params: Vec::new() }
    }

    /// How many documents match, if an index alone can tell.
    pub fn count(&self, filter: &Filter) -> Option<Statement> {
        let Filter::Field(path, Condition::Equal(value)) = filter else { return None };
        let index = self.indexes.iter().find(|index| !index.sparse && index.fields.first().is_some_and(|(first, _)| first == path))?;
        // Whether a list equals a value is the evaluation's to say.
        if !is_scalar(value) || value.is_null() {
            return None;
        }
        let sql = format!("SELECT count(DISTINCT id) FROM {} WHERE k0 = ?1", quoted(&index.table));
        Some(Statement { sql, params: vec![SqlValue::Blob(key(value))] })
    }

    fn by_ids(&self, ids: &BTreeSet<String>, sort: &Sort) -> Plan {
        let mut builder = Builder::new(format!("SELECT id, doc FROM {} WHERE id", quoted(&self.table)));
        builder.one_of(ids.iter().map(|id| SqlValue::Text(id.clone())));
        builder.sql.push_str(" ORDER BY id");
        Plan { statement: builder.finish(), sorted: sort.fields().is_empty(), index: None }
    }

    fn by_index(&self, index: &Index, bounds: &Bounds, sort: &Sort) -> Plan {
        let (side, table) = (quoted(&index.table), quoted(&self.table));
        // CROSS JOIN keeps SQLite from reading the collection first.
        let mut builder = Builder::new(format!("SELECT d.id, d.doc FROM {side} AS i CROSS JOIN {table} AS d ON d.id = i.id WHERE true"));
        for (place, keys) in bounds.equal.iter().enumerate() {
            let _ = write!(builder.sql, " AND i.k{place}");
            builder.one_of(keys.iter().map(|key| SqlValue::Blob(key.clone())));
        }
        if let Some((operator, bound, end)) = &bounds.range {
            let place = bounds.equal.len();
            let _ = write!(builder.sql, " AND i.k{place} {operator} ");
            builder.param(SqlValue::Blob(bound.clone()));
            let other = if operator.starts_with('>') { "<" } else { ">=" };
            let _ = write!(builder.sql, " AND i.k{place} {other} ");
            builder.param(SqlValue::Blob(end.clone()));
        }
        let sorted = index.serves(sort, bounds);
        if sorted {
            builder.sql.push_str(" ORDER BY ");
            for (offset, (_, direction)) in sort.fields().iter().enumerate() {
                let _ = write!(builder.sql, "i.k{} {}, ", bounds.equal.len() + offset, sql_direction(*direction));
            }
            builder.sql.push_str("i.id");
        }
        Plan { statement: builder.finish(), sorted, index: Some(index.name.clone()) }
    }

    fn scan(&self, sort: &Sort) -> Plan {
        let sql = format!("SELECT id, doc FROM {} ORDER BY id", quoted(&self.table));
        Plan { statement: Statement { sql, params: Vec::new() }, sorted: sort.fields().is_empty(), index: None }
    }

    /// Stores a new document: `?1` its id, `?2` its text. Fails if the id is taken.
    pub fn insert(&self) -> String {
        format!("INSERT INTO {} (id, doc) VALUES (?1, ?2)", quoted(&self.table))
    }

    /// Stores a changed document: `?1` its id, `?2` its text.
    pub fn update(&self) -> String {
        format!("UPDATE {} SET doc = ?2 WHERE id = ?1", quoted(&self.table))
    }

    /// Deletes a document: `?1` its id.
    pub fn delete(&self) -> String {
        format!("DELETE FROM {} WHERE id = ?1", quoted(&self.table))
    }
}

// === impl Index ===

impl Index {
    /// The statements that make the side table. Rows of one document are found by its id.
    pub fn schema(&self) -> Vec<String> {
        let table = quoted(&self.table);
        let mut columns = String::new();
        let mut order = String::new();
        for (place, (_, direction)) in self.fields.iter().enumerate() {
            let _ = write!(columns, "k{place} BLOB NOT NULL, ");
            let _ = write!(order, "k{place} {}, ", sql_direction(*direction));
        }
        let mut statements = vec![
            format!("CREATE TABLE IF NOT EXISTS {table} ({columns}id TEXT NOT NULL, PRIMARY KEY ({order}id)) WITHOUT ROWID"),
            format!("CREATE INDEX IF NOT EXISTS {} ON {table} (id)", quoted(&format!("{}_id", self.table))),
        ];
        if self.unique {
            let keys = order.trim_end_matches(", ");
            let name = quoted(&format!("{}_unique", self.table));
            statements.push(format!("CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {table} ({keys})"));
        }
        statements
    }

    /// Removes the side table.
    pub fn drop_table(&self) -> String {
        format!("DROP TABLE IF EXISTS {}", quoted(&self.table))
    }

    /// Adds a row: the keys from `?1` on, the id last.
    pub fn insert(&self) -> String {
        let places: Vec<String> = (1..=self.fields.len() + 1).map(|place| format!("?{place}")).collect();
        format!("INSERT INTO {} VALUES ({})", quoted(&self.table), places.join(", "))
    }

    /// Removes a document's rows: `?1` its id.
    pub fn delete(&self) -> String {
        format!("DELETE FROM {} WHERE id = ?1", quoted(&self.table))
    }

    /// The ids of documents that are due: `?1` the key of the time before which the field must lie,
    /// `?2` how many at most. `None`: the index has no time to live.
    pub fn due(&self) -> Option<String> {
        self.ttl_seconds?;
        let texts = quoted(&self.table);
        Some(format!("SELECT DISTINCT id FROM {texts} WHERE k0 >= x'30' AND k0 <= ?1 LIMIT ?2"))
    }

    /// The rows of a document, each a key per field. Empty for a sparse index that leaves it out.
    ///
    /// # Errors
    /// When the combinations of its lists are more than `limits.index_entries`.
    pub fn rows(&self, document: &Value, limits: &Limits) -> Result<Vec<Vec<Vec<u8>>>, Invalid> {
        let missing = |path: &Path| path.reach(document).iter().all(Option::is_none);
        if self.sparse && self.fields.iter().all(|(path, _)| missing(path)) {
            return Ok(Vec::new());
        }
        let mut rows: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
        for (path, _) in &self.fields {
            let keys: BTreeSet<Vec<u8>> = path.elements(document).into_iter().map(key).collect();
            if rows.len().saturating_mul(keys.len()) > limits.index_entries {
                return Err(Invalid::new(format!(
                    "the lists of the document make more than {} entries in index `{}`; shorten them",
                    limits.index_entries, self.name
                )));
            }
            let extended = rows.iter().flat_map(|row| {
                keys.iter().map(move |key| row.iter().cloned().chain(std::iter::once(key.clone())).collect())
            });
            rows = extended.collect();
        }
        Ok(rows)
    }

    fn bounds(&self, filter: &Filter) -> Bounds {
        let conjuncts = filter.conjuncts();
        let mut bounds = Bounds { equal: Vec::new(), range: None };
        let mut combinations = 1_usize;
        for (path, _) in &self.fields {
            let asked = || conjuncts.iter().filter(|(asked, _)| *asked == path).map(|(_, condition)| *condition);
            let keys = asked().find_map(|condition| self.keys(condition));
            if let Some(keys) = keys.filter(|keys| combinations.saturating_mul(keys.len()) <= MOST_KEYS) {
                combinations = combinations.saturating_mul(keys.len().max(1));
                bounds.equal.push(keys);
                continue;
            }
            // One comparison only: a list may meet two with different elements.
            bounds.range = asked().find_map(range);
            break;
        }
        bounds
    }

    /// The keys that an equality asks for. Lists and objects are compared by the evaluation.
    fn keys(&self, condition: &Condition) -> Option<Vec<Vec<u8>>> {
        let values = match condition {
            Condition::Equal(value) => std::slice::from_ref(value),
            Condition::In(values) => values.as_slice(),
            _ => return None,
        };
        let served = |value: &Value| is_scalar(value) && !(self.sparse && value.is_null());
        let keys: BTreeSet<Vec<u8>> = values.iter().map(key).collect();
        values.iter().all(served).then(|| keys.into_iter().collect())
    }

    /// Whether rows come in the order of the sort. The sort's fields must not be bound themselves,
    /// or elements outside the bounds, which count for the sort too, would be missing.
    fn serves(&self, sort: &Sort, bounds: &Bounds) -> bool {
        let one_prefix = bounds.equal.iter().all(|keys| keys.len() == 1);
        let free = self.fields.get(bounds.equal.len()..).unwrap_or_default();
        let fits = |directions_agree: bool| {
            free.iter().zip(sort.fields()).all(|((path, direction), (wanted, order))| path == wanted && (direction == order) == directions_agree)
        };
        !sort.fields().is_empty()
            && bounds.range.is_none()
            && one_prefix
            && free.len() >= sort.fields().len()
            && (fits(true) || fits(false))
    }
}

impl Bounds {
    /// More bound fields are better, an equality better than a comparison.
    fn score(&self) -> usize {
        self.equal.len() * 2 + usize::from(self.range.is_some())
    }
}

/// A comparison as operator, bound, and the end of the type beyond which nothing compares.
fn range(condition: &Condition) -> Option<(&'static str, Vec<u8>, Vec<u8>)> {
    let (operator, value) = match condition {
        Condition::Greater(value) => (">", value),
        Condition::GreaterOrEqual(value) => (">=", value),
        Condition::Less(value) => ("<", value),
        Condition::LessOrEqual(value) => ("<=", value),
        _ => return None,
    };
    if !is_scalar(value) || value.is_null() {
        return None;
    }
    let end = if operator.starts_with('>') { end_of_bracket(value) } else { begin_of_bracket(value) };
    Some((operator, key(value), end))
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

/// The ids that a filter asks for by name.
fn ids(filter: &Filter) -> Option<BTreeSet<String>> {
    let conjuncts = filter.conjuncts();
    let of_id = conjuncts.iter().filter(|(path, _)| matches!(path.segments(), [only] if only == ID));
    of_id.map(|(_, condition)| *condition).find_map(|condition| match condition {
        Condition::Equal(value) => Some(value.as_str().map(str::to_owned).into_iter().collect()),
        Condition::In(values) => Some(values.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    })
}

fn sql_direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    }
}

/// An identifier that may hold anything.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

struct Builder {
    sql: String,
    params: Vec<SqlValue>,
}

// === impl Builder ===

impl Builder {
    fn new(sql: String) -> Self {
        Self { sql, params: Vec::new() }
    }

    fn param(&mut self, value: SqlValue) {
        self.params.push(value);
        let _ = write!(self.sql, "?{}", self.params.len());
    }

    /// ` = ?` or ` IN (?, …)`; an empty list matches nothing.
    fn one_of(&mut self, values: impl ExactSizeIterator<Item = SqlValue>) {
        if values.len() == 1 {
            self.sql.push_str(" = ");
            return values.for_each(|value| self.param(value));
        }
        self.sql.push_str(" IN (");
        for (place, value) in values.enumerate() {
            if place > 0 {
                self.sql.push_str(", ");
            }
            self.param(value);
        }
        self.sql.push(')');
    }

    fn finish(self) -> Statement {
        Statement { sql: self.sql, params: self.params }
    }
}
