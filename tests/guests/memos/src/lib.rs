//! A whole component: notes that only their owner sees.

use sbd_sdk::documents::Collection;
use sbd_sdk::paging::Page;
use sbd_sdk::{
    Caller, Component, Created, Error, Json, Listing, NoContent, Path, Result, operation,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

sbd_sdk::id!(NoteId, "not", "note");

const NOTES: Collection<Note> = Collection::new("notes");

#[derive(Serialize, Deserialize, ToSchema)]
struct Note {
    #[serde(rename = "_id")]
    id: NoteId,
    owner: String,
    text: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNote {
    text: String,
}

/// Keeps a note.
#[operation(post "/api/v1/notes", permission = "notes:write")]
async fn create_note(caller: Caller, Json(new): Json<NewNote>) -> Result<Created<Note>> {
    let note = Note {
        id: NoteId::new(),
        owner: caller.user.to_string(),
        text: new.text,
    };
    NOTES.insert(&note).await?;
    Created::at(&format!("/api/v1/notes/{}", note.id), &note)
}

/// Lists one's notes.
#[operation(get "/api/v1/notes", permission = "notes:read")]
async fn list_notes(caller: Caller, listing: Listing) -> Result<Json<Page<Note>>> {
    let mine = json!({"owner": caller.user});
    NOTES.find(mine).page(&listing).await.map(Json)
}

/// Reads a note of one's own.
#[operation(get "/api/v1/notes/{id}", permission = "notes:read", refuses(not_found))]
async fn get_note(caller: Caller, Path(id): Path<NoteId>) -> Result<Json<Note>> {
    let mine = json!({"_id": id, "owner": caller.user});
    let note = NOTES.find_one(mine).await?;
    note.map(Json).ok_or_else(|| Error::not_found("note"))
}

/// Throws a note of one's own away.
#[operation(delete "/api/v1/notes/{id}", permission = "notes:write", refuses(not_found))]
async fn delete_note(caller: Caller, Path(id): Path<NoteId>) -> Result<NoContent> {
    let mine = json!({"_id": id, "owner": caller.user});
    match NOTES.delete_one(mine).await? {
        true => Ok(NoContent),
        false => Err(Error::not_found("note")),
    }
}

/// All that the component offers.
pub fn component() -> Component {
    Component::new().operations(
        "notes",
        [create_note(), list_notes(), get_note(), delete_note()],
    )
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    use sbd_sdk::testing::{App, assert_described};
    use serde_json::json;

    #[test]
    fn only_the_owner_sees_a_note() {
        let app = App::new(super::component()).collection("notes");
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let note = ada
            .post("/api/v1/notes", json!({"text": "Tea"}))
            .assert_status(201);
        let address = note.header("location").unwrap_or_default();
        assert_eq!(ada.get(address).assert_status(200)["text"], "Tea");
        bob.get(address).assert_refused(404, "NOT_FOUND");
        bob.delete(address).assert_refused(404, "NOT_FOUND");
        assert_eq!(bob.get("/api/v1/notes")["total"], 0);
        ada.delete(address).assert_status(204);
        assert_eq!(ada.get("/api/v1/notes")["total"], 0);
    }

    #[test]
    fn every_operation_is_described() {
        assert_described(super::component());
    }
}
