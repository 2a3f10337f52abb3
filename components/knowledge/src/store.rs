//! The component's collections; the manifest declares their indexes.

use crate::model::{Document, DocumentId, Library, LibraryId, Message, Thread};
use sbd_sdk::documents::Collection;
use sbd_sdk::time::Time;
use serde::{Deserialize, Serialize};

/// Libraries by id.
pub(crate) const LIBRARIES: Collection<Library> = Collection::new("libraries");
/// Documents by id.
pub(crate) const DOCUMENTS: Collection<Document> = Collection::new("library_documents");
/// What is being uploaded, by the id that the document will have.
pub(crate) const UPLOADS: Collection<Upload> = Collection::new("uploads");
/// What the chunks of all documents are found by: the one of the id `current`.
pub(crate) const INDEXES: Collection<Index> = Collection::new("indexes");
/// Conversations by id.
pub(crate) const THREADS: Collection<Thread> = Collection::new("threads");
/// What was said in them, by id.
pub(crate) const MESSAGES: Collection<Message> = Collection::new("messages");

/// A document that is being uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    #[serde(rename = "_id")]
    pub(crate) id: DocumentId,
    pub(crate) library_id: LibraryId,
    pub(crate) begun_at: Time,
}

/// A collection of vectors, and the model whose vectors it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) collection: String,
    /// None: chunks are found by their words alone.
    pub(crate) model: Option<String>,
    pub(crate) since: Time,
}
