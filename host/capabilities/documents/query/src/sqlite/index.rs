//! Indexes: their side tables, and the rows that a document has in them.

use super::{quoted, sql_direction};
use crate::path::first_array;
use crate::{Direction, Invalid, Limits, Path, Update};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt::Write as _;

/// Most fields of an index. MongoDB allows 32; nobody needs them.
const MOST_FIELDS: usize = 8;

/// An index of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its side table.
    pub table: String,
    /// Its name, for messages.
    pub name: String,
    /// Its fields, most significant first; at least one.
    pub fields: Vec<(Path, Direction)>,
    /// No two documents share an entry. A missing field counts as null, unless the index is sparse.
    pub unique: bool,
    /// Documents that have none of the fields are left out.
    pub sparse: bool,
    /// Documents are due so many seconds after the time in the field.
    pub ttl_seconds: Option<u64>,
}

// === impl Index ===

impl Index {
    /// Checks the declaration.
    ///
    /// # Errors
    /// No fields, too many, one of them twice, `_id` alone, or a time to live on several fields.
    pub fn check(&self) -> Result<(), Invalid> {
        let wrong = |what: &str| Err(Invalid::new(format!("index `{}` {what}", self.name)));
        let mut paths = HashSet::new();
        match self.fields.as_slice() {
            [] => wrong("has no fields; name at least one"),
            [(only, _)] if only.is_id() => wrong("is on `_id`, which has its own; remove it"),
            fields if fields.len() > MOST_FIELDS => wrong(&format!(
                "has more than {MOST_FIELDS} fields; drop the last ones"
            )),
            fields if !fields.iter().all(|(path, _)| paths.insert(path)) => {
                wrong("names a field twice; name it once")
            }
            [_, _, ..] if self.ttl_seconds.is_some() => {
                wrong("has a time to live and several fields; give it one field")
            }
            _ => Ok(()),
        }
    }

    /// The statement that makes the side table. It has one tree only, which is written with every
    /// document: a document's own rows are found by computing them again.
    pub fn schema(&self) -> String {
        let table = quoted(&self.table);
        let mut columns = String::new();
        let mut order = Vec::new();
        for (place, (_, direction)) in self.fields.iter().enumerate() {
            let _ = write!(columns, "k{place} BLOB NOT NULL, ");
            order.push(format!("k{place} {}", sql_direction(*direction)));
        }
        // What is unique is the primary key itself, so that one tree serves both ends.
        if !self.unique {
            order.push("id".to_owned());
        }
        let order = order.join(", ");
        format!(
            "CREATE TABLE IF NOT EXISTS {table} ({columns}id TEXT NOT NULL, PRIMARY KEY ({order})) WITHOUT ROWID"
        )
    }

    /// Removes the side table.
    pub fn drop_table(&self) -> String {
        format!("DROP TABLE IF EXISTS {}", quoted(&self.table))
    }

    /// Adds a row: the keys from `?1` on, the id last. Of a unique index it fails when the keys are taken.
    pub fn insert(&self) -> String {
        let places: Vec<String> = (1..=self.fields.len() + 1)
            .map(|place| format!("?{place}"))
            .collect();
        format!(
            "INSERT INTO {} VALUES ({})",
            quoted(&self.table),
            places.join(", ")
        )
    }

    /// Removes a row, given as for [`Index::insert`].
    pub fn remove(&self) -> String {
        let mut statement = format!("DELETE FROM {} WHERE ", quoted(&self.table));
        for place in 0..self.fields.len() {
            let _ = write!(statement, "k{place} = ?{} AND ", place + 1);
        }
        let _ = write!(statement, "id = ?{}", self.fields.len() + 1);
        statement
    }

    /// Removes a document's rows, whatever they are, by looking through all: `?1` its id.
    pub fn delete(&self) -> String {
        format!("DELETE FROM {} WHERE id = ?1", quoted(&self.table))
    }

    /// What rows of a document take: the bytes of their keys, and of the id in each.
    pub fn bytes(rows: &[Vec<Vec<u8>>], id: &str) -> usize {
        let of = |row: &Vec<Vec<u8>>| row.iter().map(Vec::len).sum::<usize>() + id.len();
        rows.iter().map(of).sum()
    }

    /// What a document's rows take that are there, whatever they are: `?1` its id.
    pub fn sum(&self) -> String {
        let keys: String = (0..self.fields.len())
            .map(|place| format!("octet_length(k{place}) + "))
            .collect();
        let table = quoted(&self.table);
        format!("SELECT coalesce(sum({keys}octet_length(id)), 0) FROM {table} WHERE id = ?1")
    }

