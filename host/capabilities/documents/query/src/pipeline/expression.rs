//! Expressions: `"$field"`, literals, and objects of them.

use crate::document::check_operand;
use crate::{Invalid, Limits, Path};
use serde_json::Value;

/// What a field of an answer is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Field(Path),
    Literal(Value),
    Object(Vec<(String, Expression)>),
}

// === impl Expression ===

impl Expression {
    pub(super) fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        // Bounds the literals, and how deep the objects go.
        let literal =
            |value: &Value| check_operand(value, limits).map(|()| Self::Literal(value.clone()));
        Self::parse_below(value, limits, limits.depth, &literal)
    }

    fn parse_below(
        value: &Value,
        limits: &Limits,
        depth: usize,
        literal: &dyn Fn(&Value) -> Result<Self, Invalid>,
    ) -> Result<Self, Invalid> {
        let below = depth.checked_sub(1);
        let depth = below.ok_or_else(|| {
            Invalid::new(format!(
                "the expression is nested deeper than {}; flatten it",
                limits.depth
            ))
        })?;
        match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(path) => Ok(Self::Field(Path::parse(path, limits)?)),
                None => literal(value),
            },
            Value::Object(parts) => {
                if let (1, Some(value)) = (parts.len(), parts.get("$literal")) {
                    return literal(value);
                }
                let fields = parts.iter().map(|(name, part)| {
                    if name.starts_with('$') {
                        return Err(Invalid::unknown(
                            "expression",
                            name,
                            "in a pipeline",
                            &["\"$field\"", "a value", "{\"$literal\": value}"],
                        ));
                    }
                    crate::document::check_name(name)?;
                    Ok((
                        name.clone(),
                        Self::parse_below(part, limits, depth, literal)?,
                    ))
                });
                Ok(Self::Object(fields.collect::<Result<_, Invalid>>()?))
            }
            other => literal(other),
        }
    }

    /// Its value for a document; `None` is "missing".
    pub(super) fn value(&self, document: &Value) -> Option<Value> {
        match self {
            Self::Field(path) => path.read(document),
            Self::Literal(value) => Some(value.clone()),
            Self::Object(fields) => Some(object(fields, document)),
        }
    }
}

/// An object of those fields that are not missing.
pub(super) fn object(fields: &[(String, Expression)], document: &Value) -> Value {
    let present = fields
        .iter()
        .filter_map(|(name, expression)| Some((name.clone(), expression.value(document)?)));
    Value::Object(present.collect())
}
