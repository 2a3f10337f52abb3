//! The order of values, as comparison and as bytes that compare the same way.

use serde_json::{Number, Value};
use std::cmp::Ordering;

/// The key of an array without elements among elements of arrays: before null, as in MongoDB.
pub(crate) const NO_ELEMENT: &[u8] = &[0x08];

/// Compares two values in BSON's order of types, then by value.
pub fn compare(one: &Value, other: &Value) -> Ordering {
    rank(one)
        .cmp(&rank(other))
        .then_with(|| match (one, other) {
            (Value::Number(one), Value::Number(other)) => number_key(one).cmp(&number_key(other)),
            (Value::String(one), Value::String(other)) => one.as_bytes().cmp(other.as_bytes()),
            (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
            (Value::Array(one), Value::Array(other)) => {
                let unequal = one
                    .iter()
                    .zip(other)
                    .map(|(one, other)| compare(one, other))
                    .find(|order| order.is_ne());
                unequal.unwrap_or_else(|| one.len().cmp(&other.len()))
            }
            (Value::Object(one), Value::Object(other)) => {
                let pairs =
                    one.iter()
                        .zip(other)
                        .map(|((name, value), (other_name, other_value))| {
                            let by_type = rank(value).cmp(&rank(other_value));
                            by_type
                                .then_with(|| name.cmp(other_name))
                                .then_with(|| compare(value, other_value))
                        });
                let mut pairs = pairs;
                pairs
                    .find(|order| order.is_ne())
                    .unwrap_or_else(|| one.len().cmp(&other.len()))
            }
            _ => Ordering::Equal,
        })
}

/// Whether two values can be compared by `$gt` and its kin.
pub(crate) fn same_bracket(one: &Value, other: &Value) -> bool {
    rank(one) == rank(other)
}

/// Bytes that order as [`compare`] does.
pub fn key(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_key(value, false, &mut bytes);
    bytes
}

/// The end of the values of this value's type: every key of the type is below it.
pub(crate) fn end_of_bracket(value: &Value) -> Vec<u8> {
    vec![rank(value) + 1]
}

/// The beginning of the values of this value's type.
pub(crate) fn begin_of_bracket(value: &Value) -> Vec<u8> {
    vec![rank(value)]
}

/// The types' order, with room between for the end of each.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0x10,
        Value::Number(_) => 0x20,
        Value::String(_) => 0x30,
        Value::Object(_) => 0x40,
        Value::Array(_) => 0x50,
        Value::Bool(_) => 0x60,
    }
}

fn write_key(value: &Value, nested: bool, bytes: &mut Vec<u8>) {
    bytes.push(rank(value));
    match value {
        Value::Null => {}
        Value::Bool(value) => bytes.push(u8::from(*value)),
        Value::Number(number) => {
            let (approximate, rest) = number_key(number);
            bytes.extend(approximate.to_be_bytes());
            bytes.extend(rest.to_be_bytes());
        }
        Value::String(text) if nested => write_terminated(text, bytes),
        Value::String(text) => bytes.extend(text.as_bytes()),
        Value::Array(elements) => {
            for element in elements {
                write_key(element, true, bytes);
            }
            bytes.push(0);
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                bytes.push(rank(value));
                write_terminated(name, bytes);
                write_key(value, true, bytes);
            }
            bytes.push(0);
        }
    }
}

/// A text that ends before every longer one: zeros within are followed by 0xFF, the end by 0.
fn write_terminated(text: &str, bytes: &mut Vec<u8>) {
    for byte in text.bytes() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xFF);
        }
    }
    bytes.extend([0, 0]);
}

/// A number as the nearest floating-point number in an order-preserving form, and what an integer
/// differs from that (at most 1024 either way for 64-bit integers, in an order-preserving form).
fn number_key(number: &Number) -> (u64, u16) {
    let integer = number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from));
    match integer {
        Some(integer) => {
            #[expect(clippy::cast_precision_loss, reason = "what is lost is kept beside")]
            let approximate = integer as f64;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "an integral value of at most 2^64"
            )]
            let rest = integer - approximate as i128;
            (ordered_bits(approximate), ordered_rest(rest))
        }
        None => (
            ordered_bits(number.as_f64().unwrap_or_default()),
            ordered_rest(0),
        ),
    }
}

fn ordered_rest(rest: i128) -> u16 {
    u16::try_from(rest + 0x8000).unwrap_or(if rest < 0 { 0 } else { u16::MAX })
}

/// Negative numbers reversed below the positive ones; -0 equals 0.
fn ordered_bits(number: f64) -> u64 {
    let bits = if number == 0.0 { 0 } else { number.to_bits() };
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}
