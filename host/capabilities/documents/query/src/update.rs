//! Updates: how documents change.

use crate::document::check_name;
use crate::filter::{Condition, Filter};
use crate::order::compare;
use crate::path::array_index;
use crate::{Failed, ID, Invalid, Limits, Path, Patience, TooLong};
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;

/// How a document changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// It becomes this document, keeping its `_id`.
    Replace(Value),
    /// These changes, each at a path of its own.
    Change(Vec<(Path, Operation)>),
}

/// One change of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The field becomes this.
    Set(Value),
    /// The field goes.
    Unset,
    /// The number grows by this; a missing one starts at 0.
    Increment(Number),
    /// The field becomes this if that is less.
    Minimum(Value),
    /// The field becomes this if that is greater.
    Maximum(Value),
    /// These go to the end of the array, or to the place; then it is cut to the last or first `slice`.
    Push {
        /// The values.
        values: Vec<Value>,
        /// Where they go; the end when `None`.
        position: Option<usize>,
        /// How many elements stay: the first so many, or the last if negative.
        slice: Option<i64>,
    },
    /// These go to the end of the array unless they are in it.
    AddToSet(Vec<Value>),
    /// Elements that equal this go.
    Pull(Value),
    /// Elements, objects, that this matches go.
    PullMatching(Filter),
    /// Elements that meet this go.
    PullMeeting(Filter),
    /// The field becomes the present time.
    CurrentDate,
}

/// The path under which [`Operation::PullMeeting`] presents an element to its filter.
const ELEMENT: &str = "element";

const OPERATORS: &[&str] = &[
    "$set",
    "$unset",
    "$inc",
    "$min",
    "$max",
    "$push",
    "$pull",
    "$addToSet",
    "$currentDate",
];

// === impl Update ===

impl Update {
    /// Reads an update: operators, or a whole document.
    ///
    /// # Errors
    /// Unknown operators, wrong operands, two changes of one path, or a change of `_id`.
    pub fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        let Value::Object(parts) = value else {
            return Err(Invalid::new(
                "an update must be an object like {\"$set\": {\"name\": \"x\"}}",
            ));
        };
        let operators = parts.keys().filter(|name| name.starts_with('$')).count();
        if operators == 0 {
            crate::check_document(value, limits)?;
            return Ok(Self::Replace(value.clone()));
        }
        let mut changes: Vec<(Path, Operation)> = Vec::new();
        for (operator, fields) in parts {
            if !OPERATORS.contains(&operator.as_str()) {
                return Err(Invalid::unknown(
                    "operator",
                    operator,
                    "in an update",
                    OPERATORS,
                ));
            }
            let Value::Object(fields) = fields else {
                return Err(Invalid::new(format!(
                    "`{operator}` takes an object of fields, like {{\"{operator}\": {{\"name\": …}}}}"
                )));
            };
            for (path, operand) in fields {
                let operation = operation(operator, path, operand, limits)
                    .map_err(|invalid| invalid.within(path))?;
                let path = Path::parse(path, limits)?;
                if path.segments().first().is_some_and(|first| first == ID) {
                    return Err(Invalid::new(
                        "`_id` cannot be changed; insert a new document instead",
                    ));
                }
                if changes.len() >= limits.conditions {
                    return Err(Invalid::new(format!(
                        "an update has at most {} changes; split it",
                        limits.conditions
                    )));
                }
                if let Some((other, _)) = changes
                    .iter()
                    .find(|(other, _)| other.conflicts_with(&path))
                {
                    return Err(Invalid::new(format!(
                        "`{other}` and `{path}` conflict in one update; change each field once"
                    )));
                }
                changes.push((path, operation));
            }
        }
        Ok(Self::Change(changes))
    }

    /// Whether it may change what an index or a sort sees at a path. Said before a document is known.
    pub fn may_change(&self, path: &Path) -> bool {
        match self {
            Self::Replace(_) => true,
            Self::Change(changes) => changes
                .iter()
                .any(|(changed, _)| changed.may_be_seen_at(path)),
        }
    }

    /// Changes a document; says whether anything is different. `now` is the present time in RFC 3339.
    ///
    /// # Errors
    /// When a change does not fit the document, such as `$inc` of a text, or takes too long. The
    /// document may then be changed in part: throw it away.
    pub fn apply(
        &self,
        document: &mut Value,
        now: &str,
        patience: &Patience,
    ) -> Result<bool, Failed> {
        match self {
            Self::Replace(replacement) => {
                let mut replacement = replacement.clone();
                if let (Some(id), Value::Object(fields)) = (document.get(ID), &mut replacement) {
                    if fields.get(ID).is_some_and(|other| other != id) {
                        return Err(Invalid::new(
                            "`_id` cannot be changed; leave it out or repeat it",
                        )
                        .into());
                    }
                    fields.shift_remove(ID);
                    fields.shift_insert(0, ID.to_owned(), id.clone());
                }
                let changed = *document != replacement;
                *document = replacement;
                Ok(changed)
            }
            Self::Change(changes) => {
                let mut changed = false;
                for (path, operation) in changes {
                    changed |= operation.apply(document, path, now, patience)?;
                }
                Ok(changed)
            }
        }
    }

    /// The document that an upsert inserts: what the filter says it equals, then the update. A
    /// replacement takes the `_id` alone from the filter. It may still lack an `_id`.
    ///
    /// # Errors
    /// As [`Update::apply`], and when the filter names a field twice.
    pub fn upserted(
        &self,
        filter: &Filter,
        now: &str,
        patience: &Patience,
    ) -> Result<Value, Failed> {
        let mut document = Value::Object(Map::new());
        let mut named: Vec<&Path> = Vec::new();
        for (path, condition) in filter.conjuncts() {
            let Condition::Equal(value) = condition else {
                continue;
            };
            if matches!(self, Self::Replace(_)) && !path.is_id() {
                continue;
            }
            if named.iter().any(|other| other.conflicts_with(path)) {
                return Err(Invalid::new(format!(
                    "the filter names `{path}` twice, so that an upsert cannot set it; name it once"
                ))
                .into());
            }
            named.push(path);
            Operation::Set(value.clone()).apply(&mut document, path, now, patience)?;
        }
        self.apply(&mut document, now, patience)?;
        Ok(document)
    }
}

