//! The distinct values of a field.

use crate::{Invalid, Path, key};
use serde_json::Value;
use std::collections::BTreeMap;

/// Gathers the distinct values of a field. Elements of arrays count one by one, as in MongoDB.
pub struct Distinct<'a> {
    path: &'a Path,
    most: usize,
    values: BTreeMap<Vec<u8>, Value>,
}

// === impl Distinct ===

impl<'a> Distinct<'a> {
    /// Of this field, `most` values at most.
    pub fn new(path: &'a Path, most: usize) -> Self {
        Self {
            path,
            most,
            values: BTreeMap::new(),
        }
    }

    /// Takes a document that matches.
    ///
    /// # Errors
    /// When there are more values than allowed.
    pub fn add(&mut self, document: &Value) -> Result<(), Invalid> {
        for value in self.path.values(document) {
            self.values
                .entry(key(value))
                .or_insert_with(|| value.clone());
        }
        if self.values.len() > self.most {
            return Err(Invalid::new(format!(
                "`{}` has more than {} distinct values; narrow the filter",
                self.path, self.most
            )));
        }
        Ok(())
    }

    /// The values, in order.
    pub fn finish(self) -> Vec<Value> {
        self.values.into_values().collect()
    }
}
