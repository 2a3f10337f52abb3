//! Reading the stages of a pipeline.

use super::accumulator::{ACCUMULATORS, Accumulator};
use super::{Expression, Stage};
use crate::document::check_name;
use crate::{Filter, ID, Invalid, Limits, Path, Projection, Sort};
use serde_json::{Map, Value};

const STAGES: &[&str] = &[
    "$match", "$group", "$sort", "$limit", "$skip", "$project", "$unwind", "$count",
];

// === impl Stage ===

impl Stage {
    pub(super) fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        let one = value
            .as_object()
            .filter(|stage| stage.len() == 1)
            .and_then(|stage| stage.iter().next());
        let Some((name, operand)) = one else {
            return Err(Invalid::new(format!(
                "a stage is an object with one of {}",
                STAGES.join(", ")
            )));
        };
        let number = |least: u64| {
            let number = operand
                .as_u64()
                .filter(|number| *number >= least)
                .and_then(|number| usize::try_from(number).ok());
            number
                .ok_or_else(|| Invalid::new(format!("`{name}` takes a whole number from {least}")))
        };
        Ok(match name.as_str() {
            "$match" => Self::Match(Filter::parse(operand, limits)?),
            "$sort" => Self::Sort(Sort::parse(operand, limits)?),
            "$limit" => Self::Limit(number(1)?),
            "$skip" => Self::Skip(number(0)?),
            "$count" => {
                let field = operand.as_str().filter(|field| check_name(field).is_ok());
                let field = field.ok_or_else(|| {
                    Invalid::new(
                        "`$count` takes the name of the field to answer in, like \"count\"",
                    )
                })?;
                Self::Count(field.to_owned())
            }
            "$unwind" => unwind(operand, limits)?,
            "$project" => project(operand, limits)?,
            "$group" => group(operand, limits)?,
            _ => return Err(Invalid::unknown("stage", name, "in a pipeline", STAGES)),
        })
    }
}

fn unwind(operand: &Value, limits: &Limits) -> Result<Stage, Invalid> {
    let wrong = || {
        Invalid::new(
            "`$unwind` takes \"$field\", or {\"path\": \"$field\", \"preserveNullAndEmptyArrays\": true}",
        )
    };
    let (path, keep_empty) = match operand {
        Value::String(path) => (path.as_str(), false),
        Value::Object(parts) => {
            let known = |part: &String| part == "path" || part == "preserveNullAndEmptyArrays";
            let path = parts
                .get("path")
                .and_then(Value::as_str)
                .filter(|_| parts.keys().all(known));
            let keep = parts
                .get("preserveNullAndEmptyArrays")
                .map_or(Some(false), Value::as_bool);
            (path.ok_or_else(wrong)?, keep.ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    };
    let path = path.strip_prefix('$').ok_or_else(wrong)?;
    Ok(Stage::Unwind {
        path: Path::parse(path, limits)?,
        keep_empty,
    })
}

/// `$project` chooses fields, unless one of them is computed.
fn project(operand: &Value, limits: &Limits) -> Result<Stage, Invalid> {
    let Value::Object(fields) = operand else {
        return Err(Invalid::new(
            "`$project` takes an object of fields, like {\"name\": 1}",
        ));
    };
    check_count("$project", fields, limits)?;
    if fields.values().all(|value| chosen(value).is_some()) {
        return Ok(Stage::Choose(Projection::parse(operand, limits)?));
    }
    let mut computed = Vec::new();
    if !fields.contains_key(ID) {
        computed.push((ID.to_owned(), Expression::Field(Path::parse(ID, limits)?)));
    }
    for (name, value) in fields {
        check_name(name)?;
        match chosen(value) {
            Some(false) if name == ID => {}
            Some(false) => {
                return Err(Invalid::new(format!(
                    "`$project` computes fields and so cannot leave out `{name}`; drop it from the stage"
                )));
            }
            Some(true) => {
                computed.push((name.clone(), Expression::Field(Path::parse(name, limits)?)))
            }
            None => computed.push((
                name.clone(),
                Expression::parse(value, limits).map_err(|invalid| invalid.within(name))?,
            )),
        }
    }
    Ok(Stage::Compute(computed))
}

/// Whether a field is kept or left out; `None`: it is computed.
fn chosen(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(chosen) => Some(*chosen),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        _ => None,
    }
}

fn group(operand: &Value, limits: &Limits) -> Result<Stage, Invalid> {
    let wrong = || {
        Invalid::new(
            "`$group` takes {\"_id\": \"$field\", \"name\": {\"$sum\": 1}}; group by null for one group",
        )
    };
    let Value::Object(parts) = operand else {
        return Err(wrong());
    };
    check_count("$group", parts, limits)?;
    let by = Expression::parse(parts.get(ID).ok_or_else(wrong)?, limits)?;
    let mut fields = Vec::new();
    for (name, accumulated) in parts.iter().filter(|(name, _)| *name != ID) {
        check_name(name)?;
        let one = accumulated
            .as_object()
            .filter(|object| object.len() == 1)
            .and_then(|object| object.iter().next());
        let (operator, operand) = one.ok_or_else(wrong)?;
        let found = ACCUMULATORS
            .iter()
            .find(|(known, _)| known == operator)
            .map(|(_, accumulator)| *accumulator);
        let accumulator: Accumulator = found.ok_or_else(|| {
            let known: Vec<&str> = ACCUMULATORS.iter().map(|(name, _)| *name).collect();
            Invalid::unknown("accumulator", operator, &format!("at `{name}`"), &known)
        })?;
        let expression =
            Expression::parse(operand, limits).map_err(|invalid| invalid.within(name))?;
        fields.push((name.clone(), accumulator, expression));
    }
    Ok(Stage::Group { by, fields })
}

fn check_count(stage: &str, fields: &Map<String, Value>, limits: &Limits) -> Result<(), Invalid> {
    if fields.len() > limits.conditions {
        return Err(Invalid::new(format!(
            "`{stage}` has more than {} fields; drop some",
            limits.conditions
        )));
    }
    Ok(())
}
