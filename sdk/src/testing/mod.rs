//! Tests of a component without WebAssembly: its handlers run in `cargo test`, over a host that keeps
//! everything in memory.
//!
//! ```
//! # use sbd_sdk::{Caller, Component, Json, Listing, Result, documents::Collection, operation, paging::Page};
//! # use sbd_sdk::{Created, id}; use serde::{Deserialize, Serialize}; use serde_json::json;
//! # id!(NoteId, "not", "note");
//! # #[derive(Serialize, Deserialize, utoipa::ToSchema)] struct Note { #[serde(rename = "_id")] id: NoteId, text: String }
//! # #[derive(Deserialize, utoipa::ToSchema)] struct New { text: String }
//! # const NOTES: Collection<Note> = Collection::new("notes");
//! # #[operation(post "/api/v1/notes", permission = "notes:write")]
//! # async fn create_note(_: Caller, Json(new): Json<New>) -> Result<Created<Note>> {
//! #     let note = Note { id: NoteId::new(), text: new.text };
//! #     NOTES.insert(&note).await?;
//! #     Created::at("/api/v1/notes/1", &note)
//! # }
//! # #[operation(get "/api/v1/notes", permission = "notes:read")]
//! # async fn list_notes(_: Caller, listing: Listing) -> Result<Json<Page<Note>>> {
//! #     NOTES.find(json!({})).page(&listing).await.map(Json)
//! # }
//! # fn component() -> Component { Component::new().operations("notes", [create_note(), list_notes()]) }
//! let app = sbd_sdk::testing::App::new(component()).collection("notes");
//! let ada = app.signed_in("usr_1");
//! let note = ada.post("/api/v1/notes", json!({"text": "Tea"})).assert_status(201);
//! assert_eq!(note["text"], "Tea");
//! let notes = ada.get("/api/v1/notes").assert_status(200);
//! assert_eq!(notes["total"], 1);
//! app.anonymous().get("/api/v1/notes").assert_refused(401, "UNAUTHENTICATED");
//! ```
//!
//! Documents mean what they mean to the host: it is the same query language, with the unique indexes
//! that `spin.toml` declares. Permissions are the host's to check, and are not checked here.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod app;
pub(crate) mod audit;
pub(crate) mod blobs;
pub(crate) mod cache;
mod client;
pub(crate) mod config;
mod constraints;
mod described;
pub(crate) mod documents;
pub(crate) mod events;
pub(crate) mod features;
pub(crate) mod inference;
pub(crate) mod keys;
pub(crate) mod keyvalue;
pub(crate) mod mail;
pub(crate) mod metrics;
pub(crate) mod ocr;
pub(crate) mod outbound;
pub(crate) mod passwords;
pub(crate) mod realtime;
pub(crate) mod schedules;
pub(crate) mod tasks;
pub(crate) mod vault;
pub(crate) mod vectors;
mod world;

pub use app::App;
pub use client::{Client, Reply};
pub use constraints::assert_constraints;
pub use described::assert_described;
pub use documents::{Published, Recorded};
pub use mail::Mail;
pub use outbound::Call;
pub use realtime::Said;
pub use tasks::Enqueued;

/// The present of the test that is running, in milliseconds since 1970.
pub(crate) fn now() -> Option<i64> {
    world::current().map(|world| world.now.get())
}
