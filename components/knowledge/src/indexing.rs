//! A document is read, cut into chunks, and found from then on: a task, which goes on where it was when it comes
//! again.
//!
//! Whatever it writes carries the document's generation. A document that is indexed once more has another one, so
//! that what an older task still writes is of no account, and is deleted: by that task itself when it notices, or
//! when it comes again.

use crate::chunking::{self, Chunk, Sizes};
use crate::chunks::{self, Filled};
use crate::embedding::{self, AT_ONCE, fraction};
use crate::layout::Layout;
use crate::model::{Document, DocumentId, Found, State, folder};
use crate::notices;
use crate::reading::{self, Failure, Read};
use crate::store::{DOCUMENTS, Index, LIBRARIES};
use axum::body::Body;
use http::StatusCode;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::inference::{self, estimate};
use sbd_sdk::tasks::{New, Work};
use sbd_sdk::vectors::terms::Language;
use sbd_sdk::{Error, Result, blobs, metrics, time, vectors};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// The task.
pub(crate) const INDEX: &str = "index";
/// How often it is tried again.
const RETRIES: u32 = 6;
/// What has waited so long waits for nothing.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);
/// How much of it is to read the document.
const READ: f64 = 0.2;
/// Bytes of text that are counted or embedded by one call, at most.
const BYTES_AT_ONCE: usize = 1 << 20;

/// Which document, and for the how manieth time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) document_id: DocumentId,
    pub(crate) generation: u32,
}

/// Has a document indexed for whoever asks for it, who can see how it goes; answers it with its task.
pub(crate) async fn enqueue(document: Document) -> Result<Document> {
    let task = task(&document)?.for_user().enqueue().await?;
    let still = json!({"_id": document.id, "generation": document.generation});
    let change = json!({"$set": {"task_id": task}});
    let known = DOCUMENTS.find_one_and_update(still, change).await?;
    Ok(known.unwrap_or(Document {
        task_id: Some(task),
        ..document
    }))
}

/// The task that indexes a document. While there is one, there is no other.
pub(crate) fn task(document: &Document) -> Result<New> {
    let about = About {
        document_id: document.id.clone(),
        generation: document.generation,
    };
    let key = format!("{}/{}", about.document_id, about.generation);
    Ok(New::of(INDEX, &about)?.unique(key).retries(RETRIES))
}

/// Has a document indexed once more: what is found of it stays so until it is done.
pub(crate) async fn again(document: &Document) -> Result<Document> {
    let still = json!({"_id": document.id, "generation": document.generation, "state": {"$ne": "deleting"}});
    let change = json!({
        "$set": {"state": "queued", "error": null, "updated_at": time::now()},
        "$inc": {"generation": 1, "version": 1},
    });
    let changed = DOCUMENTS.find_one_and_update(still, change).await?;
    let changed = changed.ok_or(DocumentsError::PreconditionFailed(0))?;
    enqueue(changed).await
}

/// Does it.
pub(crate) async fn run(work: &Work<About>) -> Result<()> {
    let about = &work.data;
    let Some(document) = begun(about).await? else {
        return give_up(about).await;
    };
    if document.indexed == Some(about.generation) && document.state == State::Ready {
        return clear(&document).await;
    }
    match index(work, &document).await {
        Ok(Some((document, index))) => match finish(&document, &index).await? {
            true => clear(&document).await,
            false => give_up(about).await,
        },
        Ok(None) => give_up(about).await,
        // What is full is not emptied by waiting.
        Err(Failure::Again(error)) if work.attempt <= RETRIES && error.status() != 507 => {
            Err(error)
        }
        Err(Failure::Again(error)) => {
            let sentence = format!(
                "it could not be indexed just now ({}); index it again later",
                error.message()
            );
            fail(&document, sentence).await
        }
        Err(Failure::Final(sentence)) => fail(&document, sentence).await,
    }
}

/// Queues what waits and is forgotten: its task is out of tries, or was never enqueued.
pub(crate) async fn sweep() -> Result<()> {
    let waiting = json!({
        "state": {"$in": ["queued", "indexing"]},
        "updated_at": {"$lt": time::now() - FORGOTTEN},
    });
    let found = DOCUMENTS.find(waiting).limit(1000).fetch().await?;
    for document in found.documents {
        task(&document)?.enqueue().await?;
    }
    Ok(())
}