fn operation(
    operator: &str,
    path: &str,
    operand: &Value,
    limits: &Limits,
) -> Result<Operation, Invalid> {
    let wrong = |needs: &str| {
        Err(Invalid::new(format!(
            "`{operator}` at `{path}` takes {needs}"
        )))
    };
    Ok(match operator {
        "$set" => Operation::Set(value(operand, limits)?),
        "$unset" => Operation::Unset,
        "$inc" => match operand {
            Value::Number(number) => {
                value(operand, limits)?;
                Operation::Increment(number.clone())
            }
            _ => return wrong("a number"),
        },
        "$min" => Operation::Minimum(value(operand, limits)?),
        "$max" => Operation::Maximum(value(operand, limits)?),
        "$push" => push(path, operand, limits)?,
        "$addToSet" => match operand.get("$each") {
            Some(_) if operand.as_object().is_some_and(|parts| parts.len() > 1) => {
                return wrong("nothing beside `$each`");
            }
            Some(Value::Array(values)) if values.len() > limits.values => {
                let (count, most) = (values.len(), limits.values);
                return Err(Invalid::new(format!(
                    "`$each` of `$addToSet` at `{path}` has {count} values; at most {most} are allowed"
                )));
            }
            Some(Value::Array(values)) => Operation::AddToSet(
                values
                    .iter()
                    .map(|each| value(each, limits))
                    .collect::<Result<_, _>>()?,
            ),
            Some(_) => return wrong("a list in `$each`"),
            None => Operation::AddToSet(vec![value(operand, limits)?]),
        },
        "$pull" => match operand {
            Value::Object(fields)
                if fields
                    .keys()
                    .next()
                    .is_some_and(|name| name.starts_with('$')) =>
            {
                let about_element =
                    Value::Object(Map::from_iter([(ELEMENT.to_owned(), operand.clone())]));
                Operation::PullMeeting(Filter::parse(&about_element, limits)?)
            }
            Value::Object(_) => Operation::PullMatching(Filter::parse(operand, limits)?),
            operand => Operation::Pull(value(operand, limits)?),
        },
        "$currentDate" => match operand {
            Value::Bool(true) => Operation::CurrentDate,
            Value::Object(kind)
                if kind.len() == 1 && kind.get("$type").is_some_and(|kind| kind == "date") =>
            {
                Operation::CurrentDate
            }
            _ => return wrong("true"),
        },
        _ => return wrong("nothing; it is unknown"),
    })
}

