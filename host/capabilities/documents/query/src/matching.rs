//! Whether a document is one of those that a filter means.

use crate::filter::{Condition, Filter};
use crate::order::{compare, same_bracket};
use crate::path::Reached;
use serde_json::Value;
use std::cmp::Ordering;

// === impl Filter ===

impl Filter {
    /// Whether the filter matches a document.
    pub fn matches(&self, document: &Value) -> bool {
        match self {
            Self::And(filters) => filters.iter().all(|filter| filter.matches(document)),
            Self::Or(filters) => filters.iter().any(|filter| filter.matches(document)),
            Self::Nor(filters) => !filters.iter().any(|filter| filter.matches(document)),
            Self::Field(path, condition) => condition.is_met_by(&path.reach(document)),
        }
    }
}

// === impl Condition ===

impl Condition {
    /// Whether the places that a path reaches meet the condition. Negations are of the whole.
    fn is_met_by(&self, reached: &[Reached<'_>]) -> bool {
        match self {
            Self::Not(conditions) => !conditions
                .iter()
                .all(|condition| condition.is_met_by(reached)),
            Self::All(conditions) => conditions
                .iter()
                .all(|condition| condition.is_met_by(reached)),
            Self::Exists(exists) => reached.iter().any(Option::is_some) == *exists,
            // `{"a": null}` is also about documents without `a`.
            _ => reached.iter().any(|value| {
                value.map_or_else(|| self.takes_missing(), |value| self.holds_within(value))
            }),
        }
    }

    /// Whether a missing value meets the condition as null does.
    fn takes_missing(&self) -> bool {
        match self {
            Self::Equal(value) | Self::GreaterOrEqual(value) | Self::LessOrEqual(value) => {
                value.is_null()
            }
            Self::In(values) => values.contains(&Value::Null),
            _ => false,
        }
    }

    /// Whether a value meets the condition, itself or by one of its elements.
    fn holds_within(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Size(size), Value::Array(elements)) => {
                u64::try_from(elements.len()) == Ok(*size)
            }
            (Self::Size(_), _) => false,
            (Self::ElementMatches(filter), Value::Array(elements)) => {
                elements.iter().any(|element| {
                    (element.is_object() || element.is_array()) && filter.matches(element)
                })
            }
            (Self::ElementMeets(conditions), Value::Array(elements)) => {
                elements.iter().any(|element| {
                    conditions
                        .iter()
                        .all(|condition| condition.is_met_by_element(element))
                })
            }
            (Self::ElementMatches(_) | Self::ElementMeets(_), _) => false,
            (_, Value::Array(elements)) => {
                self.holds_for(value) || elements.iter().any(|element| self.holds_for(element))
            }
            _ => self.holds_for(value),
        }
    }

    /// Inside `$elemMatch` the element stands for the field; a list in the list counts as a whole.
    fn is_met_by_element(&self, element: &Value) -> bool {
        match self {
            Self::Not(conditions) => !conditions
                .iter()
                .all(|condition| condition.is_met_by_element(element)),
            Self::All(conditions) => conditions
                .iter()
                .all(|condition| condition.is_met_by_element(element)),
            Self::Exists(exists) => *exists,
            Self::Size(_) | Self::ElementMatches(_) | Self::ElementMeets(_) => {
                self.holds_within(element)
            }
            _ => self.holds_for(element),
        }
    }

    /// Whether this very value meets the condition.
    fn holds_for(&self, value: &Value) -> bool {
        let compares = |operand: &Value, wanted: &[Ordering]| {
            same_bracket(value, operand) && wanted.contains(&compare(value, operand))
        };
        match self {
            Self::Equal(operand) => compare(value, operand).is_eq(),
            Self::In(operands) => operands
                .iter()
                .any(|operand| compare(value, operand).is_eq()),
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
        }
    }
}
