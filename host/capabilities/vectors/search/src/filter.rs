//! Which points a filter means.

use crate::check::{Refused, ensure};
use crate::limits::{MAX_CONDITIONS, MAX_TEXT_BYTES, MAX_VALUES};
use crate::point::check_id;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A value that filters compare. Numbers are doubles, as in JavaScript.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// What filters see of a payload: its fields on the first level, and their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(BTreeMap<String, Vec<Scalar>>);

/// What a point must be like.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A field is one of some values.
    Any {
        /// The field's name.
        field: String,
        /// The values.
        values: Vec<Scalar>,
    },
    /// A field lies between bounds of its own kind.
    Between {
        /// The field's name.
        field: String,
        /// At least so much.
        at_least: Option<Scalar>,
        /// Less than so much.
        less_than: Option<Scalar>,
    },
    /// The id is one of these.
    Ids(Vec<String>),
}

/// Which points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// All of these hold.
    pub must: Vec<Condition>,
    /// None of these holds.
    pub must_not: Vec<Condition>,
}

// === impl Scalar ===

impl Scalar {
    /// Reads the JSON text of a value to compare with.
    ///
    /// # Errors
    /// [`Refused::Invalid`] when it is none that filters see.
    pub fn read(json: &str) -> Result<Self, Refused> {
        let value = serde_json::from_str(json).ok();
        let scalar = value.and_then(Self::of);
        scalar.ok_or_else(|| {
            Refused::Invalid(format!(
                "a filter compares with JSON texts of at most {MAX_TEXT_BYTES} bytes, numbers and booleans"
            ))
        })
    }

    /// The value, if it is one that filters see.
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Bool(boolean) => Some(Self::Boolean(boolean)),
            // What is too large for a double is refused, or seen by nobody.
            Value::Number(number) => number
                .as_f64()
                .filter(|it| it.is_finite())
                .map(Self::number),
            Value::String(text) => (text.len() <= MAX_TEXT_BYTES).then_some(Self::Text(text)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// There is one zero.
    fn number(number: f64) -> Self {
        Self::Number(if number == 0.0 { 0.0 } else { number })
    }

    /// Which comes first; none where they are of two kinds.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Boolean(this), Self::Boolean(other)) => Some(this.cmp(other)),
            (Self::Number(this), Self::Number(other)) => this.partial_cmp(other),
            (Self::Text(this), Self::Text(other)) => Some(this.cmp(other)),
            _ => None,
        }
    }
}

// === impl Fields ===

impl Fields {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Refused::Invalid`] when it is no JSON object.
    pub fn read(payload: &str) -> Result<Self, Refused> {
        let Ok(Value::Object(object)) = serde_json::from_str(payload) else {
            return Err(Refused::Invalid("a payload is a JSON object".to_owned()));
        };
        let fields = object.into_iter().filter_map(|(name, value)| {
            let values: Vec<_> = match value {
                Value::Array(values) => values.into_iter().filter_map(Scalar::of).collect(),
                value => Scalar::of(value).into_iter().collect(),
            };
            (!values.is_empty()).then_some((name, values))
        });
        Ok(Self(fields.collect()))
    }

    /// The values of a field; none where there is no such field.
    pub fn values(&self, field: &str) -> &[Scalar] {
        self.0.get(field).map_or(&[], Vec::as_slice)
    }

    /// All fields with their values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Scalar])> {
        self.0.iter().map(|(name, values)| (&**name, &**values))
    }
}

// === impl Condition ===

impl Condition {
    fn check(&self) -> Result<(), Refused> {
        let count = |count: usize, of: &str| {
            ensure((1..=MAX_VALUES).contains(&count), || {
                format!("a condition has 1 to {MAX_VALUES} {of}, not {count}")
            })
        };
        match self {
            Self::Any { values, .. } => count(values.len(), "values"),
            Self::Ids(ids) => {
                count(ids.len(), "ids")?;
                ids.iter().try_for_each(|id| check_id(id))
            }
            Self::Between {
                field,
                at_least,
                less_than,
            } => {
                let bounds: Vec<_> = at_least.iter().chain(less_than).collect();
                let is_kind =
                    |bound: &&Scalar| matches!(bound, Scalar::Number(_) | Scalar::Text(_));
                let alike = match &*bounds {
                    [at_least, less_than] => at_least.compare(less_than).is_some(),
                    bounds => !bounds.is_empty(),
                };
                ensure(alike && bounds.iter().all(is_kind), || {
                    format!(
                        "`{field}` lies between `at-least` and `less-than`, of which one is left out or both are of one \
                         kind, numbers or texts"
                    )
                })
            }
        }
    }

    /// Whether a value is one that the condition asks for. No id is a value.
    pub fn admits(&self, value: &Scalar) -> bool {
        match self {
            Self::Any { values, .. } => values.contains(value),
            Self::Between {
                at_least,
                less_than,
                ..
            } => {
                let low = at_least.as_ref().map(|bound| value.compare(bound));
                let high = less_than.as_ref().map(|bound| value.compare(bound));
                !matches!(low, Some(None | Some(Ordering::Less)))
                    && matches!(high, None | Some(Some(Ordering::Less)))
            }
            Self::Ids(_) => false,
        }
    }

    /// Whether a point is like this.
    pub fn holds(&self, id: &str, fields: &Fields) -> bool {
        match self {
            Self::Ids(ids) => ids.iter().any(|asked| asked == id),
            Self::Any { field, .. } | Self::Between { field, .. } => {
                let mut values = fields.values(field).iter();
                values.any(|value| self.admits(value))
            }
        }
    }
}

// === impl Filter ===

impl Filter {
    /// Refuses conditions that mean nothing.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn check(&self) -> Result<(), Refused> {
        let count = self.must.len() + self.must_not.len();
        ensure(count <= MAX_CONDITIONS, || {
            format!("a filter has at most {MAX_CONDITIONS} conditions, not {count}")
        })?;
        self.must
            .iter()
            .chain(&self.must_not)
            .try_for_each(Condition::check)
    }

    /// Refuses what is no filter to delete by.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn check_deletion(&self) -> Result<(), Refused> {
        self.check()?;
        ensure(!self.is_empty(), || {
            "a filter to delete by is not empty; to delete all points, drop the collection"
                .to_owned()
        })
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.must.is_empty() && self.must_not.is_empty()
    }

    /// Whether a point fits.
    pub fn fits(&self, id: &str, fields: &Fields) -> bool {
        self.must
            .iter()
            .all(|condition| condition.holds(id, fields))
            && !self
                .must_not
                .iter()
                .any(|condition| condition.holds(id, fields))
    }
}
