//! Notes are found like documents: each is one, in a library that its owner's notes have, and which nobody else writes in.
//! What a note says is asked of `notes`, which tells when it changes; of what is encrypted it tells nothing.

use crate::deletion;
use crate::indexing;
use crate::libraries::{self, as_long_as_it_is_there};
use crate::model::{Document, DocumentId, MAX_NAME, Note, State, folder};
use crate::store::{DOCUMENTS, UPLOADS, Upload};
use crate::uploads;
use axum::body::Body;
use axum::extract::Request;
use document::Format;
use http::StatusCode;
use sbd_sdk::blobs::{self, Blob};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, Result, call, read_json, time};
use serde::Deserialize;
use serde_json::json;

/// A note, as `notes` answers it to this component.
#[derive(Deserialize)]
struct Said {
    family_id: Option<String>,
    #[serde(default)]
    workspace_id: Option<String>,
    owner: String,
    title: String,
    body: String,
    #[serde(default)]
    tags: Vec<String>,
    version: u64,
}

/// A note is new, or says something else: it is found as it is now.
pub(crate) async fn changed(id: &str) -> Result<()> {
    let Some(said) = asked(id).await? else {
        return deleted(id).await;
    };
    match DOCUMENTS.find_one(json!({"note.id": id})).await? {
        None => begin(id, &said).await,
        Some(document) if document.state == State::Deleting => Err(Error::overloaded(
            "the note is being deleted; it comes back after that",
            5,
        )),
        Some(document) => again(document, id, &said).await,
    }
}

/// A note cannot be read any more: it is not found either.
pub(crate) async fn deleted(id: &str) -> Result<()> {
    match DOCUMENTS.find_one(json!({"note.id": id})).await? {
        Some(document) => deletion::begin_document(&document).await,
        None => Ok(()),
    }
}

/// What a note says; none if it is not there, or cannot be read.
async fn asked(id: &str) -> Result<Option<Said>> {
    let request = Request::get(format!("/api/v1/notes/{id}/text")).body(Body::empty());
    let response = call("notes", request.map_err(Error::internal)?).await?;
    match response.status() {
        StatusCode::NOT_FOUND => Ok(None),
        _ => Ok(Some(read_json(response).await?)),
    }
}

/// A note is found for the first time.
async fn begin(note: &str, said: &Said) -> Result<()> {
    let group = said.family_id.as_ref().or(said.workspace_id.as_ref());
    let library = libraries::notes_of(group.unwrap_or(&said.owner)).await?;
    let id = DocumentId::new();
    let upload = Upload {
        id: id.clone(),
        library_id: library.id.clone(),
        begun_at: time::now(),
    };
    UPLOADS.insert(&upload).await?;
    let blob = said.put(&id).await?;
    let name = (said.name(), Format::Markdown);
    let document = Document {
        // Two notes that say the same are two notes.
        content_key: format!("{}/{note}", library.id),
        note: Some(said.note(note)),
        ..uploads::made(&library, &id, name, &blob, &said.owner)
    };
    let change = Transaction::new()
        .delete_one(&UPLOADS, json!({"_id": id}))
        .insert(&DOCUMENTS, &document);
    as_long_as_it_is_there(change, &library.id).commit().await?;
    indexing::task(&document)?.enqueue().await?;
    Ok(())
}

/// A note says something else than when it was found last.
async fn again(document: Document, note: &str, said: &Said) -> Result<()> {
    let is_newer = document
        .note
        .as_ref()
        .is_some_and(|known| known.version < said.version);
    if !is_newer {
        // Told twice; whether it is indexed is its task's to see to.
        return Ok(());
    }
    let blob = said.put(&document.id).await?;
    let still = json!({"_id": document.id, "generation": document.generation, "state": {"$ne": "deleting"}});
    let change = json!({
        "$set": {
            "note": said.note(note), "name": said.name(), "size": blob.size, "sha256": blob.sha256,
            "state": "queued", "error": null, "updated_at": time::now(),
        },
        "$inc": {"generation": 1, "version": 1},
    });
    let changed = DOCUMENTS.find_one_and_update(still, change).await?;
    let changed = changed.ok_or_else(|| {
        Error::overloaded("the note was changed at the same moment; it comes again", 1)
    })?;
    indexing::task(&changed)?.enqueue().await?;
    Ok(())
}

