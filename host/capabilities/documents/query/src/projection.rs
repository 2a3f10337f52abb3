//! Projections: which fields of a document.

use crate::{ID, Invalid, Limits, Path};
use serde_json::{Map, Value};

/// Which fields of a document are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// Named fields are kept, or left out.
    keep: bool,
    paths: Vec<Path>,
    with_id: bool,
}

// === impl Projection ===

impl Projection {
    /// Reads a projection: `{"a": 1, "b.c": 1}` keeps, `{"a": 0}` leaves out; `_id` is kept unless
    /// it is named with 0.
    ///
    /// # Errors
    /// Mixed inclusion and exclusion, or something else than 0 and 1.
    pub fn parse(value: &Value, limits: &Limits) -> Result<Self, Invalid> {
        let Value::Object(fields) = value else {
            return Err(Invalid::new(
                "a projection must be an object like {\"name\": 1}",
            ));
        };
        let (mut keep, mut with_id, mut paths) = (None, true, Vec::<Path>::new());
        for (path, choice) in fields {
            let chosen = match choice {
                Value::Bool(chosen) => *chosen,
                Value::Number(number) if number.as_f64() == Some(1.0) => true,
                Value::Number(number) if number.as_f64() == Some(0.0) => false,
                _ => {
                    return Err(Invalid::new(format!(
                        "`{path}` in a projection must be 1 or 0"
                    )));
                }
            };
            if path == ID {
                with_id = chosen;
                continue;
            }
            if *keep.get_or_insert(chosen) != chosen {
                return Err(Invalid::new(
                    "a projection either names what to keep (1) or what to leave out (0), not both",
                ));
            }
            let path = Path::parse(path, limits)?;
            if paths.len() >= limits.conditions {
                return Err(Invalid::new(format!(
                    "a projection names more than {} fields; drop some",
                    limits.conditions
                )));
            }
            if let Some(other) = paths.iter().find(|other| path.conflicts_with(other)) {
                return Err(Invalid::new(format!(
                    "`{other}` and `{path}` conflict in one projection; name one of them"
                )));
            }
            paths.push(path);
        }
        // `{"_id": 1}` alone keeps the id and nothing else.
        let only_id = paths.is_empty() && with_id && fields.contains_key(ID);
        Ok(Self {
            keep: keep.unwrap_or(only_id),
            paths,
            with_id,
        })
    }

    /// The document with its chosen fields.
    pub fn apply(&self, document: &Value) -> Value {
        let paths: Vec<&[String]> = self.paths.iter().map(Path::segments).collect();
        let mut projected = if self.keep {
            kept(document, &paths)
        } else {
            without(document, &paths)
        };
        if let (Value::Object(projected), Some(id)) = (&mut projected, document.get(ID)) {
            projected.shift_remove(ID);
            if self.with_id {
                projected.shift_insert(0, ID.to_owned(), id.clone());
            }
        }
        projected
    }
}

fn kept(value: &Value, paths: &[&[String]]) -> Value {
    match value {
        Value::Object(fields) => {
            let mut object = Map::new();
            for (name, field) in fields {
                let below = below(paths, name);
                if below.iter().any(|path| path.is_empty()) {
                    object.insert(name.clone(), field.clone());
                } else if !below.is_empty() && (field.is_object() || field.is_array()) {
                    object.insert(name.clone(), kept(field, &below));
                }
            }
            Value::Object(object)
        }
        Value::Array(elements) => {
            let within = elements
                .iter()
                .filter(|element| element.is_object() || element.is_array());
            within.map(|element| kept(element, paths)).collect()
        }
        other => other.clone(),
    }
}

fn without(value: &Value, paths: &[&[String]]) -> Value {
    match value {
        Value::Object(fields) => {
            let mut object = Map::new();
            for (name, field) in fields {
                let below = below(paths, name);
                if below.is_empty() {
                    object.insert(name.clone(), field.clone());
                } else if !below.iter().any(|path| path.is_empty()) {
                    object.insert(name.clone(), without(field, &below));
                }
            }
            Value::Object(object)
        }
        Value::Array(elements) => elements
            .iter()
            .map(|element| without(element, paths))
            .collect(),
        other => other.clone(),
    }
}

/// What remains of the paths that begin with this name.
fn below<'a>(paths: &[&'a [String]], name: &str) -> Vec<&'a [String]> {
    let begins = |path: &&'a [String]| {
        path.split_first()
            .filter(|(first, _)| *first == name)
            .map(|(_, rest)| rest)
    };
    paths.iter().filter_map(begins).collect()
}
