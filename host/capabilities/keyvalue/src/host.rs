//! The host side of `wasi:keyvalue`: grants, limits and handles. Everything else is the backend's.

use crate::bindings::{atomics, batch, store};
use crate::limits::{
    MAX_KEY_BYTES, MAX_OPEN_BUCKETS, MAX_OPEN_SWAPS, check_key, check_keys, check_pairs,
    check_value,
};
use crate::{Error, Found, KeyvalueCtxView};
use sbd_metering::Charge;
use std::sync::Arc;
use wasmtime::component::Resource;

/// A bucket that a component has opened.
#[derive(Clone, Debug)]
pub struct Bucket {
    label: Arc<str>,
}

/// A value as it was read, to be swapped for another.
#[derive(Clone, Debug)]
pub struct Swap {
    bucket: Arc<str>,
    key: String,
    read: Option<Vec<u8>>,
}

/// Outside: a handle that is not one, which traps. Inside: what the component is told.
type Answer<T> = wasmtime::Result<Result<T, store::Error>>;

// === impl KeyvalueCtxView ===

impl KeyvalueCtxView<'_> {
    fn open_bucket(&mut self, label: String) -> wasmtime::Result<Result<Resource<Bucket>, Error>> {
        if !self.ctx.granted.contains(&label) {
            let error = Error::AccessDenied {
                component: self.ctx.component.to_string(),
                bucket: label,
            };
            // The interface has no room for words here, so the operator gets them.
            tracing::warn!(component = &*self.ctx.component, "{error}");
            return Ok(Err(error));
        }
        if self.ctx.open_buckets == MAX_OPEN_BUCKETS {
            return Ok(Err(Error::TooManyHandles(MAX_OPEN_BUCKETS)));
        }
        let bucket = self.table.push(Bucket {
            label: label.into(),
        })?;
        self.ctx.open_buckets += 1;
        Ok(Ok(bucket))
    }

    async fn read_swap(
        &mut self,
        bucket: Arc<str>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Swap>, Error>> {
        if self.ctx.open_swaps == MAX_OPEN_SWAPS {
            return Ok(Err(Error::TooManyHandles(MAX_OPEN_SWAPS)));
        }
        let read = match self.ctx.backend.get(&bucket, &key).await {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        let swap = self.table.push(Swap { bucket, key, read })?;
        self.ctx.open_swaps += 1;
        Ok(Ok(swap))
    }

    fn close_swap(&mut self, swap: Resource<Swap>) -> wasmtime::Result<Swap> {
        let swap = self.table.delete(swap)?;
        self.ctx.open_swaps = self.ctx.open_swaps.saturating_sub(1);
        Ok(swap)
    }

    /// Charges a call. These functions hold the store, which does not say for which of several requests
    /// at once a guest calls; then it is charged to the last that was heard of.
    fn begin(&self, operation: &'static str, bytes: usize) -> Result<Charge, Error> {
        let meter = Arc::clone(&self.meter);
        Ok(Charge::new(meter, "keyvalue", operation, bytes)?)
    }

    /// Tells the host which quota refused a write; the guest learns that there is no room.
    fn told<T>(&self, done: Result<T, Error>) -> Answer<T> {
        if let Err(Error::Storage(sbd_storage::Error::Quota(limit))) = &done {
            self.meter.refused(limit);
        }
        Ok(done.map_err(Into::into))
    }

    fn label(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Arc<str>> {
        Ok(self.table.get(bucket)?.label.clone())
    }
}

impl store::Host for KeyvalueCtxView<'_> {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let charge = self.begin("open", 0);
        if let Err(error) = charge {
            return Ok(Err(error.into()));
        }
        Ok(self.open_bucket(identifier)?.map_err(Into::into))
    }
}