// === impl Said ===

impl Said {
    /// Keeps what it says as the content of a document.
    async fn put(&self, id: &DocumentId) -> Result<Blob> {
        let tags = match self.tags.is_empty() {
            true => String::new(),
            false => format!("\n\n{}", self.tags.join(", ")),
        };
        let text = format!("# {}\n\n{}{tags}\n", self.name(), self.body);
        let name = format!("{}original", folder(id));
        blobs::put(&name, Format::Markdown.content_type(), Body::from(text)).await
    }

    /// What it is called, in one line.
    fn name(&self) -> String {
        let line: String = self
            .title
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_NAME)
            .collect();
        match line.trim() {
            "" => "Note".to_owned(),
            line => line.to_owned(),
        }
    }

    fn note(&self, id: &str) -> Note {
        Note {
            id: id.to_owned(),
            version: self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{DOCUMENTS, LIBRARIES, app, notes_say, passages, search, send, texts};
    use sbd_sdk::Principal;
    use sbd_sdk::testing::{App, Client};
    use serde_json::json;

    const NOTE: &str = "not_019a2f3c8b7e7c2d9f00112233445566";

    fn host(app: &App) -> Client<'_> {
        app.by(Principal::service("test", "knowledge"))
    }

    fn tell(app: &App, kind: &str) {
        host(app)
            .event(kind, json!({"note_id": NOTE}))
            .assert_status(204);
        app.run_tasks();
    }

    #[test]
    fn a_note_is_found_as_it_is_and_only_by_those_who_read_it() {
        let app = app();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        notes_say(Some(
            json!({"id": NOTE, "family_id": null, "owner": "usr_1", "title": "Bread", "body": "Knead the dough.", "tags": ["kitchen"], "version": 1}),
        ));
        tell(&app, "note.changed");
        let found = search(&ada, json!({"query": "dough"}));
        assert_eq!(
            (
                &found["items"][0]["note_id"],
                &found["items"][0]["document"]
            ),
            (&json!(NOTE), &json!("Bread"))
        );
        assert!(texts(&search(&bob, json!({"query": "dough"}))).is_empty());
        let asked = ada.post("/api/v1/ask", json!({"question": "What about the dough?"}));
        assert_eq!(asked.assert_status(200)["citations"][0]["note_id"], NOTE);
        // Told twice is once.
        tell(&app, "note.changed");
        assert_eq!(ada.get(DOCUMENTS)["total"], 1);
        notes_say(Some(
            json!({"id": NOTE, "family_id": null, "owner": "usr_1", "title": "Bread", "body": "Buy it.", "tags": [], "version": 2}),
        ));
        tell(&app, "note.changed");
        assert!(texts(&search(&ada, json!({"query": "dough"}))).is_empty());
        assert_eq!(texts(&search(&ada, json!({"query": "buy"}))).len(), 1);
        // Nobody is told of what they write themselves.
        assert!(
            app.published()
                .iter()
                .all(|event| event.kind != "notification.requested")
        );
        // It is changed where it is written, and nowhere else.
        let document = ada.get(DOCUMENTS);
        let document = &document["items"][0];
        let path = format!("{DOCUMENTS}/{}", document["id"].as_str().unwrap());
        ada.delete(&path).assert_refused(409, "CONFLICT");
        ada.patch(&path, json!({"name": "x"}))
            .assert_refused(409, "CONFLICT");
        let library = document["library_id"].as_str().unwrap();
        ada.delete(&format!("{LIBRARIES}/{library}"))
            .assert_refused(409, "CONFLICT");
        send(&ada, &format!("name=a.md&library_id={library}"), "x").assert_refused(409, "CONFLICT");
        tell(&app, "note.deleted");
        assert_eq!((passages(&app), app.blobs().len()), (0, 0));
    }

    #[test]
    fn what_cannot_be_read_any_more_is_not_found() {
        let app = app();
        notes_say(Some(
            json!({"id": NOTE, "family_id": null, "owner": "usr_1", "title": "Bread", "body": "Knead.", "tags": [], "version": 1}),
        ));
        tell(&app, "note.changed");
        assert!(passages(&app) > 0);
        notes_say(None);
        tell(&app, "note.changed");
        assert_eq!((passages(&app), app.blobs().len()), (0, 0));
        tell(&app, "note.deleted");
    }
}
