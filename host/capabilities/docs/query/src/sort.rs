//! Sorts: in which order.

use crate::order::{compare, key};
use crate::{Invalid, Limits, Path};
use serde_json::{Value, json};
use std::cmp::Ordering;

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the least to the greatest.
    Ascending,
    /// From the greatest to the least.
    Descending,
}

/// An order of documents. Ties are broken by `_id`, upwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    fields: Vec<(Path, Direction)>,
}

/// A document's place in a sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// What it is sorted by, one key a field.
    pub fields: Vec<Vec<u8>>,
    /// Its `_id`, for ties.
    pub id: String,
}

// === impl Sort ===

impl Sort {
    /// Reads a sort like `{"a": 1, "b.c": -1}`.
    ///
    /// # Errors
    /// Wrong paths or directions, the same path twice, or more than 8 fields.
    pub fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        let Value::Object(parts) = value else {
            return Err(Invalid::new("a sort must be an object like {\"created_at\": -1}"));
        };
        if parts.len() > 8 {
            return Err(Invalid::new("a sort has at most 8 fields"));
        }
        let mut fields = Vec::new();
        for (path, direction) in parts {
            let direction = match direction.as_i64() {
                Some(1) => Direction::Ascending,
                Some(-1) => Direction::Descending,
                _ => return Err(Invalid::new(format!("the direction of `{path}` must be 1 or -1"))),
            };
            fields.push((Path::parse(path, limits)?, direction));
        }
        Ok(Self { fields })
    }

    /// Its fields, most significant first. Empty: by `_id`.
    pub fn fields(&self) -> &[(Path, Direction)] {
        &self.fields
    }

    /// Where a document stands. Of several values the least counts upwards, the greatest downwards.
    pub fn key(&self, document: &Value, id: &str) -> SortKey {
        let fields = self.fields.iter().map(|(path, direction)| {
            let elements = path.elements(document).into_iter();
            let chosen = match direction {
                Direction::Ascending => elements.min_by(|one, other| compare(one, other)),
                Direction::Descending => elements.max_by(|one, other| compare(one, other)),
            };
            key(chosen.unwrap_or(&Value::Null))
        });
        SortKey { fields: fields.collect(), id: id.to_owned() }
    }

    /// Which of two documents comes first.
    pub fn compare(&self, one: &SortKey, other: &SortKey) -> Ordering {
        let pairs = self.fields.iter().zip(one.fields.iter().zip(&other.fields));
        for ((_, direction), (one, other)) in pairs {
            let order = match direction {
                Direction::Ascending => one.cmp(other),
                Direction::Descending => other.cmp(one),
            };
            if order.is_ne() {
                return order;
            }
        }
        one.id.cmp(&other.id)
    }

    /// A cursor: where the next page begins. It fits this filter and sort alone.
    pub fn cursor(&self, last: &SortKey, query: u64) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let fields: Vec<String> = last.fields.iter().map(|field| hex(field)).collect();
        hex(json!([format!("{query:016x}"), fields, last.id]).to_string().as_bytes())
    }

    /// Reads a cursor again.
    ///
    /// # Errors
    /// When it is none, or of another query.
    pub fn read_cursor(&self, cursor: &str, query: u64) -> Result<SortKey, Invalid> {
        let wrong = || Invalid::new("the cursor is not one of this query; use the `next` of the page before with the same filter and sort");
        let bytes = unhex(cursor).ok_or_else(wrong)?;
        let (of, fields, id): (String, Vec<String>, String) = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let fields: Option<Vec<Vec<u8>>> = fields.iter().map(|field| unhex(field)).collect();
        let fields = fields.ok_or_else(wrong)?;
        if of != format!("{query:016x}") || fields.len() != self.fields.len() {
            return Err(wrong());
        }
        Ok(SortKey { fields, id })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