impl store::HostBucket for KeyvalueCtxView<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let charge = self.begin("get", key.len());
        let bucket = self.label(&bucket)?;
        let work = async {
            let charge = charge?;
            check_key(&key)?;
            let value = self.ctx.backend.get(&bucket, &key).await?;
            charge.answer(value.as_ref().map_or(0, Vec::len))?;
            Ok::<_, Error>(value)
        };
        let done = work.await;
        self.told(done)
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let charge = self.begin("set", key.len() + value.len());
        let bucket = self.label(&bucket)?;
        let work = async {
            charge?;
            check_key(&key)?;
            check_value(&value)?;
            self.ctx.backend.set(&bucket, &key, value).await
        };
        let done = work.await;
        self.told(done)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let charge = self.begin("delete", key.len());
        let bucket = self.label(&bucket)?;
        let work = async {
            charge?;
            check_key(&key)?;
            self.ctx.backend.delete(&bucket, &key).await
        };
        let done = work.await;
        self.told(done)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        let charge = self.begin("exists", key.len());
        let bucket = self.label(&bucket)?;
        let work = async {
            charge?;
            check_key(&key)?;
            self.ctx.backend.exists(&bucket, &key).await
        };
        let done = work.await;
        self.told(done)
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<store::KeyResponse> {
        let charge = self.begin("list-keys", 0);
        let bucket = self.label(&bucket)?;
        let work = async {
            let charge = charge?;
            if cursor
                .as_ref()
                .is_some_and(|cursor| cursor.len() > MAX_KEY_BYTES)
            {
                let message = "this is no cursor; pass the one that the page before came with";
                return Err(Error::Invalid(message.to_owned()));
            }
            let page = self
                .ctx
                .backend
                .list_keys(&bucket, cursor.as_deref())
                .await?;
            charge.answer(page.keys.iter().map(String::len).sum())?;
            Ok(store::KeyResponse {
                keys: page.keys,
                cursor: page.next,
            })
        };
        let done = work.await;
        self.told(done)
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        self.ctx.open_buckets = self.ctx.open_buckets.saturating_sub(1);
        Ok(())
    }
}

impl atomics::Host for KeyvalueCtxView<'_> {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Answer<i64> {
        let charge = self.begin("increment", key.len());
        let bucket = self.label(&bucket)?;
        let work = async {
            charge?;
            check_key(&key)?;
            self.ctx.backend.increment(&bucket, &key, delta).await
        };
        let done = work.await;
        self.told(done)
    }

    async fn swap(
        &mut self,
        swap: Resource<Swap>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let charge = self.begin("swap", value.len());
        let Swap { bucket, key, read } = self.close_swap(swap)?;
        let work = async {
            charge?;
            check_value(&value)?;
            let backend = &self.ctx.backend;
            backend.compare_and_set(&bucket, &key, read, value).await
        };
        let done = work.await;
        if let Err(Error::Storage(sbd_storage::Error::Quota(limit))) = &done {
            self.meter.refused(limit);
        }
        match done {
            Ok(true) => Ok(Ok(())),
            Ok(false) => Ok(Err(match self.read_swap(bucket, key).await? {
                Ok(now) => atomics::CasError::CasFailed(now),
                Err(error) => atomics::CasError::StoreError(error.into()),
            })),
            Err(error) => Ok(Err(atomics::CasError::StoreError(error.into()))),
        }
    }
}

impl atomics::HostCas for KeyvalueCtxView<'_> {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Resource<Swap>> {
        let charge = self.begin("cas", key.len());
        let bucket = self.label(&bucket)?;
        if let Err(error) = charge.and_then(|_| check_key(&key)) {
            return Ok(Err(error.into()));
        }
        Ok(self.read_swap(bucket, key).await?.map_err(Into::into))
    }

    async fn current(&mut self, swap: Resource<Swap>) -> Answer<Option<Vec<u8>>> {
        Ok(Ok(self.table.get(&swap)?.read.clone()))
    }

    async fn drop(&mut self, swap: Resource<Swap>) -> wasmtime::Result<()> {
        self.close_swap(swap).map(drop)
    }
}

impl batch::Host for KeyvalueCtxView<'_> {
    async fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<Found> {
        let charge = self.begin("get-many", keys.iter().map(String::len).sum());
        let bucket = self.label(&bucket)?;
        let work = async {
            let charge = charge?;
            check_keys(keys.iter().map(String::as_str))?;
            let pairs = self.ctx.backend.get_many(&bucket, keys).await?;
            let values = pairs.iter().filter_map(|(_, value)| value.as_ref());
            charge.answer(values.map(Vec::len).sum())?;
            Ok::<_, Error>(pairs)
        };
        let done = work.await;
        self.told(done)
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let charge = self.begin(
            "set-many",
            pairs
                .iter()
                .map(|(key, value)| key.len() + value.len())
                .sum(),
        );
        let bucket = self.label(&bucket)?;
        let work = async {
            charge?;
            check_pairs(&pairs)?;
            self.ctx.backend.set_many(&bucket, pairs).await
        };
        let done = work.await;
        self.told(done)
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        let charge = self.begin("delete-many", keys.iter().map(String::len).sum());
        let bucket = self.label(&bucket)?;
        let work = async {
            charge?;
            check_keys(keys.iter().map(String::as_str))?;
            self.ctx.backend.delete_many(&bucket, keys).await
        };
        let done = work.await;
        self.told(done)
    }
}

impl From<Error> for store::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::AccessDenied { .. } => Self::AccessDenied,
            Error::NoSuchStore(_) => Self::NoSuchStore,
            other => Self::Other(other.to_string()),
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
