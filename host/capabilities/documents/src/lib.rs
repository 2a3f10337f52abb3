//! The documents capability: JSON collections with filters, indexes and transactions.
//!
//! [`Backend`] is what a store of documents must do; [`SqliteDocuments`] is the embedded one. The
//! language of filters and updates is the crate `sbd-documents-query`, the same for all.

mod audit;
mod backend;
mod bindings;
mod declaration;
mod error;
mod event;
mod host;
mod limits;
mod request;
pub mod sqlite;

pub use audit::{Anchor, Asked, Entries, Record, Verdict};
pub use backend::{
    Backend, Boxed, FindAndUpdate, Operation, Outcome, Page, Query, UpdateOptions, Updated,
};
pub use declaration::{CollectionDeclaration, IndexDeclaration};
pub use error::Error;
pub use event::{Announce, Event, Published, Retention};
pub use limits::Limits;
pub use sbd_documents_query::Direction;
pub use sqlite::{
    Chain, SqliteDocuments, StoredCollection, anchors, chains, each_entry, has_entries,
    stored_collections,
};

use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What one instance has of the capability: the collections of its component. Cheap to clone.
#[derive(Clone)]
pub struct DocumentsCtx {
    backend: Arc<dyn Backend>,
    announce: Arc<dyn Announce>,
    component: Arc<str>,
}

/// A store's data with the capability in it.
pub trait DocumentsView: Send {
    /// The capability.
    fn documents(&mut self) -> &mut DocumentsCtx;
}

struct Documents;

impl HasData for Documents {
    type Data<'a> = &'a mut DocumentsCtx;
}

// === impl DocumentsCtx ===

impl DocumentsCtx {
    /// The collections of this component in this backend, which has been configured for it.
    /// `announce` hears of the events it publishes.
    pub fn new(
        backend: Arc<dyn Backend>,
        announce: Arc<dyn Announce>,
        component: Arc<str>,
    ) -> Self {
        Self {
            backend,
            announce,
            component,
        }
    }
}

/// Offers `sbd:platform/documents` to guests.
///
/// # Errors
/// When the linker has it already.
pub fn add_to_linker<T: DocumentsView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::documents::add_to_linker::<T, Documents>(linker, T::documents)
}
