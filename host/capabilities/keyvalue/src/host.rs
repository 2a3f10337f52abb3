//! The host side of `wasi:keyvalue`: charges, grants, limits and handles. Everything else is the
//! backend's.

use crate::bindings::{atomics, batch, store};
use crate::limits::{
    MAX_KEY_BYTES, MAX_OPEN_BUCKETS, MAX_OPEN_SWAPS, check_key, check_keys, check_pairs,
    check_value,
};
use crate::{Backend, Error, Found, Keyvalue, KeyvalueCtxView};
use sbd_metering::{Charge, Metered, OverLimit};
use std::sync::Arc;
use wasmtime::AsContextMut as _;
use wasmtime::component::{Access, Resource, ResourceTableError};

/// Characters of a label that are repeated to the operator.
const LONGEST_LABEL: usize = 100;

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

/// Why a function does not answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The component is told.
    Told(Error),
    /// A handle is none, which traps.
    Trap(wasmtime::Error),
}

/// A call that has been charged, with what it needs from the store.
pub(crate) struct Call<'a> {
    pub(crate) view: KeyvalueCtxView<'a>,
    pub(crate) charge: Charge,
}

pub(crate) fn begin<'a, T: Metered>(
    store: &'a mut Access<'_, T, Keyvalue>,
    operation: &'static str,
    bytes: usize,
) -> Result<Call<'a>, OverLimit> {
    let charge = sbd_metering::begin(store.as_context_mut(), "keyvalue", operation, bytes)?;
    let view = store.get();
    Ok(Call { view, charge })
}

/// Tells the host which quota refused a write; the guest learns that there is no room.
pub(crate) fn told<R>(charge: &Charge, written: Result<R, Error>) -> Result<R, Failure> {
    if let Err(Error::Storage(sbd_storage::Error::Quota(limit))) = &written {
        charge.refused(limit);
    }
    Ok(written?)
}

// === impl Call ===

impl Call<'_> {
    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.view.ctx.backend
    }

    pub(crate) fn label(&self, bucket: &Resource<Bucket>) -> Result<Arc<str>, Failure> {
        Ok(self.view.table.get(bucket)?.label.clone())
    }

    fn told<R>(&self, written: Result<R, Error>) -> Result<R, Failure> {
        told(&self.charge, written)
    }

    pub(crate) fn open(&mut self, label: String) -> Result<Resource<Bucket>, Failure> {
        let KeyvalueCtxView { ctx, table } = &mut self.view;
        if !ctx.granted.contains(&label) {
            let error = Error::AccessDenied {
                component: ctx.component.to_string(),
                bucket: label.chars().take(LONGEST_LABEL).collect(),
            };
            // The interface has no room for words here, so the operator gets them.
            tracing::warn!(component = &*ctx.component, "{error}");
            return Err(error.into());
        }
        if ctx.open_buckets == MAX_OPEN_BUCKETS {
            return Err(Error::TooManyHandles(MAX_OPEN_BUCKETS).into());
        }
        let bucket = table.push(Bucket {
            label: label.into(),
        })?;
        ctx.open_buckets += 1;
        Ok(bucket)
    }

    async fn read_swap(
        &mut self,
        bucket: Arc<str>,
        key: String,
    ) -> Result<Resource<Swap>, Failure> {
        let KeyvalueCtxView { ctx, table } = &mut self.view;
        if ctx.open_swaps == MAX_OPEN_SWAPS {
            return Err(Error::TooManyHandles(MAX_OPEN_SWAPS).into());
        }
        let read = ctx.backend.get(&bucket, &key).await?;
        let swap = table.push(Swap { bucket, key, read })?;
        ctx.open_swaps += 1;
        Ok(swap)
    }

    async fn swap(
        &mut self,
        swap: Swap,
        value: Vec<u8>,
    ) -> Result<Result<(), atomics::CasError>, Failure> {
        check_value(&value)?;
        let Swap { bucket, key, read } = swap;
        let swapped = self.backend().compare_and_set(&bucket, &key, read, value);
        let swapped = swapped.await;
        if self.told(swapped)? {
            return Ok(Ok(()));
        }
        let now = self.read_swap(bucket, key).await?;
        Ok(Err(atomics::CasError::CasFailed(now)))
    }
}

// === impl KeyvalueCtxView ===

impl KeyvalueCtxView<'_> {
    fn close_swap(&mut self, swap: Resource<Swap>) -> Result<Swap, ResourceTableError> {
        let swap = self.table.delete(swap)?;
        self.ctx.open_swaps = self.ctx.open_swaps.saturating_sub(1);
        Ok(swap)
    }
}

impl store::Host for KeyvalueCtxView<'_> {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<store::Error> {
        match failure {
            Failure::Told(error) => Ok(error.into()),
            Failure::Trap(error) => Err(error),
        }
    }
}

impl store::HostBucket for KeyvalueCtxView<'_> {
    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        self.ctx.open_buckets = self.ctx.open_buckets.saturating_sub(1);
        Ok(())
    }
}

impl atomics::Host for KeyvalueCtxView<'_> {}

impl atomics::HostCas for KeyvalueCtxView<'_> {
    fn drop(&mut self, swap: Resource<Swap>) -> wasmtime::Result<()> {
        self.close_swap(swap)?;
        Ok(())
    }
}

