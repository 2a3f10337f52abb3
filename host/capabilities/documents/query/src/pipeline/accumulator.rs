//! Accumulators: what `$group` makes of the values of a group, taking them one by one.

use crate::document::weight;
use crate::order::compare;
use serde_json::{Number, Value};
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accumulator {
    Sum,
    Average,
    Minimum,
    Maximum,
    First,
    Last,
    Push,
}

pub(super) const ACCUMULATORS: &[(&str, Accumulator)] = &[
    ("$sum", Accumulator::Sum),
    ("$avg", Accumulator::Average),
    ("$min", Accumulator::Minimum),
    ("$max", Accumulator::Maximum),
    ("$first", Accumulator::First),
    ("$last", Accumulator::Last),
    ("$push", Accumulator::Push),
];

/// What an accumulator has taken so far.
pub(super) enum Taken {
    /// The sum as an integer while it is one, the sum in floating point, and of how many.
    Sum {
        whole: Option<i64>,
        sum: f64,
        count: u64,
        average: bool,
    },
    /// The value to answer, and the order in which a new one must stand to it to replace it.
    Extreme {
        value: Option<Value>,
        wanted: Ordering,
    },
    First(Option<Value>),
    Last(Option<Value>),
    Push(Vec<Value>),
}

// === impl Accumulator ===

impl Accumulator {
    /// Nothing taken yet.
    pub(super) fn begin(self) -> Taken {
        let sum = |average| Taken::Sum {
            whole: Some(0),
            sum: 0.0,
            count: 0,
            average,
        };
        match self {
            Self::Sum => sum(false),
            Self::Average => sum(true),
            Self::Minimum => Taken::Extreme {
                value: None,
                wanted: Ordering::Less,
            },
            Self::Maximum => Taken::Extreme {
                value: None,
                wanted: Ordering::Greater,
            },
            Self::First => Taken::First(None),
            Self::Last => Taken::Last(None),
            Self::Push => Taken::Push(Vec::new()),
        }
    }
}

// === impl Taken ===

impl Taken {
    /// Takes one more value (`None`: missing); answers how many bytes it holds more.
    pub(super) fn take(&mut self, value: Option<Value>) -> usize {
        match self {
            Self::Sum {
                whole, sum, count, ..
            } => {
                if let Some(Value::Number(number)) = value {
                    *whole = whole.and_then(|whole| whole.checked_add(number.as_i64()?));
                    *sum += number.as_f64().unwrap_or_default();
                    *count += 1;
                }
                0
            }
            Self::Extreme {
                value: best,
                wanted,
            } => {
                let better = |value: &Value| {
                    !value.is_null()
                        && best
                            .as_ref()
                            .is_none_or(|best| compare(value, best) == *wanted)
                };
                value
                    .filter(better)
                    .map_or(0, |value| replaced(best, value))
            }
            Self::First(Some(_)) => 0,
            Self::First(first) => replaced(first, value.unwrap_or(Value::Null)),
            Self::Last(last) => replaced(last, value.unwrap_or(Value::Null)),
            Self::Push(values) => value.map_or(0, |value| {
                let more = weight(&value);
                values.push(value);
                more
            }),
        }
    }

    /// The answer for the group.
    pub(super) fn answer(self) -> Value {
        match self {
            Self::Sum {
                count: 0,
                average: true,
                ..
            } => Value::Null,
            Self::Sum {
                sum,
                count,
                average: true,
                ..
            } => {
                #[expect(clippy::cast_precision_loss, reason = "nobody counts beyond 2^53")]
                let count = count as f64;
                float(sum / count)
            }
            Self::Sum {
                whole: Some(whole), ..
            } => whole.into(),
            Self::Sum { sum, .. } => float(sum),
            Self::Extreme { value, .. } | Self::First(value) | Self::Last(value) => {
                value.unwrap_or(Value::Null)
            }
            Self::Push(values) => Value::Array(values),
        }
    }
}

/// JSON has no infinity: a sum beyond all numbers is null.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Puts a value in its place; answers how many bytes are held more.
fn replaced(place: &mut Option<Value>, value: Value) -> usize {
    let before = place.as_ref().map_or(0, weight);
    let after = weight(&value);
    *place = Some(value);
    after.saturating_sub(before)
}
