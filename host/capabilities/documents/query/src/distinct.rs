//! The distinct values of a field.

use crate::document::weight;
use crate::{Invalid, Path, key};
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Gathers the distinct values of a field. Elements of arrays count one by one, as in MongoDB.
pub struct Distinct<'a> {
    path: &'a Path,
    most: usize,
    values: BTreeMap<Vec<u8>, Value>,
    bytes: usize,
}

// === impl Distinct ===

impl<'a> Distinct<'a> {
    /// Of this field, `most` values at most.
    pub fn new(path: &'a Path, most: usize) -> Self {
        Self {
            path,
            most,
            values: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Takes a document that matches.
    ///
    /// # Errors
    /// When there are more values than allowed.
    pub fn add(&mut self, document: &Value) -> Result<(), Invalid> {
        for value in self.path.values(document) {
            if let Entry::Vacant(new) = self.values.entry(key(value)) {
                self.bytes += new.key().len() + weight(value);
                new.insert(value.clone());
            }
        }
        if self.values.len() > self.most {
            return Err(Invalid::new(format!(
                "`{}` has more than {} distinct values; narrow the filter",
                self.path, self.most
            )));
        }
        Ok(())
    }

    /// About how many bytes of memory the values take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The values, in order.
    pub fn finish(self) -> Vec<Value> {
        self.values.into_values().collect()
    }
}
