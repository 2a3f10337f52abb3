//! What a document may be.

use crate::{Invalid, Limits};
use serde_json::Value;
use std::io;

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
        Some(Value::String(_)) => Err(Invalid::new(format!(
            "`_id` must have 1 to {LONGEST_ID} bytes; shorten it"
        ))),
        Some(_) => Err(Invalid::new("`_id` must be a string; write it in quotes")),
        None => Err(Invalid::new("the document has no `_id`; add one")),
    }
}

/// Checks that a document can be stored and found again: an object whose field names a path can
/// name, whose whole numbers fit 64 bits with a sign, neither nested too deep nor too large.
/// Its `_id` is [`id_of`]'s to check.
///
/// # Errors
/// The first field that is wrong, and where.
pub fn check_document(document: &Value, limits: &Limits) -> Result<(), Invalid> {
    if !document.is_object() {
        return Err(Invalid::new(
            "a document must be a JSON object like {\"name\": \"x\"}",
        ));
    }
    check_value(document, limits)?;
    let bytes = text_bytes(document);
    if bytes > limits.document_bytes {
        let most = limits.document_bytes;
        return Err(Invalid::new(format!(
            "the document has {bytes} bytes; at most {most} are allowed, so split it"
        )));
    }
    Ok(())
}

/// Checks what a document may hold, but for its size.
pub(crate) fn check_value(value: &Value, limits: &Limits) -> Result<(), Invalid> {
    check(value, limits.document_depth)
}

/// Checks a value that documents are compared with: one that a document could hold, and not large.
pub(crate) fn check_operand(value: &Value, limits: &Limits) -> Result<(), Invalid> {
    check_value(value, limits)?;
    if text_bytes(value) > limits.operand_bytes {
        let most = limits.operand_bytes;
        return Err(Invalid::new(format!(
            "the value has more than {most} bytes; compare with a shorter one"
        )));
    }
    Ok(())
}

fn check(value: &Value, depth: usize) -> Result<(), Invalid> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Invalid::new("the value is nested too deep; flatten it"));
    };
    match value {
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .try_for_each(|(place, element)| {
                check(element, depth).map_err(|invalid| invalid.within(&place.to_string()))
            }),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            check_name(name)?;
            check(value, depth).map_err(|invalid| invalid.within(name))
        }),
        // BSON has none of these either, and SQLite would round them.
        Value::Number(number) if number.is_u64() && !number.is_i64() => Err(Invalid::new(format!(
            "{number} is beyond {}; write it as a text",
            i64::MAX
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() || name.starts_with('$') || name.contains(['.', '\0']) {
        return Err(Invalid::new(format!(
            "`{}` is no field name; it must not be empty, begin with `$`, or contain `.` or NUL",
            name.escape_debug()
        )));
    }
    Ok(())
}

/// The length of a value as JSON text.
fn text_bytes(value: &Value) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail, and neither can the writing of a `Value`.
    serde_json::to_writer(&mut counter, value).map_or(usize::MAX, |()| counter.0)
}

/// How many values a value is, with those inside it.
pub(crate) fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// About how many bytes of memory a value takes.
pub(crate) fn weight(value: &Value) -> usize {
    let own = size_of::<Value>();
    match value {
        Value::String(text) => own + text.len(),
        Value::Array(elements) => own + elements.iter().map(weight).sum::<usize>(),
        Value::Object(fields) => {
            // A field has its name, a hash and places in two tables.
            own + fields
                .iter()
                .map(|(name, value)| 48 + name.len() + weight(value))
                .sum::<usize>()
        }
        _ => own,
    }
}
