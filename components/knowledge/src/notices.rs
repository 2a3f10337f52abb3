//! What is told of documents, in the commit of what happened: to other components, and to whoever uploaded one.
//!
//! | type | data | when |
//! |---|---|---|
//! | `document.indexed` | `document_id`, `library_id` | it is found by search and ask |
//! | `document.failed` | the same | it could not be read |
//! | `document.deleted` | the same | it is gone |

use crate::model::Document;
use sbd_sdk::documents::Transaction;
use serde::Serialize;
use serde_json::json;

/// Somebody is to be told something, by `notifications`.
#[derive(Serialize)]
struct Notice<'a> {
    user: &'a str,
    kind: &'static str,
    title: String,
    body: String,
    link: String,
    data: serde_json::Value,
    unique: String,
}

/// A document is found from now on.
pub(crate) fn ready(change: Transaction, document: &Document) -> Transaction {
    let found = &document.found;
    let mut body = match found.pages {
        Some(pages) => format!("{pages} pages, {} passages.", found.chunks),
        None => format!("{} passages.", found.chunks),
    };
    if let Some(unread) = found.unread.first() {
        body.push_str(&format!(" Not all of it was read: {}", unread.why));
    }
    let title = format!("{} can be asked now", document.name);
    let change = happened(change, "document.indexed", document);
    told(change, document, "document.ready", title, body)
}

/// A document could not be read.
pub(crate) fn failed(change: Transaction, document: &Document, why: &str) -> Transaction {
    let title = format!("{} could not be read", document.name);
    let change = happened(change, "document.failed", document);
    told(change, document, "document.failed", title, why.to_owned())
}

/// A document is gone.
pub(crate) fn deleted(change: Transaction, document: &Document) -> Transaction {
    happened(change, "document.deleted", document)
}

fn happened(change: Transaction, kind: &str, document: &Document) -> Transaction {
    let data = json!({"document_id": document.id, "library_id": document.library_id});
    change.publish(kind, Some(document.id.as_str()), &data)
}

fn told(
    change: Transaction,
    document: &Document,
    kind: &'static str,
    title: String,
    body: String,
) -> Transaction {
    // Whoever writes a note sees it anyway.
    if document.note.is_some() {
        return change;
    }
    let notice = Notice {
        user: &document.created_by,
        kind,
        title: shortened(&title, 200),
        body: shortened(&body, 1000),
        link: format!("/documents/{}", document.id),
        data: json!({"document_id": document.id, "library_id": document.library_id}),
        unique: format!("{}/{}/{kind}", document.id, document.generation),
    };
    change.publish(
        "notification.requested",
        Some(&document.created_by),
        &notice,
    )
}

fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
