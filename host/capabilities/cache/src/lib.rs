//! The cache capability, `sbd:platform/cache`: small values with a time to live.
//!
//! Keys belong to one component of one tenant. A [`Backend`] serves one tenant, with its own
//! share of memory, so no tenant can push out what another keeps; within it, every call names the
//! component that asks.
//!
//! A counter is its decimal text: `set` can start one, `get` can read one, and Redis counts the
//! same way.

mod backend;
mod bindings;
mod error;
mod host;
pub mod limits;
mod memory;

pub use backend::Backend;
pub use error::Error;
pub use memory::MemoryBackend;

use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What one component of one tenant may do with the cache. Cheap to clone.
#[derive(Clone)]
pub struct CacheCtx {
    backend: Arc<dyn Backend>,
    component: Arc<str>,
}

/// Implemented by the data of a store whose components use the cache.
pub trait CacheView: Send {
    /// The cache as this store's component sees it.
    fn cache(&mut self) -> &mut CacheCtx;
}

struct Cache;

impl HasData for Cache {
    type Data<'a> = &'a mut CacheCtx;
}

/// Links `sbd:platform/cache`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: CacheView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::cache::add_to_linker::<T, Cache>(linker, T::cache)
}

// === impl CacheCtx ===

impl CacheCtx {
    /// The cache of `component` within the backend's tenant.
    pub fn new(backend: Arc<dyn Backend>, component: Arc<str>) -> Self {
        Self { backend, component }
    }

    /// The value under a key, unless it has expired.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        limits::check_key(key)?;
        self.backend.get(&self.component, key).await
    }

    /// Stores a value for so many milliseconds.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn set(&self, key: &str, value: Vec<u8>, ttl_ms: u64) -> Result<(), Error> {
        limits::check_key(key)?;
        limits::check_value(&value)?;
        let ttl = limits::check_ttl(ttl_ms)?;
        self.backend.set(&self.component, key, value, ttl).await
    }

    /// Forgets a key; says whether it was there.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn delete(&self, key: &str) -> Result<bool, Error> {
        limits::check_key(key)?;
        self.backend.delete(&self.component, key).await
    }

    /// Adds to a counter and returns its new value.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotACounter`], [`Error::Overflow`], [`Error::Unavailable`].
    pub async fn increment(&self, key: &str, delta: i64, ttl_ms: u64) -> Result<i64, Error> {
        limits::check_key(key)?;
        let ttl = limits::check_ttl(ttl_ms)?;
        self.backend
            .increment(&self.component, key, delta, ttl)
            .await
    }

    /// Stores a value only if the present one equals `expected`; says whether it did.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_ms: u64,
    ) -> Result<bool, Error> {
        limits::check_key(key)?;
        limits::check_value(&value)?;
        let ttl = limits::check_ttl(ttl_ms)?;
        let backend = &self.backend;
        backend
            .compare_and_set(&self.component, key, expected, value, ttl)
            .await
    }
}
