//! Documents come in: streamed into `blobs`, never in memory, and the same content once.

use crate::indexing;
use crate::libraries::{self, as_long_as_it_is_there};
use crate::model::{Document, DocumentId, Found, Library, LibraryId, State, content_key, folder};
use crate::names;
use crate::owners;
use crate::store::{DOCUMENTS, UPLOADS, Upload};
use axum::body::Body;
use document::Format;
use http_body_util::Limited;
use sbd_sdk::blobs::{self, Blob};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time;
use sbd_sdk::{Caller, Error, Result};
use serde_json::json;
use std::time::Duration;

/// Bytes of a document at most.
pub(crate) const LARGEST: usize = 50 << 20;
/// Documents in a library at most.
const MOST: u64 = 100_000;
/// What is still being uploaded after this time has broken off.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

/// A document that was taken, and whether it was there before.
pub(crate) struct Taken {
    pub(crate) document: Document,
    pub(crate) was_there: bool,
}

/// Takes a document into a library, or into the caller's own, and has it indexed.
pub(crate) async fn take(
    caller: &Caller,
    library: Option<&LibraryId>,
    name: &str,
    content_type: Option<&str>,
    body: Body,
) -> Result<Taken> {
    let library = match library {
        Some(id) => owners::writable(caller, id).await?,
        None => libraries::default_of(caller).await?,
    };
    let name = names::clean(name)?;
    let format = names::format(&name, content_type)?;
    require_room(&library).await?;
    let upload = Upload {
        id: DocumentId::new(),
        library_id: library.id.clone(),
        begun_at: time::now(),
    };
    // First, so that nothing is left of what breaks off.
    UPLOADS.insert(&upload).await?;
    let blob = format!("{}original", folder(&upload.id));
    let body = Body::new(Limited::new(body, LARGEST));
    let put = blobs::put(&blob, format.content_type(), body).await;
    let taken = match put {
        Ok(blob) if blob.size == 0 => Err(Error::validation(
            "body",
            "the content of a document; there is none",
        )),
        Ok(blob) => keep(caller, &library, &upload.id, (name, format), &blob).await,
        Err(error) => Err(error),
    };
    match &taken {
        Ok(taken) if !taken.was_there => {}
        _ => forget(&upload.id).await?,
    }
    let Taken {
        document,
        was_there,
    } = taken?;
    let document = match document.state {
        // What was there and is well needs no more work.
        State::Ready | State::Failed | State::Deleting => document,
        State::Queued | State::Indexing => indexing::enqueue(document).await?,
    };
    Ok(Taken {
        document,
        was_there,
    })
}

/// What was uploaded is a document now, unless the library has that content already.
async fn keep(
    caller: &Caller,
    library: &Library,
    id: &DocumentId,
    (name, format): (String, Format),
    blob: &Blob,
) -> Result<Taken> {
    let document = made(library, id, (name, format), blob, &caller.user);
    let key = &document.content_key;
    let change = Transaction::new()
        .delete_one(&UPLOADS, json!({"_id": id}))
        .insert(&DOCUMENTS, &document);
    match as_long_as_it_is_there(change, &library.id).commit().await {
        Ok(_) => Ok(Taken {
            document,
            was_there: false,
        }),
        Err(DocumentsError::Duplicate(_)) => {
            let same = json!({"content_key": key});
            match DOCUMENTS.find_one(same).await? {
                Some(document) if document.state != State::Deleting => Ok(Taken {
                    document,
                    was_there: true,
                }),
                _ => Err(Error::conflict(
                    "the same content is being deleted at this moment; send it again in a moment",
                )),
            }
        }
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("library")),
        Err(error) => Err(error.into()),
    }
}

/// A document that waits to be read.
pub(crate) fn made(
    library: &Library,
    id: &DocumentId,
    (name, format): (String, Format),
    blob: &Blob,
    by: &str,
) -> Document {
    let now = time::now();
    Document {
        id: id.clone(),
        library_id: library.id.clone(),
        content_key: content_key(&library.id, &blob.sha256),
        note: None,
        name,
        format,
        content_type: format.content_type().to_owned(),
        size: blob.size,
        sha256: blob.sha256.clone(),
        state: State::Queued,
        error: None,
        found: Found::default(),
        generation: 1,
        indexed: None,
        collections: Vec::new(),
        task_id: None,
        created_by: by.to_owned(),
        created_at: now,
        updated_at: now,
        indexed_at: None,
        version: 1,
    }
}

