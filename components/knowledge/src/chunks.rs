//! Chunks as they are kept: points in `vectors`, whose payload is all that is shown of them.

use crate::chunking::Chunk;
use crate::embedding;
use crate::model::{Document, DocumentId, LibraryId, Span};
use document::{Format, Place};
use sbd_sdk::time::Time;
use sbd_sdk::vectors::terms::{self, Language};
use sbd_sdk::vectors::{self, Condition, Filter, Point};
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The payload of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Filled {
    pub(crate) library: LibraryId,
    pub(crate) document: DocumentId,
    pub(crate) generation: u32,
    /// Its number in the document.
    pub(crate) number: u32,
    pub(crate) format: Format,
    pub(crate) language: String,
    /// When the document was uploaded.
    pub(crate) at: Time,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) place: Place,
    /// Headings above it, and the names of columns.
    pub(crate) before: String,
    pub(crate) text: String,
}

// === impl Filled ===

impl Filled {
    /// A chunk of a document in the language of its terms.
    pub(crate) fn of(
        document: &Document,
        number: u32,
        chunk: &Chunk,
        text: &str,
        language: &str,
    ) -> Self {
        Self {
            library: document.library_id.clone(),
            document: document.id.clone(),
            generation: document.generation,
            number,
            format: document.format,
            language: language.to_owned(),
            at: document.created_at,
            start: chunk.span.start,
            end: chunk.span.end,
            place: chunk.place.clone(),
            before: chunk.before.clone(),
            text: text[chunk.bytes.clone()].to_owned(),
        }
    }

    /// Reads the payload of a point.
    pub(crate) fn read(payload: Value) -> Result<Self> {
        serde_json::from_value(payload).map_err(Error::internal)
    }

    /// The point by whose terms and, if a model has made one, vector it is found.
    pub(crate) fn point(&self, vector: Option<Vec<f32>>) -> Result<Point> {
        let terms = terms::document(&self.searched(), Language::of_tag(&self.language));
        let payload = serde_json::to_value(self).map_err(Error::internal)?;
        let point = Point::new(self.id()).sparse(terms).payload(payload);
        Ok(Point {
            dense: vector,
            ..point
        })
    }

    /// The id of its point: the same whenever this chunk is made.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}/{}", self.document, self.generation, self.number)
    }

    /// Where its text is.
    pub(crate) fn span(&self) -> Span {
        Span {
            start: self.start,
            end: self.end,
        }
    }

    /// What it is found by.
    pub(crate) fn searched(&self) -> String {
        match self.before.is_empty() {
            true => self.text.clone(),
            false => format!("{}\n{}", self.before, self.text),
        }
    }
}

/// The chunks of a document.
fn of_document(document: &DocumentId) -> Filter {
    Filter::new().must(Condition::is("document", document.as_str()))
}

/// The chunks of a document in a generation.
pub(crate) fn of_generation(document: &DocumentId, generation: u32) -> Filter {
    of_document(document).must(Condition::is("generation", generation))
}

/// Forgets all chunks of a document.
pub(crate) async fn forget(document: &DocumentId) -> Result<()> {
    forget_all(of_document(document)).await
}

/// Forgets all chunks of a document in one collection.
pub(crate) async fn forget_in(collection: &str, document: &DocumentId) -> Result<()> {
    vectors::delete(collection, of_document(document)).await?;
    Ok(())
}

/// Forgets the chunks of a document but those of one generation.
pub(crate) async fn forget_others(document: &DocumentId, generation: u32) -> Result<()> {
    let own = Condition::is("generation", generation);
    forget_all(of_document(document).must_not(own)).await
}

/// Forgets the chunks of a document in one generation.
pub(crate) async fn forget_generation(document: &DocumentId, generation: u32) -> Result<()> {
    forget_all(of_generation(document, generation)).await
}

/// Forgets those chunks of a generation that come behind the last: an attempt before had more of them.
pub(crate) async fn forget_behind(
    collection: &str,
    document: &DocumentId,
    generation: u32,
    count: u32,
) -> Result<()> {
    let behind = Condition::Between {
        field: "number".to_owned(),
        at_least: Some(count.into()),
        less_than: None,
    };
    vectors::delete(collection, of_generation(document, generation).must(behind)).await?;
    Ok(())
}

async fn forget_all(filter: Filter) -> Result<()> {
    for collection in embedding::collections().await? {
        vectors::delete(&collection, filter.clone()).await?;
    }
    Ok(())
}
