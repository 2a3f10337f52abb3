//! The tree compiled to SQLite: the part of a filter and a sort that declared indexes can serve.
//!
//! Layout. A collection is a table `(id TEXT PRIMARY KEY, doc TEXT)`. A declared index is a side
//! table with one row per document and combination of the values in its fields, as in MongoDB:
//! `(k0 BLOB, k1 BLOB, …, id TEXT)`, the keys in the order-preserving form of [`crate::key`]. It is
//! plain SQL without functions of ours, so it runs on any SQLite.
//!
//! Meaning. A [`Plan`] names candidates: every document that the filter matches is among them, at
//! most once per index entry. Whoever runs it keeps those that [`Filter::matches`], so that an
//! operator has one meaning only, the evaluation's; unless the plan is exact, where keys say the same.
//! SQLite's own reading of JSON would be a second meaning, and a different one: it rounds decimal
//! fractions otherwise than Rust before version 3.52, and knows no order across types.

mod asked;
mod index;
mod plan;

pub use index::Index;
pub use plan::Plan;

use crate::Filter;
use crate::{Direction, Sort, SortKey};

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

/// A statement of so many parameters is short.
const FEW: usize = 128;

/// A collection's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its table.
    pub table: String,
    /// Its indexes.
    pub indexes: Vec<Index>,
}

// === impl Statement ===

impl Statement {
    /// Whether SQLite reads it in next to no time: where an index alone answers, what is asked decides
    /// how long that takes.
    pub fn is_short(&self) -> bool {
        self.params.len() <= FEW
    }
}

// === impl Collection ===

impl Collection {
    /// The statements that make the tables.
    pub fn schema(&self) -> Vec<String> {
        let table = quoted(&self.table);
        let own = format!(
            "CREATE TABLE IF NOT EXISTS {table} (id TEXT NOT NULL PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID"
        );
        let indexes = self.indexes.iter().map(Index::schema);
        std::iter::once(own).chain(indexes).collect()
    }

    /// How to find what a filter matches, in an order if need be.
    pub fn plan(&self, filter: &Filter, sort: &Sort) -> Plan {
        self.page(filter, sort, None)
    }

    /// As [`Collection::plan`], for what comes after a place in the order. Where an index or `_id`
    /// gives the order, the rows begin there; what does not belong behind it is still to be left out,
    /// because a document of several values has rows at several places.
    pub fn page(&self, filter: &Filter, sort: &Sort, after: Option<&SortKey>) -> Plan {
        plan::plan(self, filter, sort, after)
    }

    /// The document with an id.
    pub fn get(&self, id: &str) -> Statement {
        let sql = format!("SELECT id, doc FROM {} WHERE id = ?1", quoted(&self.table));
        Statement {
            sql,
            params: vec![SqlValue::Text(id.to_owned())],
        }
    }

    /// How many documents there are.
    pub fn count_all(&self) -> Statement {
        Statement {
            sql: format!("SELECT count(*) FROM {}", quoted(&self.table)),
            params: Vec::new(),
        }
    }

    /// How many documents match, if an index alone can tell; else they are to be found and counted.
    pub fn count(&self, filter: &Filter) -> Option<Statement> {
        if filter.is_all() {
            Some(self.count_all())
        } else {
            plan::count(self, filter)
        }
    }

    /// Stores a new document: `?1` its id, `?2` its text. Fails if the id is taken.
    pub fn insert(&self) -> String {
        format!(
            "INSERT INTO {} (id, doc) VALUES (?1, ?2)",
            quoted(&self.table)
        )
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