async fn require_room(library: &Library) -> Result<()> {
    let there = DOCUMENTS.count(json!({"library_id": library.id})).await?;
    match there < MOST {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "the library has {MOST} documents, the most there may be; make another one"
        ))),
    }
}

/// Leaves nothing of an upload.
async fn forget(id: &DocumentId) -> Result<()> {
    blobs::delete_all(&folder(id)).await?;
    UPLOADS.delete_one(json!({"_id": id})).await?;
    Ok(())
}

/// Leaves nothing of what broke off with the host.
pub(crate) async fn sweep() -> Result<()> {
    let old = json!({"begun_at": {"$lt": time::now() - LONGEST}});
    loop {
        let found = UPLOADS.find(old.clone()).fetch().await?;
        if found.documents.is_empty() {
            return Ok(());
        }
        for upload in found.documents {
            forget(&upload.id).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{DOCUMENTS, GARDEN, LIBRARIES, app, passages, send, upload};
    use axum::body::Bytes;
    use sbd_sdk::Principal;
    use std::convert::Infallible;

    #[test]
    fn a_document_is_taken_and_told_of() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let taken = send(&ada, "name=Der%20Garten.md", GARDEN).assert_status(202);
        let path = taken.header("location").unwrap().to_owned();
        assert_eq!(
            (&taken["state"], &taken["name"]),
            (&json!("queued"), &json!("Der Garten.md"))
        );
        assert_eq!(taken.text("task_id"), app.enqueued()[0].id);
        assert_eq!(app.enqueued()[0].user.as_deref(), Some("usr_1"));
        app.run_tasks();
        let ready = ada.get(&path).assert_status(200);
        assert_eq!(
            (
                &ready["state"],
                &ready["pages"],
                &ready["tables"],
                &ready["format"]
            ),
            (&json!("ready"), &json!(2), &json!(1), &json!("markdown"))
        );
        assert_eq!(ready["size"], GARDEN.len());
        let mut notices = app.published().into_iter();
        let notice = notices
            .rfind(|event| event.kind == "notification.requested")
            .unwrap();
        assert_eq!(
            (&notice.data["user"], &notice.data["kind"]),
            (&json!("usr_1"), &json!("document.ready"))
        );
    }

    #[test]
    fn the_same_content_is_one_document_in_a_library() {
        let app = app();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let first = upload(&app, &ada, "a.md", GARDEN);
        let again = send(&ada, "name=b.md", GARDEN).assert_status(200);
        assert_eq!(
            (again.text("id"), &again["name"]),
            (first.as_str(), &json!("a.md"))
        );
        assert_eq!(
            (ada.get(DOCUMENTS)["total"].as_u64(), app.blobs().len()),
            (Some(1), 4)
        );
        // Elsewhere it is another one.
        assert_ne!(upload(&app, &bob, "a.md", GARDEN), first);
        // Before it was read, it is being read all the same, once.
        let waiting = send(&ada, "name=c.md", "Not read yet.").assert_status(202);
        let again = send(&ada, "name=c.md", "Not read yet.").assert_status(202);
        assert_eq!(
            (again.text("id"), again.text("task_id")),
            (waiting.text("id"), waiting.text("task_id"))
        );
    }

    #[test]
    fn a_form_says_the_same() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let library = ada.post(LIBRARIES, json!({"name": "A"})).assert_status(201);
        let id = library.text("id");
        let form = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"library_id\"\r\n\r\n{id}\r\n\
             --XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.md\"\r\n\r\n{GARDEN}\r\n--XX--\r\n"
        );
        let kind = "multipart/form-data; boundary=XX";
        let taken = ada
            .upload("POST", DOCUMENTS, kind, form.clone())
            .assert_status(202);
        assert_eq!(
            (&taken["library_id"], &taken["name"]),
            (&library["id"], &json!("a.md"))
        );
        assert_eq!(taken["size"], GARDEN.len());
        // One that breaks off is none, and nothing is left of it.
        let cut = form[..form.len() - 40].to_owned();
        ada.upload("POST", DOCUMENTS, kind, cut)
            .assert_refused(400, "MALFORMED_REQUEST");
        let none = ada.upload("POST", DOCUMENTS, "multipart/form-data", "x");
        none.assert_refused(400, "MALFORMED_REQUEST");
        assert_eq!((app.blobs().len(), app.blobs_begun()), (1, 0));
    }

    #[test]
    fn what_is_no_document_is_refused_and_leaves_nothing() {
        let app = app();
        let ada = app.signed_in("usr_1");
        for (query, text, status, code) in [
            ("name=a.exe", "x", 415, "UNSUPPORTED_MEDIA_TYPE"),
            ("name=a.md", "", 422, "VALIDATION_ERROR"),
            ("name=", "x", 422, "VALIDATION_ERROR"),
            ("", "x", 422, "VALIDATION_ERROR"),
            ("name=a.md&library_id=x", "x", 404, "NOT_FOUND"),
            ("name=a.md&nome=x", "x", 422, "VALIDATION_ERROR"),
        ] {
            send(&ada, query, text).assert_refused(status, code);
        }
        let piece = Bytes::from(vec![b'x'; 1 << 20]);
        let pieces = (0..51).map(move |_| Ok::<_, Infallible>(piece.clone()));
        let body = Body::from_stream(futures::stream::iter(pieces));
        let large = ada.upload(
            "POST",
            &format!("{DOCUMENTS}?name=a.txt"),
            "text/plain",
            body,
        );
        let large = large.assert_refused(413, "BODY_TOO_LARGE");
        assert!(
            large["error"]["message"]
                .as_str()
                .unwrap()
                .contains("50 MiB")
        );
        assert_eq!((app.blobs().len(), app.blobs_begun()), (0, 0));
        assert_eq!(app.run(UPLOADS.count(json!({}))).unwrap(), 0);
        assert!(app.enqueued().is_empty());
    }

    /// A body in the middle of which something happens.
    fn meanwhile(happens: impl Future<Output = ()> + Send + 'static) -> Body {
        let first = futures::stream::once(async { Ok::<_, Infallible>(Bytes::from("first, ")) });
        let then = futures::stream::once(async {
            happens.await;
            Ok(Bytes::from("then"))
        });
        Body::from_stream(futures::StreamExt::chain(first, then))
    }

    #[test]
    fn a_library_that_is_deleted_meanwhile_takes_nothing() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let library = ada.post(LIBRARIES, json!({"name": "A"})).assert_status(201);
        let id: LibraryId = library.text("id").parse().unwrap();
        let path = format!("{DOCUMENTS}?name=a.txt&library_id={id}");
        let body = meanwhile(async move { crate::deletion::begin(&id).await.unwrap() });
        ada.upload("POST", &path, "text/plain", body)
            .assert_refused(404, "NOT_FOUND");
        app.run_tasks();
        assert_eq!((app.blobs().len(), app.blobs_begun()), (0, 0));
    }

    #[test]
    fn of_the_same_content_at_once_one_is_kept() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let library = ada.post(LIBRARIES, json!({"name": "A"})).assert_status(201);
        let id: LibraryId = library.text("id").parse().unwrap();
        let path = format!("{DOCUMENTS}?name=a.txt&library_id={id}");
        let body = meanwhile(async move {
            let bob = Caller::of(Principal::user("test", "usr_1")).unwrap();
            let other = Body::from("first, then");
            take(&bob, Some(&id), "b.txt", None, other).await.unwrap();
        });
        let slower = ada
            .upload("POST", &path, "text/plain", body)
            .assert_status(202);
        assert_eq!(slower["name"], "b.txt");
        assert_eq!(
            (ada.get(DOCUMENTS)["total"].as_u64(), app.blobs().len()),
            (Some(1), 1)
        );
        app.run_tasks();
        assert_eq!(passages(&app), 1);
    }

    #[test]
    fn nothing_is_left_of_what_broke_off_with_the_host() {
        let app = app();
        let upload = Upload {
            id: DocumentId::new(),
            library_id: LibraryId::new(),
            begun_at: app.now(),
        };
        app.run(async {
            UPLOADS.insert(&upload).await.unwrap();
            let name = format!("{}original", folder(&upload.id));
            blobs::put(&name, "text/plain", Body::from("x"))
                .await
                .unwrap();
        });
        let host = app.by(Principal::service("test", "knowledge"));
        host.tick("sweep").assert_status(200);
        assert_eq!(app.blobs().len(), 1);
        app.advance(LONGEST + Duration::from_secs(1));
        host.tick("sweep").assert_status(200);
        assert_eq!(
            (
                app.blobs().len(),
                app.run(UPLOADS.count(json!({}))).unwrap()
            ),
            (0, 0)
        );
    }
}
