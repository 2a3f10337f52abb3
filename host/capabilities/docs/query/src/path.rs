//! Dotted paths, and the values they reach in a document.

use crate::{Invalid, Limits};
use serde_json::Value;
use std::fmt;

/// A dotted path like `members.user_id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    segments: Vec<String>,
}

/// What a path reaches at one place of a document; `None` is "missing there".
pub(crate) type Reached<'a> = Option<&'a Value>;

// === impl Path ===

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// Empty or `$` segments, or more segments than allowed.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Invalid> {
        let segments: Vec<String> = text.split('.').map(str::to_owned).collect();
        if segments.len() > limits.segments {
            return Err(Invalid::new(format!("path `{text}` has more than {} segments; shorten it", limits.segments)));
        }
        if segments.iter().any(|segment| segment.is_empty() || segment.starts_with('$') || segment.contains('\0')) {
            return Err(Invalid::new(format!("`{text}` is no field path; write it like `a` or `a.b`")));
        }
        Ok(Self { segments })
    }

    /// Its segments; at least one.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether one of two paths leads through the other.
    pub(crate) fn conflicts_with(&self, other: &Self) -> bool {
        let shorter = self.segments.len().min(other.segments.len());
        self.segments.iter().take(shorter).eq(other.segments.iter().take(shorter))
    }

    /// Everything that the path reaches, through arrays of objects too. Empty only where an array
    /// without objects stands in the way.
    pub(crate) fn reach<'a>(&self, document: &'a Value) -> Vec<Reached<'a>> {
        let mut reached = Vec::new();
        descend(document, &self.segments, &mut reached);
        reached
    }

    /// The values at the path, elements of arrays one by one.
    pub fn values<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        let present = self.reach(document).into_iter().flatten();
        let each = present.flat_map(|value| match value {
            Value::Array(elements) => elements.iter().collect(),
            other => vec![other],
        });
        each.collect()
    }

    /// The values at the path as an index and a sort see them: elements of arrays one by one, null
    /// for missing, and the array itself only when it is empty.
    pub(crate) fn elements<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        let mut elements = Vec::new();
        for reached in self.reach(document) {
            match reached {
                Some(Value::Array(array)) if !array.is_empty() => elements.extend(array),
                Some(value) => elements.push(value),
                None => elements.push(&Value::Null),
            }
        }
        if elements.is_empty() {
            elements.push(&Value::Null);
        }
        elements
    }

    /// The value at the path through objects only, as `$project` and `$group` read it.
    pub(crate) fn value<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.segments.iter().try_fold(document, |value, segment| value.as_object()?.get(segment))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments.join("."))
    }
}

fn descend<'a>(value: &'a Value, segments: &[String], reached: &mut Vec<Reached<'a>>) {
    let Some((segment, rest)) = segments.split_first() else {
        reached.push(Some(value));
        return;
    };
    match value {
        Value::Object(fields) => match fields.get(segment) {
            Some(field) => descend(field, rest, reached),
            None => reached.push(None),
        },
        Value::Array(elements) => {
            if let Some(element) = array_index(segment).and_then(|index| elements.get(index)) {
                descend(element, rest, reached);
            }
            for element in elements.iter().filter(|element| element.is_object()) {
                descend(element, segments, reached);
            }
        }
        _ => reached.push(None),
    }
}

/// A segment that can mean a place in an array: digits without a leading zero.
pub(crate) fn array_index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || !segment.starts_with('0');
    (canonical && segment.bytes().all(|byte| byte.is_ascii_digit())).then(|| segment.parse().ok()).flatten()
}
