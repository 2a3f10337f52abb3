//! What tests of this component have in common: its neighbours, and documents.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use crate::chunks;
use crate::embedding;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use document::{Block, Content, Document, Format, Place, Reason, Table, Unread, lines};
use http::{StatusCode, Uri, header};
use sbd_sdk::testing::{App, Call, Client, Reply, assert_constraints, assert_described};
use sbd_sdk::vectors::{self, Filter};
use sbd_sdk::{Component, Error, Principal};
use serde_json::{Value, json};
use std::cell::RefCell;

pub(crate) const DOCUMENTS: &str = "/api/v1/documents";
pub(crate) const LIBRARIES: &str = "/api/v1/libraries";
pub(crate) const FAMILY: &str = "fam_019a2f3c8b7e7c2d9f00112233445566";
pub(crate) const WORKSPACE: &str = "wsp_019a2f3c8b7e7c2d9f00112233445566";

/// A document with headings, sentences and a table, on two pages.
pub(crate) const GARDEN: &str = "# The garden\n\nThe gate opens at nine in the morning. Dogs are welcome on a lead.\n\n## Prices\n\n| Ticket | Price |\n| Adults | 12 EUR |\n| Children | 5 EUR |\n\n\u{c}\n\n# The café\n\nThe café sells apple cake in October. It closes at six.";

