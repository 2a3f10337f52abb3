//! A whole component: notes that only their owner sees.

use sbd_sdk::documents::Collection;
use sbd_sdk::paging::{Page, Paging};
use sbd_sdk::{Answer, Caller, Error, Json, Path, Query, Result, id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

const NOTES: Collection<Note> = Collection::new("notes");

#[derive(Serialize, Deserialize, ToSchema)]
struct Note {
    #[serde(rename = "_id")]
    id: String,
    owner: String,
    text: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNote {
    text: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct List {
    page: Option<u32>,
    per_page: Option<u32>,
}

#[utoipa::path(post, path = "/api/v1/notes", responses((status = 201, body = Note)), security(("bearer" = [])))]
async fn create(caller: Caller, Json(new): Json<NewNote>) -> Result<Answer> {
    let note = Note {
        id: id::new("not"),
        owner: caller.user,
        text: new.text,
    };
    NOTES.insert(&note).await?;
    Answer::created(&format!("/api/v1/notes/{}", note.id), &note)
}

#[utoipa::path(get, path = "/api/v1/notes/{id}", responses((status = 200, body = Note)), security(("bearer" = [])))]
async fn read(caller: Caller, Path(id): Path<String>) -> Result<Json<Note>> {
    let note = NOTES
        .get(&id)
        .await?
        .filter(|note| note.owner == caller.user);
    note.map(Json).ok_or_else(|| Error::not_found("note"))
}

#[utoipa::path(delete, path = "/api/v1/notes/{id}", responses((status = 204)), security(("bearer" = [])))]
async fn remove(caller: Caller, Path(id): Path<String>) -> Result<Answer> {
    let mine = json!({"_id": id, "owner": caller.user});
    let deleted = NOTES.delete_one(mine).await?;
    if deleted {
        Ok(Answer::no_content())
    } else {
        Err(Error::not_found("note"))
    }
}

#[utoipa::path(get, path = "/api/v1/notes", params(List), responses((status = 200, body = Page<Note>)), security(("bearer" = [])))]
async fn list(caller: Caller, Query(list): Query<List>) -> Result<Json<Page<Note>>> {
    let paging = Paging::new(list.page, list.per_page)?;
    let mine = json!({"owner": caller.user});
    let total = NOTES.count(mine.clone()).await?;
    let found = NOTES
        .find(mine)
        .skip(paging.skip())
        .limit(paging.limit())
        .fetch()
        .await?;
    Ok(Json(paging.page(found.documents, total)))
}

/// Every address of the component.
pub fn router() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, remove))
}

sbd_sdk::component!(router);
