//! Sorts: in which order.

use crate::{Invalid, Limits, Path, key};
use serde_json::{Value, json};
use std::cmp::Ordering;

/// Up or down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the least to the greatest.
    #[default]
    Ascending,
    /// From the greatest to the least.
    Descending,
}

/// An order of documents. Ties are broken by `_id`, upwards unless the sort says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    fields: Vec<(Path, Direction)>,
    id: Direction,
}

/// A document's place in a sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// What it is sorted by, one key a field.
    pub fields: Vec<Vec<u8>>,
    /// Its `_id`, for ties.
    pub id: String,
}

// === impl Direction ===

impl Direction {
    fn of(self, ascending: Ordering) -> Ordering {
        match self {
            Self::Ascending => ascending,
            Self::Descending => ascending.reverse(),
        }
    }
}

// === impl Sort ===

impl Sort {
    /// Reads a sort like `{"a": 1, "b.c": -1}`. What stands after `_id` has nothing left to order.
    ///
    /// # Errors
    /// Wrong paths or directions, the same path twice, or more than 8 fields.
    pub fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        let Value::Object(parts) = value else {
            return Err(Invalid::new(
                "a sort must be an object like {\"created_at\": -1}",
            ));
        };
        if parts.len() > 8 {
            return Err(Invalid::new("a sort has at most 8 fields"));
        }
        let (mut fields, mut id) = (Vec::new(), None);
        for (path, direction) in parts {
            let direction = match direction.as_f64() {
                Some(1.0) => Direction::Ascending,
                Some(-1.0) => Direction::Descending,
                _ => {
                    return Err(Invalid::new(format!(
                        "the direction of `{path}` must be 1 or -1"
                    )));
                }
            };
            let path = Path::parse(path, limits)?;
            match id {
                Some(_) => {}
                None if path.is_id() => id = Some(direction),
                None => fields.push((path, direction)),
            }
        }
        Ok(Self {
            fields,
            id: id.unwrap_or_default(),
        })
    }

    /// Its fields without `_id`, most significant first. Empty: by `_id` alone.
    pub fn fields(&self) -> &[(Path, Direction)] {
        &self.fields
    }

    /// The order of `_id` among documents that are otherwise equal.
    pub fn id_direction(&self) -> Direction {
        self.id
    }

    /// Where a document stands. Of several values the least counts upwards, the greatest downwards.
    pub fn key(&self, document: &Value, id: &str) -> SortKey {
        let fields = self.fields.iter().map(|(path, direction)| {
            let mut keys = path.keys(document);
            let chosen = match direction {
                Direction::Ascending => keys.pop_first(),
                Direction::Descending => keys.pop_last(),
            };
            chosen.unwrap_or_default()
        });
        SortKey {
            fields: fields.collect(),
            id: id.to_owned(),
        }
    }

    /// Which of two documents comes first.
    pub fn compare(&self, one: &SortKey, other: &SortKey) -> Ordering {
        let pairs = self.fields.iter().zip(one.fields.iter().zip(&other.fields));
        let unequal = pairs
            .map(|((_, direction), (one, other))| direction.of(one.cmp(other)))
            .find(|order| order.is_ne());
        unequal.unwrap_or_else(|| self.id.of(one.id.cmp(&other.id)))
    }

    /// A cursor: where the next page begins. It fits one query alone, whose [`fingerprint`] is given.
    pub fn cursor(&self, last: &SortKey, query: u64) -> String {
        let fields: Vec<String> = last.fields.iter().map(|field| hex(field)).collect();
        hex(json!([format!("{query:016x}"), fields, last.id])
            .to_string()
            .as_bytes())
    }

    /// Reads a cursor again.
    ///
    /// # Errors
    /// When it is none, or of another query.
    pub fn read_cursor(&self, cursor: &str, query: u64) -> Result<SortKey, Invalid> {
        let wrong = || {
            Invalid::new(
                "the cursor is not one of this query; use the `next` of the page before with the same filter and sort",
            )
        };
        let bytes = unhex(cursor).ok_or_else(wrong)?;
        let (of, fields, id): (String, Vec<String>, String) =
            serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let fields: Option<Vec<Vec<u8>>> = fields.iter().map(|field| unhex(field)).collect();
        let fields = fields.ok_or_else(wrong)?;
        if of != format!("{query:016x}") || fields.len() != self.fields.len() {
            return Err(wrong());
        }
        Ok(SortKey { fields, id })
    }
}

/// A number for a query, by which a cursor of another query is told apart; the same on every
/// machine and in every version. Give all that makes the query: collection, filter, sort.
pub fn fingerprint(parts: &[&Value]) -> u64 {
    // FNV-1a; the keys are taken as they are sent, so that 1 and 1.0 are one query.
    let bytes = parts
        .iter()
        .flat_map(|part| key(part).into_iter().chain([0xFF]));
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// Orders as the bytes do.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| {
        digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect()
    })
}
