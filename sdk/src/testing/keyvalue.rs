//! `wasi:keyvalue` of a test: any bucket can be opened.

use super::world::present;
use std::collections::BTreeMap;

/// What all buckets hold.
pub(super) type Buckets = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

pub(crate) mod store {
    use super::{BTreeMap, present};
    pub(crate) use crate::bindings::generated::wasi::keyvalue::store::{Error, KeyResponse};

    /// An open bucket.
    #[derive(Debug)]
    pub(crate) struct Bucket(String);

    pub(crate) fn open(label: &str) -> Result<Bucket, Error> {
        Ok(Bucket(label.to_owned()))
    }

    impl Bucket {
        pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
            Ok(self.with(|values| values.get(key).cloned()))
        }

        pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
            self.with(|values| values.insert(key.to_owned(), value.to_vec()));
            Ok(())
        }

        pub(crate) fn delete(&self, key: &str) -> Result<(), Error> {
            self.with(|values| values.remove(key));
            Ok(())
        }

        pub(crate) fn exists(&self, key: &str) -> Result<bool, Error> {
            Ok(self.with(|values| values.contains_key(key)))
        }

        /// All on one page.
        pub(crate) fn list_keys(&self, _: Option<&str>) -> Result<KeyResponse, Error> {
            Ok(KeyResponse {
                keys: self.with(|values| values.keys().cloned().collect()),
                cursor: None,
            })
        }

        fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
            let world = present("keyvalue");
            let mut buckets = world.keyvalue.borrow_mut();
            act(buckets.entry(self.0.clone()).or_default())
        }
    }
}

pub(crate) mod atomics {
    use super::store::{Bucket, Error};

    /// A value as it was read, to be swapped for another.
    pub(crate) struct Cas<'b> {
        bucket: &'b Bucket,
        key: String,
        value: Option<Vec<u8>>,
    }

    pub(crate) enum CasError<'b> {
        StoreError(Error),
        CasFailed(Cas<'b>),
    }

    impl<'b> Cas<'b> {
        pub(crate) fn new(bucket: &'b Bucket, key: &str) -> Result<Self, Error> {
            Ok(Self {
                bucket,
                key: key.to_owned(),
                value: bucket.get(key)?,
            })
        }

        pub(crate) fn current(&self) -> Result<Option<Vec<u8>>, Error> {
            Ok(self.value.clone())
        }
    }

    pub(crate) fn swap<'b>(cas: Cas<'b>, value: &[u8]) -> Result<(), CasError<'b>> {
        let newer = Cas::new(cas.bucket, &cas.key).map_err(CasError::StoreError)?;
        if newer.value != cas.value {
            return Err(CasError::CasFailed(newer));
        }
        cas.bucket
            .set(&cas.key, value)
            .map_err(CasError::StoreError)
    }

    pub(crate) fn increment(bucket: &Bucket, key: &str, delta: i64) -> Result<i64, Error> {
        let no_number =
            || Error::Other(format!("`{key}` holds no number, or it would be too large"));
        let present = match bucket.get(key)? {
            None => 0,
            Some(bytes) => bytes
                .try_into()
                .map(i64::from_le_bytes)
                .map_err(|_| no_number())?,
        };
        let sum = present.checked_add(delta).ok_or_else(no_number)?;
        bucket.set(key, &sum.to_le_bytes())?;
        Ok(sum)
    }
}

pub(crate) mod batch {
    use super::store::{Bucket, Error};

    type Found = Vec<(String, Option<Vec<u8>>)>;

    pub(crate) fn get_many(bucket: &Bucket, keys: &[String]) -> Result<Found, Error> {
        keys.iter()
            .map(|key| Ok((key.clone(), bucket.get(key)?)))
            .collect()
    }
}
