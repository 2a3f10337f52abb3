//! Dotted paths, and the values they reach in a document.

use crate::order::NO_ELEMENT;
use crate::{ID, Invalid, Limits, key};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// A dotted path like `members.user_id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    segments: Vec<String>,
}

/// What a path reaches at one place of a document; `None` is "missing there".
pub(crate) type Reached<'a> = Option<&'a Value>;

/// A path followed through a document.
#[derive(Default)]
pub(crate) struct Walk<'a> {
    pub(crate) reached: Vec<Reached<'a>>,
    /// How many values were looked at. With arrays in arrays these can be far more than there are.
    pub(crate) looked: usize,
}

// === impl Path ===

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// Empty or `$` segments, or more segments or bytes than allowed.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Invalid> {
        if text.len() > limits.path_bytes {
            return Err(Invalid::new(format!(
                "a path has more than {} bytes; shorten it",
                limits.path_bytes
            )));
        }
        let segments: Vec<String> = text.split('.').map(str::to_owned).collect();
        if segments.len() > limits.segments {
            return Err(Invalid::new(format!(
                "path `{text}` has more than {} segments; shorten it",
                limits.segments
            )));
        }
        let wrong = |segment: &String| {
            segment.is_empty() || segment.starts_with('$') || segment.contains('\0')
        };
        if segments.iter().any(wrong) {
            return Err(Invalid::new(format!(
                "`{}` is no field path; write it like `a` or `a.b`",
                text.escape_debug()
            )));
        }
        Ok(Self { segments })
    }

    /// Its segments; at least one.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether it is `_id`.
    pub(crate) fn is_id(&self) -> bool {
        matches!(self.segments.as_slice(), [only] if only == ID)
    }

    /// The path to what `below` reaches from here.
    pub(crate) fn join(&self, below: &Self) -> Self {
        Self {
            segments: self
                .segments
                .iter()
                .chain(&below.segments)
                .cloned()
                .collect(),
        }
    }

    /// Whether it begins with the number of an element.
    pub(crate) fn begins_with_number(&self) -> bool {
        self.segments
            .first()
            .is_some_and(|first| array_index(first).is_some())
    }

    /// Whether one of two paths leads through the other.
    pub(crate) fn conflicts_with(&self, other: &Self) -> bool {
        let shorter = self.segments.len().min(other.segments.len());
        self.segments
            .iter()
            .take(shorter)
            .eq(other.segments.iter().take(shorter))
    }

    /// Whether a change at this path of a document may be seen at another one. A number may be that of
    /// an element: then the whole list is seen to change, and by paths that do not name an element too.
    pub(crate) fn may_be_seen_at(&self, other: &Self) -> bool {
        let is_name = |segment: &&String| array_index(segment).is_none();
        let own = self.segments.iter().take_while(is_name);
        let others = other.segments.iter().filter(is_name);
        own.zip(others).all(|(own, other)| own == other)
    }

    /// Everything that the path reaches, through arrays of objects too. Empty only where an array
    /// without objects stands in the way.
    pub(crate) fn reach<'a>(&self, document: &'a Value) -> Vec<Reached<'a>> {
        self.walk(document).reached
    }

    /// As [`Path::reach`], with what it took.
    pub(crate) fn walk<'a>(&self, document: &'a Value) -> Walk<'a> {
        let mut walk = Walk::default();
        match (document, self.segments.split_first()) {
            // An array that `$elemMatch` asks about is no list to look through: its fields are its places.
            (Value::Array(elements), Some((first, rest))) => {
                match array_index(first).and_then(|index| elements.get(index)) {
                    Some(element) => walk.descend(element, rest),
                    None => walk.reached.push(None),
                }
            }
            _ => walk.descend(document, &self.segments),
        }
        walk
    }

    /// The keys of the values at the path, as an index and a sort see them: elements of arrays one by
    /// one, null for missing, and [`NO_ELEMENT`] for an array that is empty. At least one.
    pub(crate) fn keys(&self, document: &Value) -> BTreeSet<Vec<u8>> {
        let mut keys = BTreeSet::new();
        for reached in self.reach(document) {
            match reached {
                Some(Value::Array(array)) if array.is_empty() => {
                    keys.insert(NO_ELEMENT.to_vec());
                }
                Some(Value::Array(array)) => keys.extend(array.iter().map(key)),
                reached => {
                    keys.insert(key(reached.unwrap_or(&Value::Null)));
                }
            }
        }
        if keys.is_empty() {
            keys.insert(key(&Value::Null));
        }
        keys
    }

    /// The values at the path as `distinct` names them: elements of arrays one by one, nothing for
    /// missing and empty.
    pub fn values<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        let mut values = Vec::new();
        for value in self.reach(document).into_iter().flatten() {
            match value {
                Value::Array(elements) => values.extend(elements),
                value => values.push(value),
            }
        }
        values
    }

    /// The value at the path as expressions read it: of an array, the array of what is in its elements.
    pub(crate) fn read(&self, document: &Value) -> Option<Value> {
        read(document, &self.segments)
    }

    /// Whether an update finds something at the path: through objects, and arrays by number.
    pub(crate) fn is_there(&self, document: &Value) -> bool {
        self.segments
            .iter()
            .try_fold(document, |value, segment| match value {
                Value::Object(fields) => fields.get(segment),
                Value::Array(elements) => {
                    array_index(segment).and_then(|index| elements.get(index))
                }
                _ => None,
            })
            .is_some()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments.join("."))
    }
}

// === impl Walk ===

impl<'a> Walk<'a> {
    fn descend(&mut self, value: &'a Value, segments: &[String]) {
        self.looked += 1;
        let Some((segment, rest)) = segments.split_first() else {
            self.reached.push(Some(value));
            return;
        };
        match value {
            Value::Object(fields) => match fields.get(segment) {
                Some(field) => self.descend(field, rest),
                None => self.reached.push(None),
            },
            Value::Array(elements) => {
                self.looked += elements.len();
                if let Some(element) = array_index(segment).and_then(|index| elements.get(index)) {
                    self.descend(element, rest);
                }
                for element in elements.iter().filter(|element| element.is_object()) {
                    self.descend(element, segments);
                }
            }
            _ => self.reached.push(None),
        }
    }
}

/// The first array that a path looks through or ends in: how many segments lead to it, and its elements.
pub(crate) fn first_array<'a>(
    value: &'a Value,
    segments: &[String],
) -> Option<(usize, &'a [Value])> {
    let mut value = value;
    for (depth, segment) in segments.iter().enumerate() {
        match value {
            Value::Object(fields) => value = fields.get(segment)?,
            Value::Array(elements) => {
                match array_index(segment).and_then(|index| elements.get(index)) {
                    Some(element) => value = element,
                    None => return Some((depth, elements)),
                }
            }
            _ => return None,
        }
    }
    value
        .as_array()
        .map(|elements| (segments.len(), elements.as_slice()))
}

fn read(value: &Value, segments: &[String]) -> Option<Value> {
    let Some((segment, rest)) = segments.split_first() else {
        return Some(value.clone());
    };
    match value {
        Value::Object(fields) => read(fields.get(segment)?, rest),
        // As in MongoDB, an array within an array is not looked through.
        Value::Array(elements) => Some(
            elements
                .iter()
                .filter(|element| element.is_object())
                .filter_map(|element| read(element, segments))
                .collect(),
        ),
        _ => None,
    }
}

/// A segment that can mean a place in an array: digits without a leading zero.
pub(crate) fn array_index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || !segment.starts_with('0');
    (canonical && segment.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| segment.parse().ok())
        .flatten()
}
