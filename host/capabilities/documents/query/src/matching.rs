//! Whether a document is one of those that a filter means.

use crate::filter::{Condition, Filter};
use crate::order::{compare, same_bracket};
use crate::path::Reached;
use crate::{Patience, TooLong};
use serde_json::Value;
use std::cmp::Ordering;

// === impl Filter ===

impl Filter {
    /// Whether the filter matches a document.
    ///
    /// # Errors
    /// When it takes too long to tell.
    pub fn matches(&self, document: &Value, patience: &Patience) -> Result<bool, TooLong> {
        patience.spend(1)?;
        match self {
            Self::And(filters) => all(filters, |filter| filter.matches(document, patience)),
            Self::Or(filters) => any(filters, |filter| filter.matches(document, patience)),
            Self::Nor(filters) => Ok(!any(filters, |filter| filter.matches(document, patience))?),
            Self::Field(path, condition) => {
                let walk = path.walk(document);
                patience.spend(walk.looked)?;
                condition.is_met_by(&walk.reached, patience)
            }
        }
    }
}

/// As [`Iterator::all`].
fn all<T>(
    items: impl IntoIterator<Item = T>,
    holds: impl Fn(T) -> Result<bool, TooLong>,
) -> Result<bool, TooLong> {
    Ok(!any(items, |item| Ok(!holds(item)?))?)
}

/// As [`Iterator::any`].
fn any<T>(
    items: impl IntoIterator<Item = T>,
    holds: impl Fn(T) -> Result<bool, TooLong>,
) -> Result<bool, TooLong> {
    for item in items {
        if holds(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a value is among values in order.
fn is_among(value: &Value, values: &[Value]) -> bool {
    values
        .binary_search_by(|other| compare(other, value))
        .is_ok()
}

// === impl Condition ===

impl Condition {
    /// Whether the places that a path reaches meet the condition. Negations are of the whole.
    fn is_met_by(&self, reached: &[Reached<'_>], patience: &Patience) -> Result<bool, TooLong> {
        match self {
            Self::Not(conditions) => Ok(!all(conditions, |condition| {
                condition.is_met_by(reached, patience)
            })?),
            Self::All(conditions) => all(conditions, |condition| {
                condition.is_met_by(reached, patience)
            }),
            Self::Exists(exists) => {
                patience.spend(reached.len())?;
                Ok(reached.iter().any(Option::is_some) == *exists)
            }
            // `{"a": null}` is also about documents without `a`.
            _ => any(reached, |value| match value {
                None => self.takes_missing(patience),
                Some(value) => self.holds_within(value, patience),
            }),
        }
    }

    /// Whether a missing value meets the condition as null does.
    fn takes_missing(&self, patience: &Patience) -> Result<bool, TooLong> {
        patience.spend(1)?;
        Ok(match self {
            Self::Equal(value) | Self::GreaterOrEqual(value) | Self::LessOrEqual(value) => {
                value.is_null()
            }
            Self::In(values) => is_among(&Value::Null, values),
            _ => false,
        })
    }

    /// Whether a value meets the condition, itself or by one of its elements.
    fn holds_within(&self, value: &Value, patience: &Patience) -> Result<bool, TooLong> {
        match (self, value) {
            (Self::Size(size), Value::Array(elements)) => {
                patience.spend(1)?;
                Ok(u64::try_from(elements.len()) == Ok(*size))
            }
            (Self::ElementMatches(filter), Value::Array(elements)) => {
                patience.spend(elements.len())?;
                any(elements, |element| {
                    Ok((element.is_object() || element.is_array())
                        && filter.matches(element, patience)?)
                })
            }
            (Self::ElementMeets(conditions), Value::Array(elements)) => any(elements, |element| {
                all(conditions, |condition| {
                    condition.is_met_by_element(element, patience)
                })
            }),
            (Self::Size(_) | Self::ElementMatches(_) | Self::ElementMeets(_), _) => {
                patience.spend(1)?;
                Ok(false)
            }
            (_, Value::Array(elements)) => Ok(self.holds_for(value, patience)?
                || any(elements, |element| self.holds_for(element, patience))?),
            _ => self.holds_for(value, patience),
        }
    }

    /// Inside `$elemMatch` the element stands for the field; a list in the list counts as a whole.
    fn is_met_by_element(&self, element: &Value, patience: &Patience) -> Result<bool, TooLong> {
        match self {
            Self::Not(conditions) => Ok(!all(conditions, |condition| {
                condition.is_met_by_element(element, patience)
            })?),
            Self::All(conditions) => all(conditions, |condition| {
                condition.is_met_by_element(element, patience)
            }),
            Self::Exists(exists) => {
                patience.spend(1)?;
                Ok(*exists)
            }
            Self::Size(_) | Self::ElementMatches(_) | Self::ElementMeets(_) => {
                self.holds_within(element, patience)
            }
            _ => self.holds_for(element, patience),
        }
    }

    /// Whether this very value meets the condition.
    fn holds_for(&self, value: &Value, patience: &Patience) -> Result<bool, TooLong> {
        patience.spend(1)?;
        let compares = |operand: &Value, wanted: &[Ordering]| {
            same_bracket(value, operand) && wanted.contains(&compare(value, operand))
        };
        Ok(match self {
            Self::Equal(operand) => compare(value, operand).is_eq(),
            Self::In(operands) => is_among(value, operands),
            Self::Greater(operand) => compares(operand, &[Ordering::Greater]),
            Self::GreaterOrEqual(operand) => {
                compares(operand, &[Ordering::Greater, Ordering::Equal])
            }
            Self::Less(operand) => compares(operand, &[Ordering::Less]),
            Self::LessOrEqual(operand) => compares(operand, &[Ordering::Less, Ordering::Equal]),
            Self::Exists(_)
            | Self::Size(_)
            | Self::All(_)
            | Self::ElementMatches(_)
            | Self::ElementMeets(_)
            | Self::Not(_) => false,
        })
    }
}