/// The document, if it is still to be indexed in this generation.
async fn begun(about: &About) -> Result<Option<Document>> {
    let still = json!({
        "_id": about.document_id, "generation": about.generation, "state": {"$in": ["queued", "indexing"]},
    });
    let change = json!({"$set": {"state": "indexing", "updated_at": time::now()}});
    if let Some(document) = DOCUMENTS.find_one_and_update(still, change).await? {
        return Ok(Some(document));
    }
    let document = DOCUMENTS.get(about.document_id.as_str()).await?;
    Ok(document.filter(|document| {
        document.generation == about.generation && document.state == State::Ready
    }))
}

/// Whether it is still wanted.
async fn is_wanted(document: &Document) -> Result<bool> {
    let now = DOCUMENTS.get(document.id.as_str()).await?;
    Ok(
        now.is_some_and(|now| {
            now.generation == document.generation && now.state == State::Indexing
        }),
    )
}

/// Reads, cuts, and makes what it is found by; answers the document with what was found in it, or none if it is not
/// wanted any more.
async fn index(
    work: &Work<About>,
    document: &Document,
) -> Result<Option<(Document, Index)>, Failure> {
    work.report(0.01, "reading").await?;
    let library = LIBRARIES
        .get(document.library_id.as_str())
        .await
        .map_err(Error::from)?;
    let Some(library) = library else {
        return Ok(None);
    };
    let Read { head, layout } = reading::read(document, &library).await?;
    // What it is, whatever its name says.
    let document = &Document {
        format: head.format,
        content_type: head.format.content_type().to_owned(),
        ..document.clone()
    };
    let generation = document.generation;
    let json = "application/x-ndjson";
    let outline = layout.outline().map_err(Error::internal)?;
    blobs::put(&document.blocks(generation), json, Body::from(outline)).await?;
    let tables = layout.tabled().map_err(Error::internal)?;
    blobs::put(&document.tables(generation), json, Body::from(tables)).await?;
    let text = Body::from(bytes::Bytes::from(layout.text.clone()));
    blobs::put(
        &document.text(generation),
        "text/plain; charset=utf-8",
        text,
    )
    .await?;
    if !is_wanted(document).await? {
        return Ok(None);
    }
    work.report(READ, "cutting into passages").await?;
    let index = embedding::current().await?;
    let room = embedding::default()
        .await?
        .and_then(|embedder| embedder.room);
    let sizes = Sizes::of(
        library.settings.chunk_tokens,
        room.filter(|_| index.model.is_some()),
    );
    let cut = cut(&layout, sizes, index.model.as_deref()).await?;
    let language = head.language.clone().or(library.settings.language);
    let language = language.unwrap_or_else(|| Language::guess(&layout.text).tag().to_owned());
    if !fill(work, document, &index, &layout.text, &cut, &language).await? {
        return Ok(None);
    }
    let found = Found {
        title: head.title,
        author: head.author,
        language: Some(language),
        pages: head.pages,
        note: head.note,
        unread: head.unread,
        characters: layout.characters(),
        chunks: count(cut.len()),
        tables: count(layout.tables.len()),
    };
    let document = Document {
        found,
        ..document.clone()
    };
    Ok(Some((document, index)))
}

/// Cuts a document into chunks, with the tokens as the model counts them.
async fn cut(layout: &Layout, sizes: Sizes, model: Option<&str>) -> Result<Vec<Chunk>> {
    let mut pieces = chunking::pieces(layout);
    let mut known: Vec<Option<u32>> = vec![None; pieces.len()];
    loop {
        let texts = pieces.iter().map(|piece| &layout.text[piece.bytes.clone()]);
        let unknown = texts.zip(&known).filter(|(_, known)| known.is_none());
        let unknown: Vec<&str> = unknown.map(|(text, _)| text).collect();
        let mut counted = counts(&unknown, model).await?.into_iter();
        let counts: Vec<u32> = known
            .iter()
            .map(|known| known.or_else(|| counted.next()).unwrap_or(0))
            .collect();
        let before = pieces.len();
        (pieces, known) = chunking::halved(layout, pieces, &counts, sizes);
        if pieces.len() == before {
            return Ok(chunking::chunks(layout, &pieces, &counts, sizes));
        }
    }
}

