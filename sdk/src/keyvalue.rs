//! Key-value buckets (`wasi:keyvalue`); the manifest's `key_value_stores` names those a component
//! may open.

use crate::Error;
use crate::bindings::keyvalue::{atomics, batch, store as host};

/// An open bucket.
#[derive(Debug)]
pub struct Bucket(host::Bucket);

// === impl Bucket ===

impl Bucket {
    /// Opens a bucket by its label, often `default`.
    ///
    /// # Errors
    /// When there is none, or the component may not use it.
    pub fn open(label: &str) -> crate::Result<Self> {
        host::open(label).map(Self).map_err(refused)
    }

    /// The value under a key.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn get(&self, key: &str) -> crate::Result<Option<Vec<u8>>> {
        self.0.get(key).map_err(refused)
    }

    /// Stores a value.
    ///
    /// # Errors
    /// When the store refuses it.
    pub fn set(&self, key: &str, value: &[u8]) -> crate::Result<()> {
        self.0.set(key, value).map_err(refused)
    }

    /// Removes a key; it is no error if it is not there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn delete(&self, key: &str) -> crate::Result<()> {
        self.0.delete(key).map_err(refused)
    }

    /// Whether a key is there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn exists(&self, key: &str) -> crate::Result<bool> {
        self.0.exists(key).map_err(refused)
    }

    /// A page of the keys, and where the next one starts.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn keys(&self, cursor: Option<&str>) -> crate::Result<(Vec<String>, Option<String>)> {
        let page = self.0.list_keys(cursor).map_err(refused)?;
        Ok((page.keys, page.cursor))
    }

    /// Adds to a number and returns the new one.
    ///
    /// # Errors
    /// When the value there is no number.
    pub fn increment(&self, key: &str, by: i64) -> crate::Result<i64> {
        atomics::increment(&self.0, key, by).map_err(refused)
    }

    /// Stores what `change` makes of the present value; does it again when another came between.
    ///
    /// # Errors
    /// `CONFLICT` when others came between eight times in a row.
    pub fn update(
        &self,
        key: &str,
        change: impl Fn(Option<Vec<u8>>) -> Vec<u8>,
    ) -> crate::Result<()> {
        let mut handle = atomics::Cas::new(&self.0, key).map_err(refused)?;
        for _ in 0..8 {
            let value = change(handle.current().map_err(refused)?);
            match atomics::swap(handle, &value) {
                Ok(()) => return Ok(()),
                Err(atomics::CasError::CasFailed(newer)) => handle = newer,
                Err(atomics::CasError::StoreError(error)) => return Err(refused(error)),
            }
        }
        Err(Error::conflict(
            "others keep changing this; try again in a moment",
        ))
    }

    /// The values under several keys, in the order asked.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn get_many(&self, keys: &[String]) -> crate::Result<Vec<(String, Option<Vec<u8>>)>> {
        batch::get_many(&self.0, keys).map_err(refused)
    }
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::NoSuchStore => {
            Error::internal("no such key-value store; declare it in the manifest")
        }
        host::Error::AccessDenied => Error::internal(
            "add the key-value store to the component's `key_value_stores` in the manifest",
        ),
        host::Error::Other(cause) => Error::internal(cause),
    }
}
