//! Aggregation pipelines.

use crate::order::{compare, key};
use crate::sort::SortKey;
use crate::{Filter, ID, Invalid, Limits, Path, Projection, Sort};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    stages: Vec<Stage>,
    held: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Match(Filter),
    Sort(Sort),
    Limit(usize),
    Skip(usize),
    Count(String),
    Unwind { path: Path, keep_empty: bool },
    Choose(Projection),
    Compute(Vec<(String, Expression)>),
    Group { by: Expression, fields: Vec<(String, Accumulator, Expression)> },
}

/// What a field of an answer is made of.
#[derive(Clone, Debug, PartialEq)]
enum Expression {
    Field(Path),
    Literal(Value),
    Object(Vec<(String, Expression)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accumulator {
    Sum,
    Average,
    Minimum,
    Maximum,
    First,
    Last,
    Push,
}

const STAGES: &str = "$match, $group, $sort, $limit, $skip, $project, $unwind, $count";
const ACCUMULATORS: &[(&str, Accumulator)] = &[
    ("$sum", Accumulator::Sum),
    ("$avg", Accumulator::Average),
    ("$min", Accumulator::Minimum),
    ("$max", Accumulator::Maximum),
    ("$first", Accumulator::First),
    ("$last", Accumulator::Last),
    ("$push", Accumulator::Push),
];

// === impl Pipeline ===

impl Pipeline {
    /// Reads a pipeline.
    ///
    /// # Errors
    /// Unknown stages, accumulators or expressions; more stages than allowed.
    pub fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        let Value::Array(stages) = value else {
            return Err(Invalid::new("a pipeline must be a list of stages like [{\"$match\": {}}]"));
        };
        if stages.len() > limits.stages {
            return Err(Invalid::new(format!("the pipeline has more than {} stages; shorten it", limits.stages)));
        }
        let stages = stages.iter().map(|stage| Stage::parse(stage, limits)).collect::<Result<_, _>>()?;
        Ok(Self { stages, held: limits.held })
    }

    /// What the first stage asks for, if it is a `$match`: a backend can let an index answer that.
    pub fn leading_filter(&self) -> Filter {
        match self.stages.first() {
            Some(Stage::Match(filter)) => filter.clone(),
            _ => Filter::all(),
        }
    }

    /// Runs the pipeline over documents.
    ///
    /// # Errors
    /// When a stage would hold more documents than the limit allows.
    pub fn run(&self, documents: Vec<Value>) -> Result<Vec<Value>, Invalid> {
        self.stages.iter().try_fold(documents, |documents, stage| {
            let answer = stage.run(documents)?;
            if answer.len() > self.held {
                return Err(Invalid::new(format!("a stage of the pipeline holds more than {} documents; narrow it with $match first", self.held)));
            }
            Ok(answer)
        })
    }
}

// === impl Stage ===

impl Stage {
    fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        let one = value.as_object().filter(|stage| stage.len() == 1).and_then(|stage| stage.iter().next());
        let Some((name, operand)) = one else {
            return Err(Invalid::new(format!("a stage is an object with one of {STAGES}")));
        };
        let number = || {
            let number = operand.as_u64().and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| Invalid::new(format!("`{name}` takes a whole number")))
        };
        Ok(match name.as_str() {
            "$match" => Self::Match(Filter::parse(operand, limits)?),
            "$sort" => Self::Sort(Sort::parse(operand, limits)?),
            "$limit" => Self::Limit(number()?),
            "$skip" => Self::Skip(number()?),
            "$count" => match operand.as_str() {
                Some(field) if !field.is_empty() && !field.starts_with('$') && !field.contains('.') => Self::Count(field.to_owned()),
                _ => return Err(Invalid::new("`$count` takes the name of the field to answer in")),
            },
            "$unwind" => unwind(operand, limits)?,
            "$project" => project(operand, limits)?,
            "$group" => group(operand, limits)?,
            _ => return Err(Invalid::new(format!("unknown stage `{name}`; known are {STAGES}"))),
        })
    }

    fn run(&self, mut documents: Vec<Value>) -> Result<Vec<Value>, Invalid> {
        Ok(match self {
            Self::Match(filter) => {
                documents.retain(|document| filter.matches(document));
                documents
            }
            Self::Sort(sort) => sorted(sort, documents),
            Self::Limit(most) => {
                documents.truncate(*most);
                documents
            }
            Self::Skip(first) => documents.split_off((*first).min(documents.len())),
            Self::Count(_) if documents.is_empty() => Vec::new(),
            Self::Count(field) => vec![Value::Object(Map::from_iter([(field.clone(), documents.len().into())]))],
            Self::Unwind { path, keep_empty } => {
                documents.into_iter().flat_map(|document| unwound(document, path, *keep_empty)).collect()
            }
            Self::Choose(projection) => documents.iter().map(|document| projection.apply(document)).collect(),
            Self::Compute(fields) => documents.iter().map(|document| object(fields, document)).collect(),
            Self::Group { by, fields } => grouped(by, fields, &documents),
        })
    }
}

