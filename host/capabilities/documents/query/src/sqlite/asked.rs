//! What a filter asks of single fields, as far as an index could know it.

use crate::filter::{Condition, Filter};
use crate::{ID, Path};
use serde_json::Value;
use std::collections::BTreeSet;

/// A condition that every match meets at a path.
pub(super) struct Asked<'a> {
    pub(super) path: Path,
    pub(super) condition: &'a Condition,
}

/// A filter taken apart at its "and"s.
pub(super) struct Parts<'a> {
    pub(super) asked: Vec<Asked<'a>>,
    /// Lists of filters of which every match meets one.
    pub(super) alternatives: Vec<&'a [Filter]>,
    /// What was asked is all that the filter says.
    pub(super) whole: bool,
}

// === impl Parts ===

impl<'a> Parts<'a> {
    pub(super) fn of(filter: &'a Filter) -> Self {
        let mut parts = Self {
            asked: Vec::new(),
            alternatives: Vec::new(),
            whole: true,
        };
        parts.take(filter, None);
        parts
    }

    /// Takes a filter, of an element of the list at `list` if that is given.
    fn take(&mut self, filter: &'a Filter, list: Option<&Path>) {
        match filter {
            Filter::And(filters) => filters.iter().for_each(|filter| self.take(filter, list)),
            Filter::Or(filters) => {
                self.whole = false;
                if list.is_none() {
                    self.alternatives.push(filters);
                }
            }
            Filter::Nor(_) => self.whole = false,
            Filter::Field(path, condition) => match list {
                // The number of an element of an element reaches what the joined path may not.
                Some(_) if path.begins_with_number() => {}
                Some(list) => self.ask(&list.join(path), condition, true),
                None => self.ask(path, condition, false),
            },
        }
    }

    fn ask(&mut self, path: &Path, condition: &'a Condition, within: bool) {
        match condition {
            Condition::All(conditions) => conditions
                .iter()
                .for_each(|condition| self.ask(path, condition, within)),
            Condition::ElementMatches(filter) => {
                self.whole = false;
                self.take(filter, Some(path));
            }
            Condition::ElementMeets(conditions) => {
                self.whole = false;
                conditions
                    .iter()
                    .for_each(|condition| self.ask(path, condition, true));
            }
            // A list in a list lacks every field, and the joined path does not see that.
            _ if within && is_about_null(condition) => {}
            _ => self.asked.push(Asked {
                path: path.clone(),
                condition,
            }),
        }
    }

    /// The ids that are asked for by name.
    pub(super) fn ids(&self) -> Option<BTreeSet<String>> {
        let of_id = self
            .asked
            .iter()
            .filter(|asked| matches!(asked.path.segments(), [only] if only == ID));
        of_id
            .map(|asked| asked.condition)
            .find_map(|condition| match condition {
                Condition::Equal(value) => {
                    Some(value.as_str().map(str::to_owned).into_iter().collect())
                }
                Condition::In(values) => Some(
                    values
                        .iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                ),
                _ => None,
            })
    }
}

fn is_about_null(condition: &Condition) -> bool {
    match condition {
        Condition::Equal(value) => value.is_null(),
        Condition::In(values) => values.contains(&Value::Null),
        _ => false,
    }
}
