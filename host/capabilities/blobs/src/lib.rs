//! The blobs capability, `sbd:platform/blobs`: large contents under names, piece by piece.
//!
//! Names belong to one component of one tenant. A [`Backend`] serves one tenant; within it, every call names
//! the component that asks. No blob is ever in memory as a whole, here or in the component.

mod backend;
mod bindings;
mod error;
mod files;
mod host;
pub mod limits;

pub use backend::{Backend, Blob, Boxed, Page};
pub use error::Error;
pub use files::{Files, Stored, each, link, link_copied, remove};

use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// The blobs of one component of one tenant. Cheap to clone.
#[derive(Clone)]
pub struct BlobsCtx {
    backend: Arc<dyn Backend>,
    component: Arc<str>,
}

/// Implemented by the data of a store whose components keep blobs.
pub trait BlobsView: Send {
    /// The blobs as this store's component sees them.
    fn blobs(&mut self) -> &mut BlobsCtx;
}

struct Blobs;

impl HasData for Blobs {
    type Data<'a> = &'a mut BlobsCtx;
}

/// Links `sbd:platform/blobs`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: BlobsView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::blobs::add_to_linker::<T, Blobs>(linker, T::blobs)
}

// === impl BlobsCtx ===

impl BlobsCtx {
    /// The blobs of `component` within the backend's tenant.
    pub fn new(backend: Arc<dyn Backend>, component: Arc<str>) -> Self {
        Self { backend, component }
    }
}
