//! Families and their members.
use sbd_sdk::documents::Collection;
use sbd_sdk::{Answer, Caller, Error, Json, Path, Result, id};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

const NOTES: Collection<Note> = Collection::new("notes");

#[derive(Serialize, Deserialize, ToSchema)]
struct Note { #[serde(rename = "_id")] id: String, owner: String, text: String }

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNote { text: String }

/// Keeps a note.
#[utoipa::path(post, path = "/api/v1/notes", responses((status = 201, body = Note)), security(("bearer" = [])))]
async fn create(caller: Caller, Json(new): Json<NewNote>) -> Result<Answer> {
    let note = Note { id: id::new("not"), owner: caller.user, text: new.text };
    NOTES.insert(&note).await?;
    Answer::created(&format!("/api/v1/notes/{}", note.id), &note)
}

/// Reads a note of one's own.
#[utoipa::path(get, path = "/api/v1/notes/{id}", responses((status = 200, body = Note)), security(("bearer" = [])))]
async fn read(caller: Caller, Path(id): Path<String>) -> Result<Json<Note>> {
    let note = NOTES.get(&id).await?.filter(|note| note.owner == caller.user);
    note.map(Json).ok_or_else(|| Error::not_found("note"))
}

fn router() -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(read))
}

sbd_sdk::component!(router);