/// How many tokens each text has.
async fn counts(texts: &[&str], model: Option<&str>) -> Result<Vec<u32>> {
    let Some(model) = model else {
        return Ok(texts.iter().map(|text| estimate(text)).collect());
    };
    let mut counts = Vec::with_capacity(texts.len());
    for part in batches(texts, 1000) {
        let part = part.iter().map(|text| (*text).to_owned()).collect();
        counts.extend(inference::count_tokens(Some(model), part).await?);
    }
    Ok(counts)
}

/// So many texts at once, and not too many bytes.
fn batches<'a>(texts: &'a [&'a str], most: usize) -> impl Iterator<Item = &'a [&'a str]> {
    let mut rest = texts;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fit = rest.iter().take(most).take_while(|text| {
            bytes += text.len();
            bytes <= BYTES_AT_ONCE
        });
        let (part, others) = rest.split_at(fit.count().max(1).min(rest.len()));
        rest = others;
        (!part.is_empty()).then_some(part)
    })
}

/// Puts the chunks where they are found, those that are not there yet; false if they are not wanted any more.
async fn fill(
    work: &Work<About>,
    document: &Document,
    index: &Index,
    text: &str,
    cut: &[Chunk],
    language: &str,
) -> Result<bool, Failure> {
    let (id, generation) = (&document.id, document.generation);
    let there = vectors::count(&index.collection, chunks::of_generation(id, generation)).await?;
    // They are put in order, so the first that are there are whole.
    let there = usize::try_from(there).unwrap_or(0) / AT_ONCE * AT_ONCE;
    let all = cut.len();
    let mut done = there.min(all);
    for batch in cut.get(done..).unwrap_or_default().chunks(AT_ONCE) {
        let filled: Vec<Filled> = (done..)
            .zip(batch)
            .map(|(number, chunk)| Filled::of(document, count(number), chunk, text, language))
            .collect();
        let made = match &index.model {
            None => Vec::new(),
            Some(model) => {
                let texts = filled.iter().map(Filled::searched).collect();
                embedding::vectors_of(model, texts).await?
            }
        };
        let mut made = made.into_iter();
        let points = filled.iter().map(|chunk| chunk.point(made.next()));
        vectors::upsert(&index.collection, points.collect::<Result<_>>()?).await?;
        done += batch.len();
        let so_far = READ + (1.0 - READ) * fraction(done as u64, all as u64);
        let words = format!("{done} of {all} passages");
        if !work.report(so_far.min(0.99), words).await? || !is_wanted(document).await? {
            return Ok(false);
        }
    }
    chunks::forget_behind(&index.collection, id, generation, count(all)).await?;
    Ok(true)
}

