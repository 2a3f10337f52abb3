//! Filters: which documents.

use crate::document::{check_operand, count};
use crate::order::compare;
use crate::{Invalid, Limits, Path};
use serde_json::{Map, Value};

/// Which documents an operation is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of these hold; every document if there are none.
    And(Vec<Filter>),
    /// At least one of these holds.
    Or(Vec<Filter>),
    /// None of these holds.
    Nor(Vec<Filter>),
    /// The field at the path meets the condition.
    Field(Path, Condition),
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// It, or an element of it, equals this.
    Equal(Value),
    /// It, or an element of it, is greater, of the same type.
    Greater(Value),
    /// It, or an element of it, is greater or equal, of the same type.
    GreaterOrEqual(Value),
    /// It, or an element of it, is less, of the same type.
    Less(Value),
    /// It, or an element of it, is less or equal, of the same type.
    LessOrEqual(Value),
    /// It, or an element of it, equals one of these, each of which is there once and in order.
    In(Vec<Value>),
    /// It is there (or is not).
    Exists(bool),
    /// It is an array of so many elements.
    Size(u64),
    /// It meets all of these; an array may meet each with another element.
    All(Vec<Condition>),
    /// It is an array with an element, an object, that this filter matches.
    ElementMatches(Box<Filter>),
    /// It is an array with an element that meets all of these.
    ElementMeets(Vec<Condition>),
    /// It does not meet all of these.
    Not(Vec<Condition>),
}

const OPERATORS: &[&str] = &[
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$not",
    "$elemMatch",
    "$size",
    "$all",
];

/// Counts down what a filter may still hold.
struct Parser<'a> {
    limits: &'a Limits,
    conditions: usize,
    values: usize,
}

// === impl Filter ===

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Unknown operators, wrong operands, and more than the limits allow; names the place.
    pub fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        let mut parser = Parser {
            limits,
            conditions: limits.conditions,
            values: limits.filter_values,
        };
        parser.filter(value, limits.depth)
    }

    /// Every document.
    pub fn all() -> Self {
        Self::And(Vec::new())
    }

    /// Whether it is [`Filter::all`].
    pub fn is_all(&self) -> bool {
        matches!(self, Self::And(parts) if parts.is_empty())
    }

    /// The conditions that every match meets: those that are joined by "and" at the top.
    pub fn conjuncts(&self) -> Vec<(&Path, &Condition)> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Self::conjuncts).collect(),
            Self::Field(path, Condition::All(conditions)) => conditions
                .iter()
                .map(|condition| (path, condition))
                .collect(),
            Self::Field(path, condition) => vec![(path, condition)],
            Self::Or(_) | Self::Nor(_) => Vec::new(),
        }
    }
}

// === impl Parser ===

