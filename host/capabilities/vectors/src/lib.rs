//! The vectors capability: points found by likeness, by dense vectors, sparse ones, or both.
//!
//! [`Backend`] is what a store of vectors must do; [`SqliteVectors`] is the embedded one. What a search means is the
//! crate `sbd-vectors-search`, the same for all, and what a text is found by the crate `sbd-vectors-terms`.

mod backend;
mod bindings;
mod error;
mod host;
mod searching;
mod sqlite;

pub use backend::Backend;
pub use error::Error;
pub use searching::{Searching, Settings};
pub use sqlite::{SqliteVectors, Stored, stored};

use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What one instance has of the capability: the collections of its component. Cheap to clone.
#[derive(Clone)]
pub struct VectorsCtx {
    backend: Arc<dyn Backend>,
    component: Arc<str>,
}

/// A store's data with the capability in it.
pub trait VectorsView: Send {
    /// The capability.
    fn vectors(&mut self) -> &mut VectorsCtx;
}

struct Vectors;

impl HasData for Vectors {
    type Data<'a> = &'a mut VectorsCtx;
}

// === impl VectorsCtx ===

impl VectorsCtx {
    /// The collections of this component in this backend.
    pub fn new(backend: Arc<dyn Backend>, component: Arc<str>) -> Self {
        Self { backend, component }
    }
}

/// Offers `sbd:platform/vectors` to guests.
///
/// # Errors
/// When the linker has it already.
pub fn add_to_linker<T: VectorsView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::vectors::add_to_linker::<T, Vectors>(linker, T::vectors)
}