thread_local! {
    static NOTE: RefCell<Option<Value>> = const { RefCell::new(None) };
    static MEMBERS: RefCell<Vec<(String, &'static str)>> = const { RefCell::new(Vec::new()) };
    static WORKERS: RefCell<Vec<(String, Vec<&'static str>)>> = const { RefCell::new(Vec::new()) };
}

/// The component with its own manifest, beside a parser that reads the plainest Markdown, and a family of which
/// [`belongs`] says who is what in it, and a workspace of which [`works`] does.
pub(crate) fn app() -> App {
    MEMBERS.take();
    WORKERS.take();
    NOTE.take();
    let parser = Component::new()
        .route("/parse", post(parse))
        .route("/draw", post(async || b"\x89PNG".as_slice()));
    let parser = App::new(parser);
    let app = App::new(super::component()).manifest(include_str!("../spin.toml"));
    app.on_call(answer);
    app.with_neighbour("parser", parser)
}

/// From now on a user may this in the workspace, or is nothing in it.
pub(crate) fn works(user: &str, permissions: Option<&[&'static str]>) {
    WORKERS.with_borrow_mut(|workers| {
        workers.retain(|(worker, _)| worker != user);
        workers.extend(permissions.map(|may| (user.to_owned(), may.to_vec())));
    });
}

/// From now on a user is this in the family, or nothing.
pub(crate) fn belongs(user: &str, role: Option<&'static str>) {
    MEMBERS.with_borrow_mut(|members| {
        members.retain(|(member, _)| member != user);
        members.extend(role.map(|role| (user.to_owned(), role)));
    });
}

/// From now on the one note that there is says this, or cannot be read.
pub(crate) fn notes_say(note: Option<Value>) {
    NOTE.set(note);
}

/// Uploads a document, and lets it be read.
pub(crate) fn upload(app: &App, by: &Client<'_>, name: &str, text: &str) -> String {
    let taken = send(by, &format!("name={name}"), text).assert_status(202);
    app.run_tasks();
    taken.text("id").to_owned()
}

/// Uploads a document.
pub(crate) fn send(by: &Client<'_>, query: &str, text: &str) -> Reply {
    let path = format!("{DOCUMENTS}?{query}");
    by.upload("POST", &path, "application/octet-stream", text.to_owned())
}

/// How many passages there are, of all documents in all collections.
pub(crate) fn passages(app: &App) -> u64 {
    app.run(async {
        let mut all = 0;
        for collection in embedding::collections().await.unwrap() {
            all += vectors::count(&collection, Filter::new()).await.unwrap();
        }
        all
    })
}

/// How many passages a document has in a generation.
pub(crate) fn passages_of(app: &App, id: &str, generation: u32) -> u64 {
    app.run(async {
        let index = embedding::current().await.unwrap();
        let filter = chunks::of_generation(&id.parse().unwrap(), generation);
        vectors::count(&index.collection, filter).await.unwrap()
    })
}

/// Looks for passages.
pub(crate) fn search(by: &Client<'_>, body: Value) -> Reply {
    by.post("/api/v1/search", body).assert_status(200)
}

/// The texts that were found.
pub(crate) fn texts(found: &Reply) -> Vec<&str> {
    let items = found["items"].as_array().unwrap().iter();
    items.map(|item| item["text"].as_str().unwrap()).collect()
}

/// What stands in a document at a citation or a passage.
pub(crate) fn there(by: &Client<'_>, citation: &Value) -> String {
    let id = citation["document_id"].as_str().unwrap();
    let text = by.get(&format!("{DOCUMENTS}/{id}/text")).assert_status(200);
    let text = String::from_utf8(text.bytes().to_vec()).unwrap();
    let place = |end: &str| usize::try_from(citation["span"][end].as_u64().unwrap()).unwrap();
    let (start, end) = (place("start"), place("end"));
    text.chars().skip(start).take(end - start).collect()
}

/// What `family` and `workspace` answer: what a caller is in the one of each there is; and `notes`.
fn answer(call: &Call) -> (u16, Value) {
    let none = json!({"error": {"code": "NOT_FOUND", "message": "there is no such thing"}});
    if call.to == "notes" {
        return NOTE.with_borrow(|note| note.clone().map_or((404, none), |note| (200, note)));
    }
    let caller = call.headers.get(sbd_sdk::header::CALLER);
    let user = caller
        .and_then(Principal::from_header)
        .unwrap()
        .user
        .unwrap();
    let own = match call.to.as_str() {
        "family" => MEMBERS.with_borrow(|members| {
            let own = members.iter().find(|(member, _)| **member == *user);
            own.map(|(_, role)| json!({"id": FAMILY, "name": "Lovelace", "role": role}))
        }),
        "workspace" => WORKERS.with_borrow(|workers| {
            let own = workers.iter().find(|(worker, _)| **worker == *user);
            own.map(|(_, may)| {
                json!({"id": WORKSPACE, "role": "x", "permissions": may, "archived_at": null})
            })
        }),
        other => panic!("nobody calls {other}"),
    };
    match (call.path.as_str(), own) {
        (path, own) if path.contains("?per_page=") => {
            let items: Vec<_> = own.into_iter().collect();
            (200, json!({"items": items, "total": items.len()}))
        }
        (path, Some(own)) if path.ends_with(FAMILY) || path.ends_with(WORKSPACE) => (200, own),
        _ => (404, none),
    }
}

/// A parser for tests: headings, tables, paragraphs, and form feeds between pages. What begins with a word in capitals
/// fails in that way.
async fn parse(uri: Uri, body: Bytes) -> sbd_sdk::Result<Response> {
    let text = String::from_utf8_lossy(&body);
    let answer = |lines: String| ([(header::CONTENT_TYPE, lines::CONTENT_TYPE)], lines);
    match text.split_whitespace().next() {
        Some("TRAPS") => return Err(Error::internal("it trapped")),
        Some("REFUSED") => {
            return Err(Error::validation(
                "body",
                "it has a password; take that off",
            ));
        }
        Some("BUSY") => return Err(Error::overloaded("the parser is busy", 1)),
        Some("NONSENSE") => return Ok((StatusCode::OK, "nonsense").into_response()),
        Some("CUT") => {
            let mut head = Document::new(Format::Text);
            head.blocks = 7;
            return Ok(answer(lines::first(&head).unwrap()).into_response());
        }
        _ => {}
    }
    let extension = uri.query().unwrap_or_default().rsplit("%2E").next();
    let format = extension.and_then(Format::of_extension);
    let mut head = Document::new(format.unwrap_or(Format::Text));
    let mut blocks = Vec::new();
    for (page, text) in (1..).zip(text.split('\u{c}')) {
        head.pages = Some(page);
        for part in text
            .split("\n\n")
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            if part == "SCANNED" {
                let why = format!("page {page} is a picture of text; install Tesseract");
                head.unread
                    .push(Unread::at(Place::Page(page), Reason::Scanned, why));
                continue;
            }
            blocks.push(Block {
                place: Place::Page(page),
                content: content(part),
            });
        }
    }
    head.blocks = blocks.len();
    let first = lines::first(&head).unwrap();
    let rest = blocks.iter().map(|block| lines::next(block).unwrap());
    Ok(answer(std::iter::once(first).chain(rest).collect()).into_response())
}

fn content(part: &str) -> Content {
    let level = part.chars().take_while(|c| *c == '#').count();
    if level > 0 {
        return Content::Heading {
            level: u8::try_from(level).unwrap(),
            text: part.trim_start_matches('#').trim().to_owned(),
        };
    }
    if !part.starts_with('|') {
        return Content::Paragraph {
            text: part.to_owned(),
        };
    }
    let cells = |line: &str| {
        let line = line.trim().trim_matches('|').split('|');
        line.map(|cell| cell.trim().to_owned()).collect()
    };
    let mut rows = part.lines().map(cells);
    Content::Table(Table {
        caption: None,
        header: rows.next().unwrap(),
        rows: rows.collect(),
        continued: false,
    })
}

#[test]
fn every_operation_is_described() {
    assert_described(super::component());
}

#[test]
fn every_constraint_is_kept() {
    assert_constraints(&app().signed_in("usr_1"));
}

/// What every user may do with what is not theirs: nothing, and they do not even learn that it is there.
#[test]
fn to_strangers_nothing_is_there() {
    let app = app();
    let (ada, eve) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
    let document = format!("{DOCUMENTS}/{}", upload(&app, &ada, "garden.md", GARDEN));
    let library = ada.get(LIBRARIES)["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let library = format!("{LIBRARIES}/{library}");
    let thread = ada.post("/api/v1/threads", json!({})).assert_status(201);
    let thread = format!("/api/v1/threads/{}", thread.text("id"));
    for path in [
        library.clone(),
        document.clone(),
        format!("{document}/content"),
        format!("{document}/text"),
        format!("{document}/blocks"),
        format!("{document}/tables"),
        format!("{document}/tables/1"),
        thread.clone(),
        format!("{thread}/messages"),
        format!("{thread}/export"),
    ] {
        ada.get(&path).assert_status(200);
        eve.get(&path).assert_refused(404, "NOT_FOUND");
        app.anonymous()
            .get(&path)
            .assert_refused(401, "UNAUTHENTICATED");
    }
    let id = library.rsplit('/').next().unwrap();
    let name = json!({"name": "Mine"});
    eve.put(&library, name.clone())
        .assert_refused(404, "NOT_FOUND");
    eve.delete(&library).assert_refused(404, "NOT_FOUND");
    eve.patch(&document, name).assert_refused(404, "NOT_FOUND");
    eve.delete(&document).assert_refused(404, "NOT_FOUND");
    eve.post(&format!("{document}/index"), json!(null))
        .assert_refused(404, "NOT_FOUND");
    send(&eve, &format!("name=a.txt&library_id={id}"), "a").assert_refused(404, "NOT_FOUND");
    eve.put(&thread, json!({"title": "Mine"}))
        .assert_refused(404, "NOT_FOUND");
    eve.delete(&thread).assert_refused(404, "NOT_FOUND");
    assert_eq!(
        (&eve.get(LIBRARIES)["total"], &eve.get(DOCUMENTS)["total"]),
        (&json!(0), &json!(0))
    );
    // Nor by search: it is no hit that is left out, it is not looked for.
    let found = search(&eve, json!({"query": "gate opens", "explain": true}));
    assert_eq!(
        (texts(&found).len(), &found["explain"]["passages"]),
        (0, &json!(0))
    );
    for body in [
        json!({"query": "gate", "filter": {"library_ids": [id]}}),
        json!({"question": "When?", "filter": {"library_ids": [id]}}),
    ] {
        let path = if body["query"].is_string() {
            "/api/v1/search"
        } else {
            "/api/v1/ask"
        };
        eve.post(path, body).assert_refused(404, "NOT_FOUND");
    }
    let document_id = document.rsplit('/').next().unwrap();
    let found = search(
        &eve,
        json!({"query": "gate", "filter": {"document_ids": [document_id]}}),
    );
    assert!(texts(&found).is_empty());
    let asked = eve.post(
        "/api/v1/ask",
        json!({"question": "When does the gate open?"}),
    );
    assert_eq!(asked.assert_status(200)["answered"], false);
    let in_thread = json!({"question": "When?", "thread_id": thread.rsplit('/').next().unwrap()});
    eve.post("/api/v1/ask", in_thread)
        .assert_refused(404, "NOT_FOUND");
}
