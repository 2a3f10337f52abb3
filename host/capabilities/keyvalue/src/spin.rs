//! The host side of Spin's own interfaces, older (`fermyon:spin/key-value`) and newer
//! (`spin:key-value`): the same stores under the same grants, charges and limits. A call of the newer
//! one leaves the store free while it waits.

use crate::bindings::{newer, older, store};
use crate::host::{Failure, begin, texts, told};
use crate::limits::{check_key, check_value};
use crate::{Backend, Bucket, Error, Keyvalue, KeyvalueCtxView};
use sbd_metering::{Charge, Metered};
use std::sync::Arc;
use wasmtime::component::{Access, Accessor, FutureReader, Resource, StreamReader};

/// A call that has been charged, with what it needs while the store is free.
struct Apart {
    backend: Arc<dyn Backend>,
    bucket: Arc<str>,
    charge: Charge,
}

fn apart<T: Metered + Send>(
    store: &Accessor<T, Keyvalue>,
    operation: &'static str,
    bucket: &Resource<Bucket>,
    bytes: usize,
) -> Result<Apart, Failure> {
    store.with(|mut access| {
        let call = begin(&mut access, operation, bytes)?;
        Ok(Apart {
            backend: Arc::clone(&call.view.ctx.backend),
            bucket: call.label(bucket)?,
            charge: call.charge,
        })
    })
}

/// Every key of a bucket; charged page by page, so that no more are read than the request may have.
async fn all_keys(
    backend: &dyn Backend,
    bucket: &str,
    charge: &Charge,
) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    loop {
        let after = keys.last().map(String::as_str);
        let page = backend.list_keys(bucket, after).await?;
        charge.answer(texts(&page.keys))?;
        keys.extend(page.keys);
        if page.next.is_none() {
            return Ok(keys);
        }
    }
}

// === impl KeyvalueCtxView ===

impl older::Host for KeyvalueCtxView<'_> {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<older::Error> {
        match failure {
            Failure::Told(error) => Ok(error.into()),
            Failure::Trap(error) => Err(error),
        }
    }
}

impl older::HostStore for KeyvalueCtxView<'_> {
    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        store::HostBucket::drop(self, bucket)
    }
}

impl newer::Host for KeyvalueCtxView<'_> {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<newer::Error> {
        match failure {
            Failure::Told(error) => Ok(error.into()),
            Failure::Trap(error) => Err(error),
        }
    }
}

impl newer::HostStore for KeyvalueCtxView<'_> {
    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        store::HostBucket::drop(self, bucket)
    }
}

// === impl Keyvalue ===

impl<T: Metered + Send> older::HostStoreWithStore<T> for Keyvalue {
    async fn open(store: Access<'_, T, Self>, label: String) -> Result<Resource<Bucket>, Failure> {
        store::HostWithStore::open(store, label).await
    }

    async fn get(
        store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Option<Vec<u8>>, Failure> {
        store::HostBucketWithStore::get(store, bucket, key).await
    }

    async fn set(
        store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Failure> {
        store::HostBucketWithStore::set(store, bucket, key, value).await
    }

    async fn delete(
        store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<(), Failure> {
        store::HostBucketWithStore::delete(store, bucket, key).await
    }

    async fn exists(
        store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<bool, Failure> {
        store::HostBucketWithStore::exists(store, bucket, key).await
    }

    async fn get_keys(
        mut store: Access<'_, T, Self>,
        bucket: Resource<Bucket>,
    ) -> Result<Vec<String>, Failure> {
        let call = begin(&mut store, "get-keys", 0)?;
        let bucket = call.label(&bucket)?;
        Ok(all_keys(call.backend(), &bucket, &call.charge).await?)
    }
}

impl<T: Metered + Send> newer::HostStoreWithStore<T> for Keyvalue {
    async fn open(store: &Accessor<T, Self>, label: String) -> Result<Resource<Bucket>, Failure> {
        store.with(|mut access| begin(&mut access, "open", label.len())?.open(label))
    }

    async fn get(
        store: &Accessor<T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let call = apart(store, "get", &bucket, key.len())?;
        check_key(&key)?;
        let value = call.backend.get(&call.bucket, &key).await?;
        call.charge.answer(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    async fn set(
        store: &Accessor<T, Self>,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Failure> {
        let call = apart(store, "set", &bucket, key.len() + value.len())?;
        check_key(&key)?;
        check_value(&value)?;
        let done = call.backend.set(&call.bucket, &key, value).await;
        told(&call.charge, done)
    }

    async fn delete(
        store: &Accessor<T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<(), Failure> {
        let call = apart(store, "delete", &bucket, key.len())?;
        check_key(&key)?;
        let done = call.backend.delete(&call.bucket, &key).await;
        told(&call.charge, done)
    }

    async fn exists(
        store: &Accessor<T, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<bool, Failure> {
        let call = apart(store, "exists", &bucket, key.len())?;
        check_key(&key)?;
        Ok(call.backend.exists(&call.bucket, &key).await?)
    }

    async fn get_keys(
        store: &Accessor<T, Self>,
        bucket: Resource<Bucket>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), newer::Error>>)> {
        let found = match apart(store, "get-keys", &bucket, 0) {
            Ok(call) => all_keys(&*call.backend, &call.bucket, &call.charge).await,
            Err(Failure::Told(error)) => Err(error),
            Err(Failure::Trap(error)) => return Err(error),
        };
        let (keys, end) = match found {
            Ok(keys) => (keys, Ok(())),
            Err(error) => (Vec::new(), Err(error.into())),
        };
        store.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys)?;
            let end = FutureReader::new(&mut access, async { wasmtime::error::Ok(end) })?;
            Ok((keys, end))
        })
    }
}

impl From<Error> for older::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::AccessDenied { .. } => Self::AccessDenied,
            Error::NoSuchStore(_) => Self::NoSuchStore,
            Error::TooManyHandles(_) => Self::StoreTableFull,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<Error> for newer::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::AccessDenied { .. } => Self::AccessDenied,
            Error::NoSuchStore(_) => Self::NoSuchStore,
            Error::TooManyHandles(_) => Self::StoreTableFull,
            other => Self::Other(other.to_string()),
        }
    }
}

#[cfg(test)]
#[path = "spin_tests.rs"]
mod tests;
