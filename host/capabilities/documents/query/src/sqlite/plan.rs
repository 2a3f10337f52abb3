//! Which index serves a query, and the statement that reads it.

use super::asked::Parts;
use super::{Collection, Index, SqlValue, Statement, quoted, sql_direction};
use crate::filter::{Condition, Filter};
use crate::order::{begin_of_bracket, end_of_bracket, key};
use crate::{Direction, Sort, SortKey};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How to get at the candidates of a query. The statement yields rows `(id, doc)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The statement.
    pub statement: Statement,
    /// The rows come in the order of the sort, so that reading can stop early.
    pub sorted: bool,
    /// Every row is of a match: the statement asks all that the filter does.
    pub exact: bool,
    /// The indexes that serve it, joined by `, `; `None`: the primary key or the whole table.
    pub index: Option<String>,
}

/// Where candidates are found.
enum Access<'a> {
    Ids(Ids),
    Index(&'a Index, Bounds),
    /// Each alternative of an "or" in its own way.
    Either(Vec<Access<'a>>),
}

/// Documents that are named.
struct Ids {
    ids: BTreeSet<String>,
    /// Those with these ids are matches, without another look.
    exact: bool,
}

/// What an index's leading fields are bound to.
struct Bounds {
    /// Of each leading field with equalities, the keys it may have.
    equal: Vec<Vec<Vec<u8>>>,
    /// Of the next field, one comparison.
    range: Option<Range>,
    /// Documents within the bounds are matches, without another look.
    exact: bool,
}

/// A comparison: its operator and bound, and the other end of the type.
struct Range {
    operator: &'static str,
    bound: Vec<u8>,
    other: &'static str,
    end: Vec<u8>,
}

/// An index key combination is at most so many `IN` values; more is left to the evaluation.
const MOST_KEYS: usize = 1000;

pub(super) fn plan(
    collection: &Collection,
    filter: &Filter,
    sort: &Sort,
    after: Option<&SortKey>,
) -> Plan {
    let found = match access(collection, filter, sort) {
        Some(Access::Index(index, bounds)) => by_index(collection, index, &bounds, sort, after),
        Some(access) => by_ids(collection, &access, sort, after),
        None => match collection
            .indexes
            .iter()
            .find(|index| !index.sparse && index.serves(sort, &Bounds::none()))
        {
            Some(index) => by_index(collection, index, &Bounds::none(), sort, after),
            None => scan(collection, sort, after),
        },
    };
    Plan {
        exact: found.exact || filter.is_all(),
        ..found
    }
}

/// How many documents match, if an index alone can tell.
pub(super) fn count(collection: &Collection, filter: &Filter) -> Option<Statement> {
    let parts = Parts::of(filter);
    let bound = collection
        .indexes
        .iter()
        .map(|index| (index, index.bounds(&parts)));
    let (index, bounds) = bound.into_iter().find(|(_, bounds)| bounds.exact)?;
    let mut builder = Builder::new("SELECT count(DISTINCT i.id)".to_owned());
    builder.within(index, &bounds);
    Some(builder.finish())
}

/// The best way to what a filter names, if it names anything that is indexed.
fn access<'a>(collection: &'a Collection, filter: &Filter, sort: &Sort) -> Option<Access<'a>> {
    let parts = Parts::of(filter);
    if let Some(ids) = parts.ids() {
        let exact = parts.whole && parts.asked.len() == 1;
        return Some(Access::Ids(Ids { ids, exact }));
    }
    let bound = collection
        .indexes
        .iter()
        .map(|index| (index, index.bounds(&parts)));
    let best = bound.max_by_key(|(index, bounds)| {
        (
            bounds.score(),
            index.serves(sort, bounds),
            Reverse(index.fields.len()),
        )
    });
    if let Some((index, bounds)) = best.filter(|(_, bounds)| bounds.score() > 0) {
        return Some(Access::Index(index, bounds));
    }
    let each = |filters: &&[Filter]| {
        filters
            .iter()
            .map(|filter| access(collection, filter, &Sort::default()))
            .collect()
    };
    parts.alternatives.iter().find_map(each).map(Access::Either)
}

fn by_ids(
    collection: &Collection,
    access: &Access<'_>,
    sort: &Sort,
    after: Option<&SortKey>,
) -> Plan {
    let mut builder = Builder::new(format!(
        "SELECT id, doc FROM {} WHERE id",
        quoted(&collection.table)
    ));
    match access {
        Access::Ids(named) => builder.names(named),
        found => {
            builder.sql.push_str(" IN (");
            builder.ids(collection, found);
            builder.sql.push(')');
        }
    }
    let sorted = builder.in_order_of_id("id", sort, after);
    let mut names = BTreeSet::new();
    access.indexes(&mut names);
    let names: Vec<&str> = names.into_iter().collect();
    Plan {
        statement: builder.finish(),
        sorted,
        exact: matches!(access, Access::Ids(Ids { exact: true, .. })),
        index: (!names.is_empty()).then(|| names.join(", ")),
    }
}

fn by_index(
    collection: &Collection,
    index: &Index,
    bounds: &Bounds,
    sort: &Sort,
    after: Option<&SortKey>,
) -> Plan {
    let mut builder = Builder::new("SELECT d.id, d.doc".to_owned());
    builder.within_joined(index, bounds, &collection.table);
    let sorted = index.serves(sort, bounds);
    if sorted {
        let first = bounds.equal.len();
        let fields = sort
            .fields()
            .iter()
            .enumerate()
            .map(|(offset, (_, direction))| (format!("i.k{}", first + offset), *direction));
        let columns: Vec<(String, Direction)> = fields
            .chain([("i.id".to_owned(), sort.id_direction())])
            .collect();
        if let Some(after) = after {
            builder.after(&columns, after);
        }
        let order: Vec<String> = columns
            .iter()
            .map(|(column, direction)| format!("{column} {}", sql_direction(*direction)))
            .collect();
        let _ = write!(builder.sql, " ORDER BY {}", order.join(", "));
    }
    Plan {
        statement: builder.finish(),
        sorted,
        exact: bounds.exact,
        index: Some(index.name.clone()),
    }
}

fn scan(collection: &Collection, sort: &Sort, after: Option<&SortKey>) -> Plan {
    let mut builder = Builder::new(format!(
        "SELECT id, doc FROM {} WHERE true",
        quoted(&collection.table)
    ));
    let sorted = builder.in_order_of_id("id", sort, after);
    Plan {
        statement: builder.finish(),
        sorted,
        exact: false,
        index: None,
    }
}

// === impl Access ===

impl<'a> Access<'a> {
    fn indexes(&self, names: &mut BTreeSet<&'a str>) {
        match self {
            Self::Ids(_) => {}
            Self::Index(index, _) => {
                names.insert(&index.name);
            }
            Self::Either(each) => each.iter().for_each(|access| access.indexes(names)),
        }
    }
}

// === impl Index ===

impl Index {
    fn bounds(&self, parts: &Parts<'_>) -> Bounds {
        let mut bounds = Bounds::none();
        let (mut combinations, mut used, mut null) = (1_usize, 0, false);
        for (path, _) in &self.fields {
            let asked = || {
                parts
                    .asked
                    .iter()
                    .filter(|asked| asked.path == *path)
                    .map(|asked| asked.condition)
            };
            let found = asked().find_map(|condition| self.keys(condition));
            if let Some((keys, with_null)) =
                found.filter(|(keys, _)| combinations.saturating_mul(keys.len()) <= MOST_KEYS)
            {
                combinations = combinations.saturating_mul(keys.len().max(1));
                bounds.equal.push(keys);
                (used, null) = (used + 1, null || with_null);
                continue;
            }
            // One comparison only: a list may meet two with different elements.
            bounds.range = asked().find_map(Range::of);
            used += usize::from(bounds.range.is_some());
            break;
        }
        // Whether an element is missing in a list is the evaluation's to say.
        bounds.exact = parts.whole && used > 0 && used == parts.asked.len() && !null;
        bounds
    }

    /// The keys that an equality asks for, and whether null is among them. Lists and objects are
    /// compared by the evaluation.
    fn keys(&self, condition: &Condition) -> Option<(Vec<Vec<u8>>, bool)> {
        let values = match condition {
            Condition::Equal(value) => std::slice::from_ref(value),
            Condition::In(values) => values.as_slice(),
            _ => return None,
        };
        let served = |value: &Value| is_scalar(value) && !(self.sparse && value.is_null());
        let keys: BTreeSet<Vec<u8>> = values.iter().map(key).collect();
        values
            .iter()
            .all(served)
            .then(|| (keys.into_iter().collect(), values.contains(&Value::Null)))
    }

    /// Whether rows come in the order of the sort. The sort's fields must not be bound themselves,
    /// or elements outside the bounds, which count for the sort too, would be missing.
    fn serves(&self, sort: &Sort, bounds: &Bounds) -> bool {
        let one_prefix = bounds.equal.iter().all(|keys| keys.len() == 1);
        let free = self.fields.get(bounds.equal.len()..).unwrap_or_default();
        let fits = |directions_agree: bool| {
            let mut pairs = free.iter().zip(sort.fields());
            pairs.all(|((path, direction), (wanted, order))| {
                path == wanted && (direction == order) == directions_agree
            })
        };
        // Rows of one prefix are in the order of their ids if nothing else stands between.
        let enough = if sort.fields().is_empty() {
            free.is_empty()
        } else {
            free.len() >= sort.fields().len()
        };
        enough && bounds.range.is_none() && one_prefix && (fits(true) || fits(false))
    }
}

// === impl Bounds ===

impl Bounds {
    fn none() -> Self {
        Self {
            equal: Vec::new(),
            range: None,
            exact: false,
        }
    }

    /// More bound fields are better, an equality better than a comparison.
    fn score(&self) -> usize {
        self.equal.len() * 2 + usize::from(self.range.is_some())
    }
}

// === impl Range ===

impl Range {
    fn of(condition: &Condition) -> Option<Self> {
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
        let (other, end) = if operator.starts_with('>') {
            ("<", end_of_bracket(value))
        } else {
            (">=", begin_of_bracket(value))
        };
        Some(Self {
            operator,
            bound: key(value),
            other,
            end,
        })
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

struct Builder {
    sql: String,
    params: Vec<SqlValue>,
}

// === impl Builder ===

impl Builder {
    fn new(sql: String) -> Self {
        Self {
            sql,
            params: Vec::new(),
        }
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

    /// The same for ids.
    fn names(&mut self, named: &Ids) {
        self.one_of(named.ids.iter().map(|id| SqlValue::Text(id.clone())));
    }

    /// The rows of an index within bounds, as `i`.
    fn within(&mut self, index: &Index, bounds: &Bounds) {
        let _ = write!(self.sql, " FROM {} AS i WHERE true", quoted(&index.table));
        self.bounds(bounds);
    }

    /// The same, with their documents as `d`.
    fn within_joined(&mut self, index: &Index, bounds: &Bounds, table: &str) {
        // CROSS JOIN keeps SQLite from reading the collection first.
        let (side, table) = (quoted(&index.table), quoted(table));
        let _ = write!(
            self.sql,
            " FROM {side} AS i CROSS JOIN {table} AS d ON d.id = i.id WHERE true"
        );
        self.bounds(bounds);
    }

    fn bounds(&mut self, bounds: &Bounds) {
        for (place, keys) in bounds.equal.iter().enumerate() {
            let _ = write!(self.sql, " AND i.k{place}");
            self.one_of(keys.iter().map(|key| SqlValue::Blob(key.clone())));
        }
        if let Some(Range {
            operator,
            bound,
            other,
            end,
        }) = &bounds.range
        {
            let place = bounds.equal.len();
            let _ = write!(self.sql, " AND i.k{place} {operator} ");
            self.param(SqlValue::Blob(bound.clone()));
            let _ = write!(self.sql, " AND i.k{place} {other} ");
            self.param(SqlValue::Blob(end.clone()));
        }
    }

    /// A query for the ids that an access finds.
    fn ids(&mut self, collection: &Collection, access: &Access<'_>) {
        match access {
            Access::Ids(named) => {
                let _ = write!(
                    self.sql,
                    "SELECT id FROM {} WHERE id",
                    quoted(&collection.table)
                );
                self.names(named);
            }
            Access::Index(index, bounds) => {
                self.sql.push_str("SELECT i.id");
                self.within(index, bounds);
            }
            Access::Either(each) => {
                for (place, access) in each.iter().enumerate() {
                    if place > 0 {
                        self.sql.push_str(" UNION ALL ");
                    }
                    self.ids(collection, access);
                }
            }
        }
    }

    /// Orders by id, and begins behind a place, if that is what the sort means; says whether it is.
    fn in_order_of_id(&mut self, column: &str, sort: &Sort, after: Option<&SortKey>) -> bool {
        let sorted = sort.fields().is_empty();
        let columns = [(column.to_owned(), sort.id_direction())];
        if let (true, Some(after)) = (sorted, after) {
            self.after(&columns, after);
        }
        let direction = if sorted {
            sort.id_direction()
        } else {
            Direction::Ascending
        };
        let _ = write!(self.sql, " ORDER BY {column} {}", sql_direction(direction));
        sorted
    }

    /// Rows behind a place, compared column by column; the id is the last column.
    fn after(&mut self, columns: &[(String, Direction)], after: &SortKey) {
        let id = SqlValue::Text(after.id.clone());
        let values: Vec<SqlValue> = after
            .fields
            .iter()
            .cloned()
            .map(SqlValue::Blob)
            .chain([id])
            .collect();
        let mut depth = 0;
        for (place, ((column, direction), value)) in columns.iter().zip(values).enumerate() {
            let beyond = if *direction == Direction::Ascending {
                '>'
            } else {
                '<'
            };
            if place + 1 == columns.len() {
                let _ = write!(self.sql, " AND {column} {beyond} ");
                self.param(value);
                continue;
            }
            // The first half lets SQLite begin there; the second half leaves out what ties with it.
            let _ = write!(self.sql, " AND {column} {beyond}= ");
            self.param(value.clone());
            let _ = write!(self.sql, " AND ({column} {beyond} ");
            self.param(value);
            self.sql.push_str(" OR (true");
            depth += 1;
        }
        self.sql.push_str(&"))".repeat(depth));
    }
    fn finish(self) -> Statement {
        Statement {
            sql: self.sql,
            params: self.params,
        }
    }
}