impl Parser<'_> {
    fn filter(&mut self, value: &Value, depth: usize) -> Result<Filter, Invalid> {
        let depth = self.deeper(depth)?;
        let Value::Object(fields) = value else {
            return Err(Invalid::new(
                "a filter must be an object like {\"field\": value}",
            ));
        };
        let mut parts = Vec::new();
        for (name, operand) in fields {
            parts.push(match name.as_str() {
                "$and" => Filter::And(self.filters("$and", operand, depth)?),
                "$or" => Filter::Or(self.filters("$or", operand, depth)?),
                "$nor" => Filter::Nor(self.filters("$nor", operand, depth)?),
                operator if operator.starts_with('$') => {
                    return Err(Invalid::unknown(
                        "operator",
                        operator,
                        "at the top of a filter",
                        &["$and", "$or", "$nor"],
                    ));
                }
                path => {
                    let mut conditions = self.conditions(path, operand, depth)?;
                    let path = Path::parse(path, self.limits)?;
                    match (conditions.pop(), conditions.is_empty()) {
                        (Some(only), true) => Filter::Field(path, only),
                        (Some(last), false) => {
                            conditions.push(last);
                            Filter::Field(path, Condition::All(conditions))
                        }
                        (None, _) => Filter::all(),
                    }
                }
            });
        }
        Ok(match parts.pop() {
            Some(only) if parts.is_empty() => only,
            Some(last) => {
                parts.push(last);
                Filter::And(parts)
            }
            None => Filter::all(),
        })
    }

    fn filters(
        &mut self,
        operator: &str,
        operand: &Value,
        depth: usize,
    ) -> Result<Vec<Filter>, Invalid> {
        match operand {
            Value::Array(filters) if !filters.is_empty() => filters
                .iter()
                .map(|filter| self.filter(filter, depth))
                .collect(),
            _ => Err(Invalid::new(format!(
                "`{operator}` takes a list of at least one filter"
            ))),
        }
    }

    /// What is asked of one field: a value to equal, or an object of operators.
    fn conditions(
        &mut self,
        path: &str,
        operand: &Value,
        depth: usize,
    ) -> Result<Vec<Condition>, Invalid> {
        match operand {
            Value::Object(operators) if is_operators(operators) => operators
                .iter()
                .map(|(operator, operand)| self.condition(path, operator, operand, depth))
                .collect(),
            value => Ok(vec![self.condition(path, "$eq", value, depth)?]),
        }
    }

    fn condition(
        &mut self,
        path: &str,
        operator: &str,
        operand: &Value,
        depth: usize,
    ) -> Result<Condition, Invalid> {
        let depth = self.deeper(depth)?;
        self.conditions = self.conditions.checked_sub(1).ok_or_else(|| {
            Invalid::new(format!(
                "the filter has more than {} conditions; split it",
                self.limits.conditions
            ))
        })?;
        let wrong = |needs: &str| {
            Err(Invalid::new(format!(
                "`{operator}` at `{path}` takes {needs}"
            )))
        };
        Ok(match operator {
            "$eq" => Condition::Equal(self.value(path, operand)?),
            "$ne" => Condition::Not(vec![Condition::Equal(self.value(path, operand)?)]),
            "$gt" => Condition::Greater(self.value(path, operand)?),
            "$gte" => Condition::GreaterOrEqual(self.value(path, operand)?),
            "$lt" => Condition::Less(self.value(path, operand)?),
            "$lte" => Condition::LessOrEqual(self.value(path, operand)?),
            "$in" => self.one_of(path, operator, operand)?,
            "$nin" => Condition::Not(vec![self.one_of(path, operator, operand)?]),
            "$exists" => match operand {
                Value::Bool(exists) => Condition::Exists(*exists),
                _ => return wrong("true or false"),
            },
            "$size" => match operand.as_u64() {
                Some(size) => Condition::Size(size),
                None => return wrong("a whole number"),
            },
            "$not" => match operand {
                Value::Object(operators) if is_operators(operators) => {
                    Condition::Not(self.conditions(path, operand, depth)?)
                }
                _ => return wrong("an object of operators, like {\"$gt\": 5}"),
            },
            "$all" => {
                let values = self.list(path, operator, operand)?;
                let each = values.iter().map(|value| match value {
                    Value::Object(operators) if is_operators(operators) => {
                        match operators.get("$elemMatch") {
                            Some(operand) if operators.len() == 1 => {
                                self.condition(path, "$elemMatch", operand, depth)
                            }
                            _ => wrong("values, or objects of $elemMatch alone"),
                        }
                    }
                    value => Ok(Condition::Equal(self.value(path, value)?)),
                });
                let each: Vec<Condition> = each.collect::<Result<_, _>>()?;
                // As in MongoDB, nothing has all of nothing.
                if each.is_empty() {
                    Condition::In(Vec::new())
                } else {
                    Condition::All(each)
                }
            }
            "$elemMatch" => match operand {
                Value::Object(operators)
                    if is_operators(operators) && !starts_with_logic(operators) =>
                {
                    Condition::ElementMeets(self.conditions(path, operand, depth)?)
                }
                Value::Object(_) => {
                    Condition::ElementMatches(Box::new(self.filter(operand, depth)?))
                }
                _ => return wrong("a filter or an object of operators"),
            },
            _ => {
                return Err(Invalid::unknown(
                    "operator",
                    operator,
                    &format!("at `{path}`"),
                    OPERATORS,
                ));
            }
        })
    }

    fn value(&mut self, path: &str, operand: &Value) -> Result<Value, Invalid> {
        check_operand(operand, self.limits).map_err(|invalid| invalid.within(path))?;
        self.values = self.values.checked_sub(count(operand)).ok_or_else(|| {
            Invalid::new(format!(
                "the filter compares with more than {} values; split it",
                self.limits.filter_values
            ))
        })?;
        Ok(operand.clone())
    }

    fn one_of(
        &mut self,
        path: &str,
        operator: &str,
        operand: &Value,
    ) -> Result<Condition, Invalid> {
        let values = self
            .list(path, operator, operand)?
            .iter()
            .map(|value| self.value(path, value));
        let mut values: Vec<Value> = values.collect::<Result<_, _>>()?;
        values.sort_by(compare);
        values.dedup_by(|one, other| compare(one, other).is_eq());
        Ok(Condition::In(values))
    }

    fn list<'v>(
        &self,
        path: &str,
        operator: &str,
        operand: &'v Value,
    ) -> Result<&'v [Value], Invalid> {
        match operand {
            Value::Array(values) if values.len() <= self.limits.values => Ok(values),
            Value::Array(values) => {
                let (count, most) = (values.len(), self.limits.values);
                Err(Invalid::new(format!(
                    "`{operator}` at `{path}` has {count} values; at most {most} are allowed"
                )))
            }
            _ => Err(Invalid::new(format!(
                "`{operator}` at `{path}` takes a list of values like [1, 2]"
            ))),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, Invalid> {
        depth.checked_sub(1).ok_or_else(|| {
            Invalid::new(format!(
                "the filter is nested deeper than {}; flatten it",
                self.limits.depth
            ))
        })
    }
}

/// An object whose first field begins with `$` is about operators, any other is a value.
fn is_operators(object: &Map<String, Value>) -> bool {
    object
        .keys()
        .next()
        .is_some_and(|name| name.starts_with('$'))
}

fn starts_with_logic(object: &Map<String, Value>) -> bool {
    object
        .keys()
        .next()
        .is_some_and(|name| matches!(name.as_str(), "$and" | "$or" | "$nor"))
}