fn sorted(sort: &Sort, documents: Vec<Value>) -> Vec<Value> {
    // Equal documents keep their order: the id is left empty.
    let mut keyed: Vec<(SortKey, Value)> = documents.into_iter().map(|document| (sort.key(&document, ""), document)).collect();
    keyed.sort_by(|(one, _), (other, _)| sort.compare(one, other));
    keyed.into_iter().map(|(_, document)| document).collect()
}

fn unwind(operand: &Value, limits: &Limits) -> Result<Stage, Invalid> {
    let wrong = || Invalid::new("`$unwind` takes \"$field\", or {\"path\": \"$field\", \"preserveNullAndEmptyArrays\": true}");
    let (path, keep_empty) = match operand {
        Value::String(path) => (path.as_str(), false),
        Value::Object(parts) => {
            if parts.keys().any(|part| part != "path" && part != "preserveNullAndEmptyArrays") {
                return Err(wrong());
            }
            let path = parts.get("path").and_then(Value::as_str).ok_or_else(wrong)?;
            (path, parts.get("preserveNullAndEmptyArrays").is_some_and(|keep| *keep == Value::Bool(true)))
        }
        _ => return Err(wrong()),
    };
    let path = path.strip_prefix('$').ok_or_else(wrong)?;
    Ok(Stage::Unwind { path: Path::parse(path, limits)?, keep_empty })
}

fn unwound(document: Value, path: &Path, keep_empty: bool) -> Vec<Value> {
    match path.value(&document) {
        Some(Value::Array(elements)) if elements.is_empty() => if keep_empty { vec![without(document, path)] } else { Vec::new() },
        Some(Value::Array(elements)) => {
            let with = |element: &Value| {
                let mut document = document.clone();
                if let Some(place) = value_mut(&mut document, path) {
                    *place = element.clone();
                }
                document
            };
            elements.iter().map(with).collect()
        }
        None | Some(Value::Null) if !keep_empty => Vec::new(),
        _ => vec![document],
    }
}

fn value_mut<'a>(document: &'a mut Value, path: &Path) -> Option<&'a mut Value> {
    path.segments().iter().try_fold(document, |value, segment| value.as_object_mut()?.get_mut(segment))
}

fn without(mut document: Value, path: &Path) -> Value {
    if let Some((last, above)) = path.segments().split_last() {
        let parent = above.iter().try_fold(&mut document, |value, segment| value.as_object_mut()?.get_mut(segment));
        if let Some(Value::Object(fields)) = parent {
            fields.shift_remove(last);
        }
    }
    document
}

/// `$project` chooses fields, unless one of them is computed.
fn project(operand: &Value, limits: &Limits) -> Result<Stage, Invalid> {
    let Value::Object(fields) = operand else {
        return Err(Invalid::new("`$project` takes an object of fields"));
    };
    let chosen = |value: &Value| value.is_number() || value.is_boolean();
    if fields.values().all(chosen) {
        return Ok(Stage::Choose(Projection::parse(operand, limits)?));
    }
    let mut computed = Vec::new();
    if !fields.contains_key(ID) {
        computed.push((ID.to_owned(), Expression::Field(Path::parse(ID, limits)?)));
    }
    for (name, value) in fields {
        crate::document::check_name(name)?;
        match value {
            Value::Number(number) if number.as_f64() == Some(0.0) && name == ID => {}
            Value::Bool(false) if name == ID => {}
            Value::Number(_) | Value::Bool(true) => computed.push((name.clone(), Expression::Field(Path::parse(name, limits)?))),
            Value::Bool(false) => return Err(Invalid::new("a projection that computes fields cannot leave others out")),
            value => computed.push((name.clone(), Expression::parse(value, limits)?)),
        }
    }
    Ok(Stage::Compute(computed))
}

fn group(operand: &Value, limits: &Limits) -> Result<Stage, Invalid> {
    let wrong = || Invalid::new("`$group` takes {\"_id\": \"$field\", \"name\": {\"$sum\": 1}}");
    let Value::Object(parts) = operand else { return Err(wrong()) };
    let by = Expression::parse(parts.get(ID).ok_or_else(wrong)?, limits)?;
    let mut fields = Vec::new();
    for (name, accumulated) in parts.iter().filter(|(name, _)| *name != ID) {
        crate::document::check_name(name)?;
        let one = accumulated.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
        let (operator, operand) = one.ok_or_else(wrong)?;
        let found = ACCUMULATORS.iter().find(|(known, _)| known == operator).map(|(_, accumulator)| *accumulator);
        let accumulator = found.ok_or_else(|| {
            let known: Vec<&str> = ACCUMULATORS.iter().map(|(name, _)| *name).collect();
            Invalid::new(format!("unknown accumulator `{operator}`; known are {}", known.join(", ")))
        })?;
        fields.push((name.clone(), accumulator, Expression::parse(operand, limits)?));
    }
    Ok(Stage::Group { by, fields })
}