fn push(path: &str, operand: &Value, limits: &Limits) -> Result<Operation, Invalid> {
    let Some(each) = operand.get("$each") else {
        return Ok(Operation::Push {
            values: vec![value(operand, limits)?],
            position: None,
            slice: None,
        });
    };
    let wrong = |part: &str, needs: &str| {
        Invalid::new(format!("`{part}` of `$push` at `{path}` takes {needs}"))
    };
    let Value::Array(values) = each else {
        return Err(wrong("$each", "a list"));
    };
    let (mut position, mut slice) = (None, None);
    for (part, operand) in operand.as_object().into_iter().flatten() {
        match part.as_str() {
            "$each" => {}
            "$position" => {
                let place = operand
                    .as_u64()
                    .and_then(|place| usize::try_from(place).ok());
                position = Some(place.ok_or_else(|| wrong("$position", "a whole number from 0"))?);
            }
            "$slice" => {
                slice = Some(
                    operand
                        .as_i64()
                        .ok_or_else(|| wrong("$slice", "a whole number"))?,
                )
            }
            other => {
                return Err(Invalid::new(format!(
                    "unknown part `{other}` of `$push` at `{path}`; known are $each, $position, $slice"
                )));
            }
        }
    }
    let values = values
        .iter()
        .map(|each| value(each, limits))
        .collect::<Result<_, _>>()?;
    Ok(Operation::Push {
        values,
        position,
        slice,
    })
}

/// A value that is going to be stored. How large it may be is the document's matter.
fn value(value: &Value, limits: &Limits) -> Result<Value, Invalid> {
    crate::document::check_value(value, limits)?;
    Ok(value.clone())
}

// === impl Operation ===

impl Operation {
    fn apply(
        &self,
        document: &mut Value,
        path: &Path,
        now: &str,
        patience: &Patience,
    ) -> Result<bool, Failed> {
        if let Self::Unset = self {
            return Ok(unset(document, path.segments()));
        }
        if matches!(
            self,
            Self::Pull(_) | Self::PullMatching(_) | Self::PullMeeting(_)
        ) && !path.is_there(document)
        {
            return Ok(false);
        }
        change_at(document, path.segments(), path, &|before| {
            self.changed(before, path, now, patience)
        })
    }

    /// What becomes of the value at a place; `None` is "missing".
    fn changed(
        &self,
        before: Option<&Value>,
        path: &Path,
        now: &str,
        patience: &Patience,
    ) -> Result<Option<Value>, Failed> {
        let array = || match before {
            None => Ok(Vec::new()),
            Some(Value::Array(elements)) => Ok(elements.clone()),
            Some(_) => Err(Invalid::new(format!(
                "`{path}` is no list; $set it to one first"
            ))),
        };
        let if_beyond = |value: &Value, wanted: Ordering| match before {
            Some(before) if compare(value, before) != wanted => before.clone(),
            _ => value.clone(),
        };
        let after = match self {
            Self::Set(value) => value.clone(),
            Self::Unset => return Ok(None),
            Self::Increment(by) => match before {
                None => Value::Number(by.clone()),
                Some(Value::Number(number)) => Value::Number(sum(number, by).ok_or_else(|| {
                    Invalid::new(format!(
                        "`$inc` of `{path}` would overflow; use a smaller number"
                    ))
                })?),
                Some(_) => {
                    return Err(Invalid::new(format!(
                        "`{path}` is no number; $set it to one first"
                    ))
                    .into());
                }
            },
            Self::Minimum(value) => if_beyond(value, Ordering::Less),
            Self::Maximum(value) => if_beyond(value, Ordering::Greater),
            Self::CurrentDate => Value::String(now.to_owned()),
            Self::Push {
                values,
                position,
                slice,
            } => {
                let mut elements = array()?;
                let at = position.unwrap_or(elements.len()).min(elements.len());
                elements.splice(at..at, values.iter().cloned());
                Value::Array(sliced(elements, *slice))
            }
            Self::AddToSet(values) => {
                let mut elements = array()?;
                for value in values {
                    patience.spend(elements.len())?;
                    if !elements
                        .iter()
                        .any(|element| compare(element, value).is_eq())
                    {
                        elements.push(value.clone());
                    }
                }
                Value::Array(elements)
            }
            Self::Pull(_) | Self::PullMatching(_) | Self::PullMeeting(_) => {
                let mut kept = Vec::new();
                for element in array()? {
                    if !self.pulls(&element, patience)? {
                        kept.push(element);
                    }
                }
                Value::Array(kept)
            }
        };
        Ok(Some(after))
    }

