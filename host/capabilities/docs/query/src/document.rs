//! What a document may be.

use crate::{Invalid, Limits};
use serde_json::Value;

/// The field that names a document.
pub const ID: &str = "_id";

/// Longest `_id` in bytes.
const LONGEST_ID: usize = 200;

/// The `_id` of a document.
///
/// # Errors
/// When it is missing, no string, empty or too long.
pub fn id_of(document: &Value) -> Result<&str, Invalid> {
    match document.get(ID) {
        Some(Value::String(id)) if (1..=LONGEST_ID).contains(&id.len()) => Ok(id),
        Some(Value::String(_)) => Err(Invalid::new(format!("`_id` must have 1 to {LONGEST_ID} bytes"))),
        Some(_) => Err(Invalid::new("`_id` must be a string")),
        None => Err(Invalid::new("the document has no `_id`")),
    }
}

/// Checks that a document can be stored and found again: an object whose field names a path can
/// name, not nested too deep.
///
/// # Errors
/// The first field that is wrong.
pub fn check_document(document: &Value, limits: &Limits) -> Result<(), Invalid> {
    if !document.is_object() {
        return Err(Invalid::new("a document must be a JSON object"));
    }
    check(document, limits.document_depth)
}

fn check(value: &Value, depth: usize) -> Result<(), Invalid> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Invalid::new("the document is nested too deep; flatten it"));
    };
    match value {
        Value::Array(elements) => elements.iter().try_for_each(|element| check(element, depth)),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            check_name(name)?;
            check(value, depth)
        }),
        _ => Ok(()),
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() || name.starts_with('$') || name.contains(['.', '\0']) {
        return Err(Invalid::new(format!("`{name}` is no field name; it must not be empty, begin with `$`, or contain `.` or NUL")));
    }
    Ok(())
}
