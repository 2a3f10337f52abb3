//! The keyvalue capability: `wasi:keyvalue@0.2.0-draft2` (store, atomics, batch), and as Spin's SDKs know
//! it, `spin:key-value@3.0.0` and `fermyon:spin/key-value@2.0.0`: the same buckets.
//!
//! A bucket belongs to a tenant and is named by a label. As on Spin, a label is shared: every
//! component of the tenant whose `key_value_stores` names it opens the same bucket. A component
//! opens no label that its manifest does not name, and no bucket of another tenant, because a
//! [`Backend`] serves one tenant only.
//!
//! The bytes of a bucket, keys and values, count for the bucket itself, whoever writes them; it may
//! hold as much as the largest `stored_bytes` among the components that may open it.
//!
//! A number that `increment` counts is 8 bytes, a little-endian two's complement `i64`, as in
//! Spin's embedded store, so that a component finds the same bytes on either host.

mod backend;
mod bindings;
mod error;
mod host;
pub mod limits;
mod spin;
mod sqlite;

pub use backend::{Backend, Found, Page};
pub use error::Error;
pub use host::{Bucket, Swap};
pub use limits::check_pairs;
pub use sqlite::{SqliteBackend, each_entry, stored_buckets};

use sbd_metering::Metered;
use std::collections::BTreeSet;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker, ResourceTable};

/// What one instance of a component may do with buckets.
pub struct KeyvalueCtx {
    backend: Arc<dyn Backend>,
    component: Arc<str>,
    granted: Arc<BTreeSet<String>>,
    open_buckets: usize,
    open_swaps: usize,
}

/// The context together with the table that holds the instance's resources.
pub struct KeyvalueCtxView<'a> {
    /// The context of the instance.
    pub ctx: &'a mut KeyvalueCtx,
    /// The instance's resources.
    pub table: &'a mut ResourceTable,
}

/// Implemented by the data of a store whose components use buckets.
pub trait KeyvalueView: Send {
    /// The context and the resource table of this store.
    fn keyvalue(&mut self) -> KeyvalueCtxView<'_>;
}

struct Keyvalue;

impl HasData for Keyvalue {
    type Data<'a> = KeyvalueCtxView<'a>;
}

/// Links `wasi:keyvalue/{store,atomics,batch}@0.2.0-draft2`, `spin:key-value/key-value@3.0.0` and
/// `fermyon:spin/key-value@2.0.0`.
///
/// # Errors
/// When one of the interfaces is already linked.
pub fn add_to_linker<T: KeyvalueView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::store::add_to_linker::<T, Keyvalue>(linker, T::keyvalue)?;
    bindings::atomics::add_to_linker::<T, Keyvalue>(linker, T::keyvalue)?;
    bindings::batch::add_to_linker::<T, Keyvalue>(linker, T::keyvalue)?;
    bindings::newer::add_to_linker::<T, Keyvalue>(linker, T::keyvalue)?;
    bindings::older::add_to_linker::<T, Keyvalue>(linker, T::keyvalue)?;
    Ok(())
}

// === impl KeyvalueCtx ===

impl KeyvalueCtx {
    /// A context for one instance of `component`, which may open the labels in `granted` (its
    /// `key_value_stores`) among the buckets of the backend's tenant.
    pub fn new(
        backend: Arc<dyn Backend>,
        component: Arc<str>,
        granted: Arc<BTreeSet<String>>,
    ) -> Self {
        Self {
            backend,
            component,
            granted,
            open_buckets: 0,
            open_swaps: 0,
        }
    }
}