    fn pulls(&self, element: &Value, patience: &Patience) -> Result<bool, TooLong> {
        match self {
            Self::Pull(value) => Ok(compare(element, value).is_eq()),
            Self::PullMatching(filter) => {
                Ok(element.is_object() && filter.matches(element, patience)?)
            }
            Self::PullMeeting(filter) => {
                let named = Map::from_iter([(ELEMENT.to_owned(), element.clone())]);
                filter.matches(&Value::Object(named), patience)
            }
            _ => Ok(false),
        }
    }
}

/// Integers stay integers; anything else is added as floating point. `None`: overflow.
fn sum(one: &Number, other: &Number) -> Option<Number> {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one.checked_add(other).map(Number::from),
        _ => Number::from_f64(one.as_f64()? + other.as_f64()?),
    }
}

fn sliced(mut elements: Vec<Value>, slice: Option<i64>) -> Vec<Value> {
    match slice {
        None => elements,
        Some(first) if first >= 0 => {
            elements.truncate(usize::try_from(first).unwrap_or(usize::MAX));
            elements
        }
        Some(last) => {
            let kept = usize::try_from(last.unsigned_abs()).unwrap_or(usize::MAX);
            elements.split_off(elements.len().saturating_sub(kept))
        }
    }
}

/// What becomes of the value at a place; `None`: it stays.
type Change<'a> = dyn Fn(Option<&Value>) -> Result<Option<Value>, Failed> + 'a;

/// The largest place in an array that an update may make by naming it. Every place before it is
/// filled with null, and each change of an update may do so.
const FARTHEST: usize = 1_000;

/// Changes the value at a path, making objects on the way; arrays are entered by number only. Says
/// whether anything is different.
fn change_at(
    value: &mut Value,
    segments: &[String],
    path: &Path,
    change: &Change<'_>,
) -> Result<bool, Failed> {
    let Some((segment, rest)) = segments.split_first() else {
        let Some(after) = change(Some(value))? else {
            return Ok(false);
        };
        let different = after != *value;
        *value = after;
        return Ok(different);
    };
    match value {
        Value::Object(fields) => match fields.get_mut(segment) {
            Some(field) => change_at(field, rest, path, change),
            None => {
                check_name(segment)?;
                let Some(made) = made(rest, change)? else {
                    return Ok(false);
                };
                fields.insert(segment.clone(), made);
                Ok(true)
            }
        },
        Value::Array(elements) => {
            let index = array_index(segment).filter(|index| *index <= FARTHEST.max(elements.len()));
            let index = index.ok_or_else(|| {
                Invalid::new(format!(
                    "`{path}` enters a list; name an element by its number, like `items.0`"
                ))
            })?;
            if let Some(element) = elements.get_mut(index) {
                return change_at(element, rest, path, change);
            }
            let Some(made) = made(rest, change)? else {
                return Ok(false);
            };
            elements.resize(index, Value::Null);
            elements.push(made);
            Ok(true)
        }
        _ => Err(Invalid::new(format!(
            "`{path}` leads through a value that is no object; $set that first"
        ))
        .into()),
    }
}

/// What comes to stand at a place where nothing was.
fn made(rest: &[String], change: &Change<'_>) -> Result<Option<Value>, Failed> {
    for segment in rest {
        check_name(segment)?;
    }
    let innermost = change(None)?;
    let wrap =
        |inner: Value, segment: &String| Value::Object(Map::from_iter([(segment.clone(), inner)]));
    Ok(innermost.map(|innermost| rest.iter().rev().fold(innermost, wrap)))
}

fn unset(value: &mut Value, segments: &[String]) -> bool {
    let Some((segment, rest)) = segments.split_first() else {
        return false;
    };
    match value {
        Value::Object(fields) if rest.is_empty() => fields.shift_remove(segment).is_some(),
        Value::Object(fields) => fields
            .get_mut(segment)
            .is_some_and(|field| unset(field, rest)),
        Value::Array(elements) => {
            let Some(element) = array_index(segment).and_then(|index| elements.get_mut(index))
            else {
                return false;
            };
            if rest.is_empty() {
                // As in MongoDB, the other elements keep their places.
                let there = !element.is_null();
                *element = Value::Null;
                return there;
            }
            unset(element, rest)
        }
        _ => false,
    }
}