    /// The ids of documents that are due: `?1` the [`crate::key`] of the time at or before which the
    /// field must lie (now less [`Index::ttl_seconds`]), `?2` how many at most. Texts that are no
    /// times are never due. `None`: the index has no time to live.
    pub fn due(&self) -> Option<String> {
        self.ttl_seconds?;
        let (table, digit) = (quoted(&self.table), "[0-9]");
        let (two, four) = (digit.repeat(2), digit.repeat(4));
        // Of the key, the first byte says that it is a text.
        Some(format!(
            "SELECT DISTINCT id FROM {table} WHERE k0 >= x'30' AND k0 <= ?1 AND CAST(substr(k0, 2) AS TEXT) \
             GLOB '{four}-{two}-{two}T{two}:{two}:{two}*Z' LIMIT ?2"
        ))
    }

    /// Whether an update may change the rows of a document. Said before the document is known.
    pub fn may_change(&self, update: &Update) -> bool {
        let mut paths = self.fields.iter().map(|(path, _)| path);
        paths.any(|path| update.may_change(path))
    }

    /// The rows of a document in order, each a key per field. Empty for a sparse index that leaves it out.
    ///
    /// # Errors
    /// When two fields lead to different lists, whose combinations would be many (MongoDB's "parallel
    /// arrays"), when the combinations are more than `limits.index_entries` or longer than
    /// `limits.index_bytes`, or when a unique index would have to combine several values of several
    /// fields.
    pub fn rows(&self, document: &Value, limits: &Limits) -> Result<Vec<Vec<Vec<u8>>>, Invalid> {
        let missing = |path: &Path| path.reach(document).iter().all(Option::is_none);
        if self.sparse && self.fields.iter().all(|(path, _)| missing(path)) {
            return Ok(Vec::new());
        }
        let paths = self
            .fields
            .iter()
            .map(|(path, _)| path.segments())
            .collect();
        if are_parallel(document, paths) {
            let name = &self.name;
            return Err(Invalid::new(format!(
                "two fields of index `{name}` lead to different lists; at most one may be a list"
            )));
        }
        let mut rows: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
        let mut bytes = 0_usize;
        for (path, _) in &self.fields {
            let keys = path.keys(document);
            if self.unique && rows.len() > 1 && keys.len() > 1 {
                let name = &self.name;
                return Err(Invalid::new(format!(
                    "two fields of the unique index `{name}` have several values; at most one may"
                )));
            }
            if rows.len().saturating_mul(keys.len()) > limits.index_entries {
                return Err(Invalid::new(format!(
                    "the lists of the document make more than {} entries in index `{}`; shorten them",
                    limits.index_entries, self.name
                )));
            }
            // Each row is repeated for each key. Said before it is done: the product can be far larger
            // than the document.
            let own: usize = keys.iter().map(Vec::len).sum();
            bytes = bytes
                .saturating_mul(keys.len())
                .saturating_add(own.saturating_mul(rows.len()));
            if bytes > limits.index_bytes {
                return Err(Invalid::new(format!(
                    "the document makes more than {} bytes of entries in index `{}`; shorten its lists, or the texts that are indexed with them",
                    limits.index_bytes, self.name
                )));
            }
            let extended = rows.iter().flat_map(|row| {
                keys.iter().map(move |key| {
                    row.iter()
                        .cloned()
                        .chain(std::iter::once(key.clone()))
                        .collect()
                })
            });
            rows = extended.collect();
        }
        Ok(rows)
    }
}

/// Whether two of the paths lead to different lists.
fn are_parallel(value: &Value, paths: Vec<&[String]>) -> bool {
    let (mut first, mut below) = (None, Vec::new());
    for path in paths {
        let Some((depth, elements)) = first_array(value, path) else {
            continue;
        };
        let Some((to_list, rest)) = path.split_at_checked(depth) else {
            continue;
        };
        if first.is_some_and(|(to_first, _)| to_first != to_list) {
            return true;
        }
        first = Some((to_list, elements));
        if !rest.is_empty() {
            below.push(rest);
        }
    }
    let Some((_, elements)) = first else {
        return false;
    };
    below.len() > 1
        && elements
            .iter()
            .any(|element| are_parallel(element, below.clone()))
}
