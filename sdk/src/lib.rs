//! Write a Second Brain component: operations over `wasi:http` that describe themselves, the caller,
//! typed collections, one form of error.
//!
//! A component is a `cdylib` crate for `wasm32-wasip2`. What it offers is one value, and each operation
//! one declaration: route, permission, schema and description together. The rules live in modules of
//! plain functions.
//!
//! ```
//! use sbd_sdk::{Caller, Component, Created, Error, Json, Listing, Path, Result, operation};
//! use sbd_sdk::{documents::Collection, paging::Page};
//! use serde::{Deserialize, Serialize};
//! use serde_json::json;
//! use utoipa::ToSchema;
//!
//! sbd_sdk::id!(NoteId, "not", "note");
//!
//! const NOTES: Collection<Note> = Collection::new("notes");
//!
//! #[derive(Serialize, Deserialize, ToSchema)]
//! struct Note { #[serde(rename = "_id")] id: NoteId, owner: String, text: String }
//!
//! #[derive(Deserialize, ToSchema)]
//! #[serde(deny_unknown_fields)]
//! struct NewNote { text: String }
//!
//! /// Keeps a note.
//! #[operation(post "/api/v1/notes", permission = "notes:write")]
//! async fn create_note(caller: Caller, Json(new): Json<NewNote>) -> Result<Created<Note>> {
//!     let note = Note { id: NoteId::new(), owner: caller.user.to_string(), text: new.text };
//!     NOTES.insert(&note).await?;
//!     Created::at(&format!("/api/v1/notes/{}", note.id), &note)
//! }
//!
//! /// Lists one's notes.
//! #[operation(get "/api/v1/notes", permission = "notes:read")]
//! async fn list_notes(caller: Caller, listing: Listing) -> Result<Json<Page<Note>>> {
//!     NOTES.find(json!({"owner": caller.user})).page(&listing).await.map(Json)
//! }
//!
//! /// Reads a note of one's own.
//! #[operation(get "/api/v1/notes/{id}", permission = "notes:read", refuses(not_found))]
//! async fn get_note(caller: Caller, Path(id): Path<NoteId>) -> Result<Json<Note>> {
//!     let note = NOTES.find_one(json!({"_id": id, "owner": caller.user})).await?;
//!     note.map(Json).ok_or_else(|| Error::not_found("note"))
//! }
//!
//! fn component() -> Component {
//!     Component::new().operations("notes", [create_note(), list_notes(), get_note()])
//! }
//!
//! sbd_sdk::component!(component);
//!
//! // Tests need no WebAssembly, only a host in memory.
//! let app = sbd_sdk::testing::App::new(component()).collection("notes");
//! let ada = app.signed_in("usr_1");
//! let note = ada.post("/api/v1/notes", json!({"text": "Tea"})).assert_status(201);
//! let address = note.header("location").unwrap();
//! assert_eq!(ada.get(address).assert_status(200)["text"], "Tea");
//! app.signed_in("usr_2").get(address).assert_refused(404, "NOT_FOUND");
//! sbd_sdk::testing::assert_described(component());
//! ```
//!
//! Beside operations, `#[on_event]`, `#[task]`, `#[schedule]` and `#[channels]` make handlers of what the
//! host asks for. What goes to standard output and error is the component's log; the host adds tenant,
//! component and request id.

#![deny(missing_docs)]

// The attributes name this crate by its name, in its own tests too.
extern crate self as sbd_sdk;

mod answer;
mod app;
pub mod audit;
mod bindings;
pub mod blobs;
pub mod cache;
mod call;
mod caller;
pub mod channels;
mod component;
pub mod config;
mod constraints;
mod context;
pub mod csv;
pub mod documents;
pub mod download;
mod error;
pub mod etag;
pub mod events;
mod extract;
pub mod features;
pub mod id;
pub mod idempotency;
pub mod inference;
mod key;
pub mod keys;
pub mod keyvalue;
mod listing;
pub mod mail;
pub mod metrics;
pub mod ocr;
pub mod openapi;
mod operation;
pub mod paging;
pub mod passwords;
pub mod realtime;
pub mod schedules;
pub mod tasks;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod text;
pub mod time;
mod tokens;
pub mod vault;
pub mod vectors;

pub use answer::{Answer, Created, NoContent, NoStore, Tagged};
pub use app::App;
pub use call::{call, read_json, send};
pub use caller::{By, Caller, RequestId, Tenant};
pub use component::Component;
pub use documents::DocumentsError;
pub use error::{Detail, Error, ErrorBody, ErrorContent, Result};
pub use extract::{Json, Path, Query, from_json};
pub use idempotency::Idempotency;
pub use key::Key;
pub use listing::{ById, Listing, Sort, Unfiltered};
pub use openapi::{About, BEARER};
pub use operation::Operation;
pub use sbd_contract::{Principal, Scopes, authentication, header, path, session_cookie};
pub use sbd_sdk_macros::{channels, on_event, operation, schedule, task};
pub use tokens::Tokens;

#[doc(hidden)]
pub use {axum, http, serde, utoipa, wasip3};