impl batch::Host for KeyvalueCtxView<'_> {}

// === impl Keyvalue ===

impl<T: Metered + Send> store::HostWithStore<T> for Keyvalue {
    async fn open(
        mut store: Access<'_, T, Self>,
        identifier: String,
    ) -> Result<Resource<Bucket>, Failure> {
        begin(&mut store, "open", identifier.len())?.open(identifier)
    }
}

impl<T: Metered + Send> store::HostBucketWithStore<T> for Keyvalue {
    async fn get(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let call = begin(&mut store, "get", key.len())?;
        let bucket = call.label(&bucket)?;
        check_key(&key)?;
        let value = call.backend().get(&bucket, &key).await?;
        call.charge.answer(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    async fn set(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Failure> {
        let call = begin(&mut store, "set", key.len() + value.len())?;
        let bucket = call.label(&bucket)?;
        check_key(&key)?;
        check_value(&value)?;
        let done = call.backend().set(&bucket, &key, value).await;
        call.told(done)
    }

    async fn delete(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<(), Failure> {
        let call = begin(&mut store, "delete", key.len())?;
        let bucket = call.label(&bucket)?;
        check_key(&key)?;
        let done = call.backend().delete(&bucket, &key).await;
        call.told(done)
    }

    async fn exists(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<bool, Failure> {
        let call = begin(&mut store, "exists", key.len())?;
        let bucket = call.label(&bucket)?;
        check_key(&key)?;
        Ok(call.backend().exists(&bucket, &key).await?)
    }

    async fn list_keys(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Result<store::KeyResponse, Failure> {
        let cursor_bytes = cursor.as_ref().map_or(0, String::len);
        let call = begin(&mut store, "list-keys", cursor_bytes)?;
        let bucket = call.label(&bucket)?;
        if cursor_bytes > MAX_KEY_BYTES {
            let message = "this is no cursor; pass the one that the page before came with";
            return Err(Error::Invalid(message.to_owned()).into());
        }
        let page = call.backend().list_keys(&bucket, cursor.as_deref()).await?;
        call.charge.answer(texts(&page.keys))?;
        Ok(store::KeyResponse {
            keys: page.keys,
            cursor: page.next,
        })
    }
}

impl<T: Metered + Send> atomics::HostWithStore<T> for Keyvalue {
    async fn increment(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Result<i64, Failure> {
        let call = begin(&mut store, "increment", key.len())?;
        let bucket = call.label(&bucket)?;
        check_key(&key)?;
        let done = call.backend().increment(&bucket, &key, delta).await;
        call.told(done)
    }

    async fn swap(
        mut store: Access<'_, T, Self>,
        swap: Resource<Swap>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        // The component has given the handle away, whatever comes of it.
        let swap = store.get().close_swap(swap)?;
        let swapped = match begin(&mut store, "swap", value.len()) {
            Ok(mut call) => call.swap(swap, value).await,
            Err(over) => Err(over.into()),
        };
        match swapped {
            Ok(swapped) => Ok(swapped),
            Err(Failure::Told(error)) => Ok(Err(atomics::CasError::StoreError(error.into()))),
            Err(Failure::Trap(error)) => Err(error),
        }
    }
}

impl<T: Metered + Send> atomics::HostCasWithStore<T> for Keyvalue {
    async fn new(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Resource<Swap>, Failure> {
        let mut call = begin(&mut store, "cas", key.len())?;
        let bucket = call.label(&bucket)?;
        check_key(&key)?;
        call.read_swap(bucket, key).await
    }

    async fn current(
        mut store: Access<'_, T, Self>,
        swap: Resource<Swap>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let call = begin(&mut store, "current", 0)?;
        let read = &call.view.table.get(&swap)?.read;
        call.charge.answer(read.as_ref().map_or(0, Vec::len))?;
        Ok(read.clone())
    }
}

impl<T: Metered + Send> batch::HostWithStore<T> for Keyvalue {
    async fn get_many(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Found, Failure> {
        let call = begin(&mut store, "get-many", texts(&keys))?;
        let bucket = call.label(&bucket)?;
        check_keys(keys.iter().map(String::as_str))?;
        let pairs = call.backend().get_many(&bucket, keys).await?;
        let bytes = |(key, value): &(String, Option<Vec<u8>>)| {
            key.len() + value.as_ref().map_or(0, Vec::len)
        };
        call.charge.answer(pairs.iter().map(bytes).sum())?;
        Ok(pairs)
    }

    async fn set_many(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Failure> {
        let bytes = |(key, value): &(String, Vec<u8>)| key.len() + value.len();
        let call = begin(&mut store, "set-many", pairs.iter().map(bytes).sum())?;
        let bucket = call.label(&bucket)?;
        check_pairs(&pairs)?;
        let done = call.backend().set_many(&bucket, pairs).await;
        call.told(done)
    }

    async fn delete_many(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<(), Failure> {
        let call = begin(&mut store, "delete-many", texts(&keys))?;
        let bucket = call.label(&bucket)?;
        check_keys(keys.iter().map(String::as_str))?;
        let done = call.backend().delete_many(&bucket, keys).await;
        call.told(done)
    }
}

pub(crate) fn texts(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

// === impl Failure ===

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl From<OverLimit> for Failure {
    fn from(over: OverLimit) -> Self {
        Self::Told(over.into())
    }
}

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
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
