//! Write a Second Brain component: an axum router over `wasi:http`, the caller, typed collections,
//! one form of error.
//!
//! A component is a `cdylib` crate for `wasm32-wasip2`. Its `lib.rs` is a router, and the rules live
//! in modules of plain functions that are tested natively:
//!
//! ```
//! use sbd_sdk::documents::Collection;
//! use sbd_sdk::{Answer, Caller, Error, Json, Path, Result, id};
//! use serde::{Deserialize, Serialize};
//! use utoipa::ToSchema;
//! use utoipa_axum::{router::OpenApiRouter, routes};
//!
//! const NOTES: Collection<Note> = Collection::new("notes");
//!
//! #[derive(Serialize, Deserialize, ToSchema)]
//! struct Note { #[serde(rename = "_id")] id: String, owner: String, text: String }
//!
//! #[derive(Deserialize, ToSchema)]
//! #[serde(deny_unknown_fields)]
//! struct NewNote { text: String }
//!
//! /// Keeps a note.
//! #[utoipa::path(post, path = "/api/v1/notes", responses((status = 201, body = Note)), security(("bearer" = [])))]
//! async fn create(caller: Caller, Json(new): Json<NewNote>) -> Result<Answer> {
//!     let note = Note { id: id::new("not"), owner: caller.user, text: new.text };
//!     NOTES.insert(&note).await?;
//!     Answer::created(&format!("/api/v1/notes/{}", note.id), &note)
//! }
//!
//! /// Reads a note of one's own.
//! #[utoipa::path(get, path = "/api/v1/notes/{id}", responses((status = 200, body = Note)), security(("bearer" = [])))]
//! async fn read(caller: Caller, Path(id): Path<String>) -> Result<Json<Note>> {
//!     let note = NOTES.get(&id).await?.filter(|note| note.owner == caller.user);
//!     note.map(Json).ok_or_else(|| Error::not_found("note"))
//! }
//!
//! fn router() -> OpenApiRouter {
//!     OpenApiRouter::new().routes(routes!(create)).routes(routes!(read))
//! }
//!
//! sbd_sdk::component!(router);
//! ```
//!
//! What goes to standard output and error is the component's log; the host adds tenant, component
//! and request id.

#![deny(missing_docs)]

// The attributes name this crate by its name, in its own tests too.
extern crate self as sbd_sdk;

mod answer;
mod app;
mod bindings;
pub mod cache;
mod call;
mod caller;
pub mod channels;
mod component;
pub mod config;
mod context;
pub mod documents;
mod error;
pub mod etag;
pub mod events;
mod extract;
pub mod features;
pub mod id;
pub mod idempotency;
pub mod keys;
pub mod keyvalue;
mod listing;
pub mod openapi;
mod operation;
pub mod paging;
pub mod passwords;
pub mod schedules;
pub mod tasks;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod time;

pub use answer::{Answer, Created, NoContent, NoStore, Tagged};
pub use app::App;
pub use call::{call, read_json, send};
pub use caller::{By, Caller, RequestId, Tenant};
pub use component::Component;
pub use documents::DocumentsError;
pub use error::{Detail, Error, ErrorBody, ErrorContent, Result};
pub use extract::{Json, Path, Query, from_json};
pub use idempotency::Idempotency;
pub use listing::{ById, Listing, Sort, Unfiltered};
pub use openapi::{About, BEARER};
pub use operation::Operation;
pub use sbd_contract::{Principal, Scopes, authentication, header, path};
pub use sbd_sdk_macros::{channels, on_event, operation, schedule, task};

#[doc(hidden)]
pub use {axum, http, serde, utoipa, wasip3};