/// Groups in the order in which they are first met.
fn grouped(by: &Expression, fields: &[(String, Accumulator, Expression)], documents: &[Value]) -> Vec<Value> {
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Vec<(Value, Vec<Vec<Value>>)> = Vec::new();
    for document in documents {
        let id = by.value(document).unwrap_or(Value::Null);
        let place = *places.entry(key(&id)).or_insert_with(|| {
            groups.push((id, vec![Vec::new(); fields.len()]));
            groups.len() - 1
        });
        let Some((_, collected)) = groups.get_mut(place) else { continue };
        for ((_, accumulator, expression), values) in fields.iter().zip(collected) {
            accumulator.take(values, expression.value(document));
        }
    }
    let answers = groups.into_iter().map(|(id, collected)| {
        let mut answer = Map::from_iter([(ID.to_owned(), id)]);
        for ((name, accumulator, _), values) in fields.iter().zip(collected) {
            answer.insert(name.clone(), accumulator.answer(values));
        }
        Value::Object(answer)
    });
    answers.collect()
}

fn object(fields: &[(String, Expression)], document: &Value) -> Value {
    let present = fields.iter().filter_map(|(name, expression)| Some((name.clone(), expression.value(document)?)));
    Value::Object(present.collect())
}

// === impl Expression ===

impl Expression {
    fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(path) => Self::Field(Path::parse(path, limits)?),
                None => Self::Literal(value.clone()),
            },
            Value::Object(parts) => match parts.get("$literal") {
                Some(literal) if parts.len() == 1 => Self::Literal(literal.clone()),
                _ => {
                    if let Some(operator) = parts.keys().find(|name| name.starts_with('$')) {
                        return Err(Invalid::new(format!("unknown expression `{operator}`; known are \"$field\", values, objects, and {{\"$literal\": value}}")));
                    }
                    let fields = parts.iter().map(|(name, part)| Ok((name.clone(), Self::parse(part, limits)?)));
                    Self::Object(fields.collect::<Result<_, Invalid>>()?)
                }
            },
            other => Self::Literal(other.clone()),
        })
    }

    fn value(&self, document: &Value) -> Option<Value> {
        match self {
            Self::Field(path) => path.value(document).cloned(),
            Self::Literal(value) => Some(value.clone()),
            Self::Object(fields) => Some(object(fields, document)),
        }
    }
}

// === impl Accumulator ===

impl Accumulator {
    /// Takes one more value; keeps only what the answer needs.
    fn take(self, values: &mut Vec<Value>, value: Option<Value>) {
        match self {
            Self::First if values.is_empty() => values.push(value.unwrap_or(Value::Null)),
            Self::First => {}
            Self::Last => *values = vec![value.unwrap_or(Value::Null)],
            Self::Push => values.extend(value),
            Self::Sum | Self::Average => values.extend(value.filter(Value::is_number)),
            Self::Minimum | Self::Maximum => {
                let Some(value) = value.filter(|value| !value.is_null()) else { return };
                let wanted = if self == Self::Minimum { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
                match values.first() {
                    Some(best) if compare(&value, best) != wanted => {}
                    _ => *values = vec![value],
                }
            }
        }
    }

    fn answer(self, values: Vec<Value>) -> Value {
        match self {
            Self::Push => Value::Array(values),
            Self::Sum => sum(&values),
            Self::Average if values.is_empty() => Value::Null,
            Self::Average => {
                let total: f64 = values.iter().filter_map(Value::as_f64).sum();
                #[expect(clippy::cast_precision_loss, reason = "a count of held documents")]
                let count = values.len() as f64;
                Number::from_f64(total / count).map_or(Value::Null, Value::Number)
            }
            Self::First | Self::Last | Self::Minimum | Self::Maximum => values.into_iter().next().unwrap_or(Value::Null),
        }
    }
}

/// Integers stay integers as long as their sum is one.
fn sum(values: &[Value]) -> Value {
    let integers = values.iter().try_fold(0_i64, |sum, value| sum.checked_add(value.as_i64()?));
    match integers {
        Some(sum) => sum.into(),
        None => Number::from_f64(values.iter().filter_map(Value::as_f64).sum()).map_or(Value::Null, Value::Number),
    }
}
