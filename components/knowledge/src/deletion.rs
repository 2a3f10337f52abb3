//! Deleting documents and libraries: marked first, so that nobody sees them any more, and then deleted by a task, which
//! comes again until nothing is left. Should a mark be without its task, a daily look finds it.

use crate::chunks;
use crate::libraries;
use crate::model::{Document, DocumentId, LibraryId};
use crate::notices;
use crate::store::{DOCUMENTS, LIBRARIES};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::tasks::{self, New, Work};
use sbd_sdk::{Error, Result, blobs, time};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The task that deletes a document.
pub(crate) const DELETE_DOCUMENT: &str = "delete-document";
/// The task that deletes a library with all that is in it.
pub(crate) const DELETE_LIBRARY: &str = "delete-library";
/// How often it is tried again: over some days, later and later.
const RETRIES: u32 = 20;

/// Which document.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AboutDocument {
    pub(crate) document_id: DocumentId,
}

/// Which library.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AboutLibrary {
    pub(crate) library_id: LibraryId,
}

/// Deletes a document: nobody sees it from now on.
pub(crate) async fn begin_document(document: &Document) -> Result<()> {
    let still = json!({"_id": document.id, "state": {"$ne": "deleting"}});
    let change = json!({
        "$set": {"state": "deleting", "updated_at": time::now()}, "$inc": {"version": 1},
    });
    DOCUMENTS.update_one(still, change).await?;
    enqueue_document(&document.id).await
}

/// Deletes a library: nobody sees it from now on, nor what is in it.
pub(crate) async fn begin(id: &LibraryId) -> Result<()> {
    let there = json!({"_id": id, "deleted_at": null});
    let change = json!({
        "$set": {"deleted_at": time::now()}, "$unset": {"default_of": "", "notes_of": ""}, "$inc": {"version": 1},
    });
    LIBRARIES.update_one(there, change).await?;
    enqueue_library(id).await
}

/// Deletes a document, and all there is of it.
pub(crate) async fn document(work: &Work<AboutDocument>) -> Result<()> {
    let document = DOCUMENTS.get(work.data.document_id.as_str()).await?;
    match document {
        Some(document) => all_of(&document).await,
        None => Ok(()),
    }
}

/// Deletes all documents of a library, and then the library.
pub(crate) async fn library(work: &Work<AboutLibrary>) -> Result<()> {
    let id = &work.data.library_id;
    let is_deleted = json!({"_id": id, "deleted_at": {"$ne": null}});
    if LIBRARIES.find_one(is_deleted.clone()).await?.is_none() {
        return Ok(());
    }
    let within = json!({"library_id": id});
    let all = DOCUMENTS.count(within.clone()).await?;
    let mut done = 0;
    loop {
        let found = DOCUMENTS.find(within.clone()).limit(50).fetch().await?;
        if found.documents.is_empty() {
            break;
        }
        for document in found.documents {
            all_of(&document).await?;
            done += 1;
        }
        let fraction = crate::embedding::fraction(done, all);
        work.report(fraction, format!("{done} documents deleted"))
            .await?;
    }
    LIBRARIES.delete_one(is_deleted).await?;
    Ok(())
}

/// Has deleted what was marked and is still there.
pub(crate) async fn sweep() -> Result<()> {
    let marked = json!({"state": "deleting"});
    for document in DOCUMENTS.find(marked).limit(1000).fetch().await?.documents {
        enqueue_document(&document.id).await?;
    }
    let marked = json!({"deleted_at": {"$ne": null}});
    for library in LIBRARIES.find(marked).limit(1000).fetch().await?.documents {
        enqueue_library(&library.id).await?;
    }
    Ok(())
}

/// A user, a family or a workspace is gone.
pub(crate) async fn of_owner(owner: &str) -> Result<()> {
    libraries::delete_of(owner).await
}

async fn enqueue_document(id: &DocumentId) -> Result<()> {
    let about = AboutDocument {
        document_id: id.clone(),
    };
    let task = New::of(DELETE_DOCUMENT, &about)?.unique(id.as_str());
    task.retries(RETRIES).enqueue().await?;
    Ok(())
}

async fn enqueue_library(id: &LibraryId) -> Result<()> {
    let about = AboutLibrary {
        library_id: id.clone(),
    };
    let task = New::of(DELETE_LIBRARY, &about)?.unique(id.as_str());
    task.retries(RETRIES).enqueue().await?;
    Ok(())
}

/// Deletes all there is of a document, itself last, so that what breaks off goes on.
async fn all_of(document: &Document) -> Result<()> {
    if let Some(task) = &document.task_id {
        tasks::cancel(task).await?;
    }
    chunks::forget(&document.id).await?;
    blobs::delete_all(&document.folder()).await?;
    let change = Transaction::new().delete_one(&DOCUMENTS, json!({"_id": document.id}));
    match notices::deleted(change, document).commit().await {
        // Another one was quicker.
        Ok(_) | Err(DocumentsError::PreconditionFailed(_)) => Ok(()),
        Err(error) => Err(Error::from(error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::indexing;
    use crate::store::DOCUMENTS as KEPT;
    use crate::tests::{DOCUMENTS, GARDEN, app, passages, search, send, texts, upload};
    use sbd_sdk::Principal;

    #[test]
    fn nothing_is_left_of_a_document() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let id = upload(&app, &ada, "a.md", GARDEN);
        assert!(passages(&app) > 0 && app.blobs().len() == 4);
        ada.delete(&format!("{DOCUMENTS}/{id}")).assert_status(204);
        // Before the task has run, nobody finds it.
        assert!(texts(&search(&ada, json!({"query": "gate opens"}))).is_empty());
        app.run_tasks();
        assert_eq!((passages(&app), app.blobs().len()), (0, 0));
        assert_eq!(app.run(KEPT.count(json!({}))).unwrap(), 0);
        assert!(
            app.published()
                .iter()
                .any(|event| event.kind == "document.deleted")
        );
        // The same content is taken as if it had never been there.
        upload(&app, &ada, "a.md", GARDEN);
    }

    #[test]
    fn what_is_deleted_while_it_is_read_is_gone() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let taken = send(&ada, "name=a.md", GARDEN).assert_status(202);
        let id: DocumentId = taken.text("id").parse().unwrap();
        // Marked as being read, as in the middle of its task.
        app.run(async {
            let reading = json!({"$set": {"state": "indexing"}});
            KEPT.update_one(json!({"_id": id}), reading).await.unwrap();
        });
        ada.delete(&format!("{DOCUMENTS}/{id}")).assert_status(204);
        app.run_tasks();
        let host = app.by(Principal::service("test", "knowledge"));
        let about = json!({"document_id": id, "generation": 1});
        host.task(indexing::INDEX, about).assert_status(200);
        assert_eq!((passages(&app), app.blobs().len()), (0, 0));
    }

    #[test]
    fn a_mark_without_its_task_is_found() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let id = upload(&app, &ada, "a.md", GARDEN);
        app.run(async {
            let marked = json!({"$set": {"state": "deleting"}});
            KEPT.update_one(json!({"_id": id}), marked).await.unwrap();
        });
        app.by(Principal::service("test", "knowledge"))
            .tick("sweep")
            .assert_status(200);
        app.run_tasks();
        assert_eq!((passages(&app), app.blobs().len()), (0, 0));
    }
}
