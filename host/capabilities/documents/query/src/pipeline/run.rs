//! Running a pipeline: documents pass from stage to stage one by one.

use super::accumulator::Taken;
use super::expression::object;
use super::{Accumulator, Expression, Stage};
use crate::document::weight;
use crate::sort::{SortKey, hex};
use crate::{Failed, Filter, ID, Invalid, Limits, Path, Patience, Projection, Sort, key};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A pipeline that documents are being pushed through.
pub struct Run<'a> {
    stages: Vec<Running<'a>>,
    answer: Vec<Value>,
    room: Room<'a>,
}

/// What may still be held and copied, and how long that may take.
struct Room<'a> {
    limits: &'a Limits,
    patience: &'a Patience,
    held: usize,
    bytes: usize,
    copied: usize,
}

/// A stage, and what it holds.
enum Running<'a> {
    Match(&'a Filter),
    Choose(&'a Projection),
    Compute(&'a [(String, Expression)]),
    Unwind {
        path: &'a Path,
        keep_empty: bool,
    },
    Limit {
        left: usize,
    },
    Skip {
        left: usize,
    },
    Count {
        field: &'a str,
        count: u64,
    },
    Sort {
        sort: &'a Sort,
        most: Option<usize>,
        held: Vec<(SortKey, Value)>,
    },
    Group(Groups<'a>),
}

struct Groups<'a> {
    by: &'a Expression,
    fields: &'a [(String, Accumulator, Expression)],
    /// Where a group is, by the key of its `_id`.
    places: HashMap<Vec<u8>, usize>,
    /// In the order in which they are first met.
    groups: Vec<(Value, Vec<Taken>)>,
}

// === impl Run ===

impl<'a> Run<'a> {
    pub(super) fn new(stages: &'a [Stage], limits: &'a Limits, patience: &'a Patience) -> Self {
        let running = stages.iter().enumerate().map(|(place, stage)| match stage {
            Stage::Match(filter) => Running::Match(filter),
            Stage::Choose(projection) => Running::Choose(projection),
            Stage::Compute(fields) => Running::Compute(fields),
            Stage::Unwind { path, keep_empty } => Running::Unwind {
                path,
                keep_empty: *keep_empty,
            },
            Stage::Limit(most) => Running::Limit { left: *most },
            Stage::Skip(first) => Running::Skip { left: *first },
            Stage::Count(field) => Running::Count { field, count: 0 },
            Stage::Sort(sort) => Running::Sort {
                sort,
                most: wanted(stages.get(place + 1..).unwrap_or_default()),
                held: Vec::new(),
            },
            Stage::Group { by, fields } => Running::Group(Groups {
                by,
                fields,
                places: HashMap::new(),
                groups: Vec::new(),
            }),
        });
        Self {
            stages: running.collect(),
            answer: Vec::new(),
            room: Room {
                limits,
                patience,
                held: 0,
                bytes: 0,
                copied: 0,
            },
        }
    }

    /// Takes a document. `false`: no further one can change the answer.
    ///
    /// # Errors
    /// When more would be held or copied than the limits allow, or it takes too long.
    pub fn push(&mut self, document: Value) -> Result<bool, Failed> {
        feed(&mut self.stages, document, &mut self.answer, &mut self.room)
    }

    /// The answer.
    ///
    /// # Errors
    /// As [`Run::push`].
    pub fn finish(mut self) -> Result<Vec<Value>, Failed> {
        let mut rest = self.stages.as_mut_slice();
        while let Some((stage, after)) = rest.split_first_mut() {
            for document in stage.finish(&mut self.room) {
                if !feed(after, document, &mut self.answer, &mut self.room)? {
                    break;
                }
            }
            rest = after;
        }
        Ok(self.answer)
    }
}

/// How many documents of a sorted stream the stages after it look at, if they say.
fn wanted(after: &[Stage]) -> Option<usize> {
    match after {
        [Stage::Limit(most), ..] => Some(*most),
        [Stage::Skip(first), rest @ ..] => wanted(rest)?.checked_add(*first),
        _ => None,
    }
}

/// Passes a document through stages; `false`: a limit is reached, and no further one will pass.
fn feed(
    stages: &mut [Running<'_>],
    mut document: Value,
    answer: &mut Vec<Value>,
    room: &mut Room<'_>,
) -> Result<bool, Failed> {
    let Some((stage, after)) = stages.split_first_mut() else {
        room.hold(weight(&document))?;
        answer.push(document);
        return Ok(true);
    };
    room.patience.spend(1)?;
    match stage {
        Running::Match(filter) => {
            if !filter.matches(&document, room.patience)? {
                return Ok(true);
            }
        }
        Running::Choose(projection) => document = projection.apply(&document),
        Running::Compute(fields) => {
            document = object(fields, &document);
            room.copy(weight(&document))?;
        }
        Running::Unwind { path, keep_empty } => {
            return unwind((path, *keep_empty), document, after, answer, room);
        }
        Running::Limit { left } => {
            let Some(less) = left.checked_sub(1) else {
                return Ok(false);
            };
            *left = less;
            return Ok(feed(after, document, answer, room)? && less > 0);
        }
        Running::Skip { left } => {
            if *left > 0 {
                *left -= 1;
                return Ok(true);
            }
        }
        Running::Count { count, .. } => {
            *count += 1;
            return Ok(true);
        }
        Running::Sort { sort, most, held } => {
            room.hold(weight(&document))?;
            // The `_id` of a group can be any value.
            let id = hex(&key(document.get(ID).unwrap_or(&Value::Null)));
            let place = sort.key(&document, &id);
            held.push((place, document));
            // Sorting at twice the size keeps the work for each document small.
            if let Some(most) = most.filter(|most| held.len() >= most.saturating_mul(2).max(64)) {
                sort_and_cut(sort, Some(most), held, room);
            }
            return Ok(true);
        }
        Running::Group(groups) => {
            groups.take(&document, room)?;
            return Ok(true);
        }
    }
    feed(after, document, answer, room)
}

fn sort_and_cut(
    sort: &Sort,
    most: Option<usize>,
    held: &mut Vec<(SortKey, Value)>,
    room: &mut Room<'_>,
) {
    held.sort_by(|(one, _), (other, _)| sort.compare(one, other));
    for (_, document) in held.drain(most.unwrap_or(usize::MAX).min(held.len())..) {
        room.free(weight(&document));
    }
}

/// One document for each element of the array at a path.
fn unwind(
    (path, keep_empty): (&Path, bool),
    mut document: Value,
    after: &mut [Running<'_>],
    answer: &mut Vec<Value>,
    room: &mut Room<'_>,
) -> Result<bool, Failed> {
    // Taken out, so that the array is not copied with each of its elements.
    let taken = match at(&mut document, path.segments()) {
        Some(Value::Array(elements)) => std::mem::take(elements),
        Some(Value::Null) | None => {
            return if keep_empty {
                feed(after, document, answer, room)
            } else {
                Ok(true)
            };
        }
        Some(_) => return feed(after, document, answer, room),
    };
    if taken.is_empty() {
        remove(&mut document, path.segments());
        return if keep_empty {
            feed(after, document, answer, room)
        } else {
            Ok(true)
        };
    }
    let rest = weight(&document);
    for element in taken {
        room.copy(rest)?;
        let mut one = document.clone();
        if let Some(place) = at(&mut one, path.segments()) {
            *place = element;
        }
        if !feed(after, one, answer, room)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn at<'v>(document: &'v mut Value, segments: &[String]) -> Option<&'v mut Value> {
    segments.iter().try_fold(document, |value, segment| {
        value.as_object_mut()?.get_mut(segment)
    })
}

fn remove(document: &mut Value, segments: &[String]) {
    if let Some((last, above)) = segments.split_last()
        && let Some(Value::Object(fields)) = at(document, above)
    {
        fields.shift_remove(last);
    }
}

// === impl Running ===

impl Running<'_> {
    /// What the stage has held back until the last document came.
    fn finish(&mut self, room: &mut Room<'_>) -> Vec<Value> {
        match self {
            Self::Sort { sort, most, held } => {
                sort_and_cut(sort, *most, held, room);
                let documents: Vec<Value> = held.drain(..).map(|(_, document)| document).collect();
                documents
                    .iter()
                    .for_each(|document| room.free(weight(document)));
                documents
            }
            Self::Count { count: 0, .. } => Vec::new(),
            Self::Count { field, count } => vec![Value::Object(Map::from_iter([(
                (*field).to_owned(),
                (*count).into(),
            )]))],
            Self::Group(groups) => groups.finish(room),
            _ => Vec::new(),
        }
    }
}

// === impl Groups ===

impl Groups<'_> {
    fn take(&mut self, document: &Value, room: &mut Room<'_>) -> Result<(), Invalid> {
        let id = self.by.value(document).unwrap_or(Value::Null);
        let key = key(&id);
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                room.hold(weight(&id) + key.len() + self.fields.len() * size_of::<Taken>())?;
                self.groups.push((
                    id,
                    self.fields
                        .iter()
                        .map(|(_, accumulator, _)| accumulator.begin())
                        .collect(),
                ));
                let place = self.groups.len() - 1;
                self.places.insert(key, place);
                place
            }
        };
        let Some((_, taken)) = self.groups.get_mut(place) else {
            return Ok(());
        };
        for ((_, _, expression), taken) in self.fields.iter().zip(taken) {
            room.hold_bytes(taken.take(expression.value(document)))?;
        }
        Ok(())
    }

    fn finish(&mut self, room: &mut Room<'_>) -> Vec<Value> {
        self.places.clear();
        // What is answered is weighed again where it goes.
        room.clear();
        let answers = self.groups.drain(..).map(|(id, taken)| {
            let fields = self
                .fields
                .iter()
                .zip(taken)
                .map(|((name, _, _), taken)| (name.clone(), taken.answer()));
            Value::Object(std::iter::once((ID.to_owned(), id)).chain(fields).collect())
        });
        answers.collect()
    }
}

// === impl Room ===

impl Room<'_> {
    /// A document, or a group, is held.
    fn hold(&mut self, bytes: usize) -> Result<(), Invalid> {
        self.held += 1;
        if self.held > self.limits.held {
            return Err(Invalid::new(format!(
                "the pipeline holds more than {} documents; narrow it with $match first",
                self.limits.held
            )));
        }
        self.hold_bytes(bytes)
    }

    fn hold_bytes(&mut self, bytes: usize) -> Result<(), Invalid> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.held_bytes {
            return Err(Invalid::new(format!(
                "the pipeline holds more than {} bytes; narrow it with $match or $project first",
                self.limits.held_bytes
            )));
        }
        Ok(())
    }

    /// A document is made from another one.
    fn copy(&mut self, bytes: usize) -> Result<(), Invalid> {
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > self.limits.copied_bytes {
            return Err(Invalid::new(format!(
                "the pipeline copies more than {} bytes; $project the needed fields before $unwind",
                self.limits.copied_bytes
            )));
        }
        Ok(())
    }

    fn free(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The stages before hold nothing any more, and those behind nothing yet.
    fn clear(&mut self) {
        (self.held, self.bytes) = (0, 0);
    }
}