/// It is found from now on; false if it is not wanted any more.
async fn finish(document: &Document, index: &Index) -> Result<bool> {
    let now = time::now();
    let still = json!({"_id": document.id, "generation": document.generation, "state": "indexing"});
    let change = json!({
        "$set": {
            "state": "ready", "error": null, "found": document.found, "indexed": document.generation,
            "format": document.format, "content_type": document.content_type, "collections": [index.collection], "indexed_at": now, "updated_at": now,
        },
        "$inc": {"version": 1},
    });
    let change = Transaction::new().update_one(&DOCUMENTS, still, change);
    match notices::ready(change, document).commit().await {
        Ok(_) => {
            metrics::count("documents_indexed_total", &[("outcome", "ready")]).await;
            // If another model is the default meanwhile, it follows now.
            embedding::current().await?;
            Ok(true)
        }
        Err(DocumentsError::PreconditionFailed(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// It is not found, and says why. What was found of it before stays.
async fn fail(document: &Document, sentence: String) -> Result<()> {
    let about = About {
        document_id: document.id.clone(),
        generation: document.generation,
    };
    let still = json!({"_id": document.id, "generation": document.generation, "state": "indexing"});
    let change = json!({
        "$set": {"state": "failed", "error": sentence, "updated_at": time::now()},
        "$inc": {"version": 1},
    });
    let change = Transaction::new().update_one(&DOCUMENTS, still, change);
    match notices::failed(change, document, &sentence).commit().await {
        Ok(_) => metrics::count("documents_indexed_total", &[("outcome", "failed")]).await,
        Err(DocumentsError::PreconditionFailed(_)) => {}
        Err(error) => return Err(error.into()),
    }
    give_up(&about).await?;
    Err(Error::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "UNREADABLE",
        sentence,
    ))
}

/// Leaves nothing of this generation.
async fn give_up(about: &About) -> Result<()> {
    let document = DOCUMENTS.get(about.document_id.as_str()).await?;
    if document.is_some_and(|document| document.indexed == Some(about.generation)) {
        return Ok(());
    }
    chunks::forget_generation(&about.document_id, about.generation).await?;
    let folder = folder(&about.document_id);
    for what in ["text", "blocks", "tables"] {
        blobs::delete(&format!("{folder}{what}-{}", about.generation)).await?;
    }
    Ok(())
}

/// Leaves nothing of the generations before.
async fn clear(document: &Document) -> Result<()> {
    let generation = document.generation;
    chunks::forget_others(&document.id, generation).await?;
    let own = [
        document.original(),
        document.text(generation),
        document.blocks(generation),
        document.tables(generation),
    ];
    let mut cursor = None;
    loop {
        let page = blobs::list(&document.folder(), cursor, 100).await?;
        let others = page.blobs.into_iter().map(|blob| blob.name);
        for name in others.filter(|name| !own.contains(name)) {
            blobs::delete(&name).await?;
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::store::DOCUMENTS as KEPT;
    use crate::tests::{
        DOCUMENTS, GARDEN, app, passages, passages_of, search, send, texts, upload,
    };
    use sbd_sdk::Principal;
    use sbd_sdk::tasks::State as Is;
    use sbd_sdk::testing::App;

    fn host_index(app: &App, id: &str, generation: u32) -> sbd_sdk::testing::Reply {
        let about = json!({"document_id": id, "generation": generation});
        app.by(Principal::service("test", "knowledge"))
            .task(INDEX, about)
    }

    #[test]
    fn what_cannot_be_read_says_why_in_a_sentence() {
        let app = app();
        let ada = app.signed_in("usr_1");
        for (text, why) in [
            ("TRAPS", "damaged, or more than the parser"),
            ("REFUSED", "password"),
            ("NONSENSE", "cannot be read"),
            ("CUT off", "cannot be read"),
            ("SCANNED", "Tesseract"),
            ("\u{c}\u{c}", "no text"),
        ] {
            let id = upload(&app, &ada, "a.md", text);
            let failed = ada.get(&format!("{DOCUMENTS}/{id}")).assert_status(200);
            assert_eq!(failed["state"], "failed", "{text}");
            assert!(
                failed.text("error").contains(why),
                "{}",
                failed.text("error")
            );
            // Once is enough where it would fail again.
            let task = app.enqueued().into_iter().last().unwrap();
            assert_eq!((task.state, task.attempts), (Is::Failed, 1));
        }
        assert_eq!(passages(&app), 0);
        let told = app.published().into_iter();
        assert_eq!(
            told.filter(|event| event.kind == "document.failed").count(),
            6
        );
        assert_eq!(
            app.counted("documents_indexed_total", &[("outcome", "failed")]),
            6
        );
    }

    #[test]
    fn what_may_help_is_tried_again() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let id = upload(&app, &ada, "a.md", "BUSY");
        let path = format!("{DOCUMENTS}/{id}");
        assert_eq!(ada.get(&path)["state"], "indexing");
        for _ in 0..RETRIES {
            app.advance(Duration::from_secs(24 * 60 * 60));
            app.run_tasks();
        }
        let failed = ada.get(&path);
        assert_eq!(failed["state"], "failed");
        assert!(failed.text("error").contains("index it again"));
        assert_eq!(app.enqueued()[0].attempts, RETRIES + 1);
    }

    #[test]
    fn where_there_is_no_room_it_says_so() {
        let app = app();
        let ada = app.signed_in("usr_1");
        app.fill(true);
        send(&ada, "name=a.md", GARDEN).assert_refused(507, "STORAGE_FULL");
        assert_eq!((app.blobs().len(), app.blobs_begun()), (0, 0));
        app.fill(false);
        let taken = send(&ada, "name=a.md", GARDEN).assert_status(202);
        app.fill(true);
        app.run_tasks();
        let path = format!("{DOCUMENTS}/{}", taken.text("id"));
        let failed = ada.get(&path);
        assert_eq!(failed["state"], "failed");
        assert!(
            failed.text("error").contains("room"),
            "{}",
            failed.text("error")
        );
        app.fill(false);
        ada.post(&format!("{path}/index"), json!(null))
            .assert_status(202);
        app.run_tasks();
        assert_eq!(ada.get(&path)["state"], "ready");
    }

    #[test]
    fn pages_without_text_are_named_and_the_rest_is_found() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let id = upload(
            &app,
            &ada,
            "a.md",
            "Roses bloom.\n\n\u{c}SCANNED\u{c}Tulips too.",
        );
        let document = ada.get(&format!("{DOCUMENTS}/{id}"));
        assert_eq!(
            (&document["state"], &document["unread"][0]["page"]),
            (&json!("ready"), &json!(2))
        );
        assert_eq!(
            texts(&search(&ada, json!({"query": "tulips"}))),
            ["Tulips too."]
        );
    }

    #[test]
    fn it_goes_on_where_it_was() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let long: String = (0..400)
            .map(|n| format!("# Part {n}\n\nThe number {n} has a part of its own.\n\n"))
            .collect();
        let taken = send(&ada, "name=a.md", &long).assert_status(202);
        let id = taken.text("id");
        app.run_tasks();
        assert_eq!(passages_of(&app, id, 1), 400);
        // It was cut off in the middle of a batch, before the end was written.
        let missing: Vec<_> = (390..400)
            .map(|number| format!("{id}/1/{number}"))
            .collect();
        app.run(async {
            let set = json!({"$set": {"state": "indexing", "indexed": null}});
            KEPT.update_one(json!({"_id": id}), set).await.unwrap();
            let filter = vectors::Filter::new().must(vectors::Condition::ids(missing));
            vectors::delete("chunks", filter).await.unwrap();
        });
        host_index(&app, id, 1).assert_status(200);
        assert_eq!(ada.get(&format!("{DOCUMENTS}/{id}"))["state"], "ready");
        assert_eq!(passages_of(&app, id, 1), 400);
    }

    #[test]
    fn what_is_indexed_once_more_replaces_what_was() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let id = upload(&app, &ada, "a.md", GARDEN);
        let path = format!("{DOCUMENTS}/{id}");
        let before = passages(&app);
        let again = ada
            .post(&format!("{path}/index"), json!(null))
            .assert_status(202);
        assert_eq!(again["state"], "queued");
        // What was found stays until it is done.
        assert_eq!(
            texts(&search(&ada, json!({"query": "apple cake"}))).len(),
            1
        );
        app.run_tasks();
        assert_eq!(ada.get(&path)["state"], "ready");
        assert_eq!(
            texts(&search(&ada, json!({"query": "apple cake"}))).len(),
            1
        );
        assert_eq!((passages(&app), passages_of(&app, &id, 1)), (before, 0));
        assert_eq!(app.blobs().len(), 4);
    }

    #[test]
    fn of_two_at_once_the_later_counts() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let id = upload(&app, &ada, "a.md", GARDEN);
        let path = format!("{DOCUMENTS}/{id}");
        for _ in 0..2 {
            ada.post(&format!("{path}/index"), json!(null))
                .assert_status(202);
        }
        app.run_tasks();
        assert_eq!(ada.get(&path)["state"], "ready");
        for (generation, there) in [(1, false), (2, false), (3, true)] {
            assert_eq!(
                passages_of(&app, &id, generation) > 0,
                there,
                "{generation}"
            );
        }
        // An old task that comes late changes nothing.
        host_index(&app, &id, 2).assert_status(200);
        host_index(&app, &id, 3).assert_status(200);
        assert_eq!((passages_of(&app, &id, 2), app.blobs().len()), (0, 4));
        assert!(passages_of(&app, &id, 3) > 0);
    }

    #[test]
    fn what_was_forgotten_is_queued_again() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let taken = send(&ada, "name=a.md", GARDEN).assert_status(202);
        app.run(sbd_sdk::tasks::cancel(taken.text("task_id")))
            .unwrap();
        app.advance(FORGOTTEN + Duration::from_secs(1));
        app.by(Principal::service("test", "knowledge"))
            .tick("sweep")
            .assert_status(200);
        app.run_tasks();
        let path = format!("{DOCUMENTS}/{}", taken.text("id"));
        assert_eq!(ada.get(&path)["state"], "ready");
    }
}
