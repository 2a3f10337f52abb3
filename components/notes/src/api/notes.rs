//! `/api/v1/notes`.

use crate::envelope::Envelope;
use crate::listing::{self, NoteFilter, NoteLink, NoteSort, NoteTag, TagFilter};
use crate::model::{Draft, FamilyId, Group, Note, NoteId, Text, WorkspaceId};
use crate::{access, store, trash, writing};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{
    By, Caller, Created, Error, Json, Listing, NoContent, Path, Query, Result, Tagged, operation,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What a note is to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteInput {
    /// 1 to 200 characters; blanks around it are dropped.
    #[schema(min_length = 1, max_length = 200, example = "Tea")]
    title: String,
    /// Markdown, at most 100 000 characters. `[[title]]`, `[[title|shown]]` and `[[id]]` link to other notes of
    /// the same space, to at most 200.
    #[serde(default)]
    #[schema(max_length = 100000, example = "Black, with [[Milk]].")]
    body: String,
    /// At most 20, each of 1 to 50 characters; kept in lower case.
    #[serde(default)]
    tags: Vec<String>,
}

/// A new note.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNote {
    /// The family in whose space it is to lie; the caller's own without it.
    #[serde(default)]
    #[schema(inline)]
    family_id: Option<FamilyId>,
    /// The workspace in whose space it is to lie, instead.
    #[serde(default)]
    #[schema(inline)]
    workspace_id: Option<WorkspaceId>,
    /// 1 to 200 characters; blanks around it are dropped.
    #[schema(min_length = 1, max_length = 200, example = "Tea")]
    title: String,
    /// Markdown, at most 100 000 characters. `[[title]]`, `[[title|shown]]` and `[[id]]` link to other notes of
    /// the same space, to at most 200.
    #[serde(default)]
    #[schema(max_length = 100000, example = "Black, with [[Milk]].")]
    body: String,
    /// At most 20, each of 1 to 50 characters; kept in lower case.
    #[serde(default)]
    tags: Vec<String>,
}

/// How a note is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Deletion {
    /// For good, with all its versions, instead of into the trash.
    #[serde(default)]
    forever: bool,
}

/// A note.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Note)]
pub(crate) struct NoteView {
    #[schema(inline)]
    id: NoteId,
    /// The family in whose space it lies, if it lies in one's.
    #[schema(inline)]
    family_id: Option<FamilyId>,
    /// The workspace in whose space it lies, if it lies in one's.
    #[schema(inline)]
    workspace_id: Option<WorkspaceId>,
    /// Who wrote it first.
    owner: String,
    /// Its title; none where it is encrypted.
    title: Option<String>,
    /// What it says, in Markdown; none where it is encrypted.
    body: Option<String>,
    /// What its readers decrypt; none where it is in clear.
    encrypted: Option<Envelope>,
    /// Its tags.
    tags: Vec<String>,
    /// What it links to, as that is now.
    links: Vec<NoteLink>,
    /// Whether it stands before others in lists.
    pinned: bool,
    /// When it was first written.
    created_at: Time,
    /// When it was last written.
    updated_at: Time,
    /// By whom it was last written.
    updated_by: String,
    /// Since when it is in the trash, if it is.
    trashed_at: Option<Time>,
    /// Goes up by one with every change; also the `ETag`.
    version: u64,
}

/// A note in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteSummary {
    #[schema(inline)]
    id: NoteId,
    /// The family in whose space it lies, if it lies in one's.
    #[schema(inline)]
    family_id: Option<FamilyId>,
    /// The workspace in whose space it lies, if it lies in one's.
    #[schema(inline)]
    workspace_id: Option<WorkspaceId>,
    /// Who wrote it first.
    owner: String,
    /// Its title; none where it is encrypted.
    title: Option<String>,
    /// How it begins; none where it is encrypted.
    excerpt: Option<String>,
    /// Whether only its readers can read it.
    encrypted: bool,
    /// Its tags.
    tags: Vec<String>,
    /// Whether it stands before others.
    pinned: bool,
    /// When it was first written.
    created_at: Time,
    /// When it was last written.
    updated_at: Time,
    /// By whom it was last written.
    updated_by: String,
    /// Since when it is in the trash, if it is.
    trashed_at: Option<Time>,
    /// Goes up by one with every change.
    version: u64,
}

/// What a note says, for what has it found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteText {
    #[schema(inline)]
    id: NoteId,
    /// The family whose members may read it, if those may.
    #[schema(inline)]
    family_id: Option<FamilyId>,
    /// The workspace whose members may read it, if those may.
    #[schema(inline)]
    workspace_id: Option<WorkspaceId>,
    /// Who wrote it first.
    owner: String,
    /// Its title.
    title: String,
    /// What it says, in Markdown.
    body: String,
    /// Its tags.
    tags: Vec<String>,
    /// When it was last written.
    updated_at: Time,
    /// Goes up by one with every change.
    version: u64,
}

/// Writes a note.
#[operation(
    post "/api/v1/notes", permission = "notes:write", location = "The note's address",
    refuses(
        forbidden = "The caller reads in this workspace",
        not_found = "No family or workspace the caller belongs to",
        conflict = "There are as many notes as there may be"
    )
)]
pub(crate) async fn create_note(
    caller: Caller,
    Json(new): Json<NewNote>,
) -> Result<Created<Tagged<NoteView>>> {
    let draft = Draft::check(&new.title, &new.body, &new.tags)?;
    let group = Group::named(new.family_id, new.workspace_id)?;
    let (note, text) = writing::create(&caller, group, draft).await?;
    created(note, text).await
}

/// Lists notes, those that are pinned first.
#[operation(
    get "/api/v1/notes", permission = "notes:read",
    refuses(not_found = "No family or workspace the caller belongs to")
)]
pub(crate) async fn list_notes(
    caller: Caller,
    listing: Listing<NoteSort, NoteFilter>,
) -> Result<Json<Page<NoteSummary>>> {
    let page = listing::list(&caller, &listing).await?;
    Ok(Json(page.map(NoteSummary::from)))
}

/// Lists the tags of notes, those that most have first.
#[operation(
    get "/api/v1/notes/tags", permission = "notes:read", answers = "The tags",
    refuses(not_found = "No family or workspace the caller belongs to")
)]
pub(crate) async fn list_note_tags(
    caller: Caller,
    Query(filter): Query<TagFilter>,
) -> Result<Json<Vec<NoteTag>>> {
    listing::tags(&caller, &filter).await.map(Json)
}

/// Reads a note.
#[operation(
    get "/api/v1/notes/{id}", permission = "notes:read", answers = "The note",
    refuses(not_found = "No note that the caller may read")
)]
pub(crate) async fn get_note(caller: Caller, Path(id): Path<NoteId>) -> Result<Tagged<NoteView>> {
    let note = access::reached(&caller, &id).await?;
    let text = store::text(&note).await?;
    NoteView::tagged(note, text).await
}

/// Reads what a note says, to have it found; of what is encrypted or in the trash there is none.
#[operation(
    get "/api/v1/notes/{id}/text", permission = "notes:read", answers = "The text",
    refuses(not_found = "No note in clear that the caller may read")
)]
pub(crate) async fn get_note_text(by: By, Path(id): Path<NoteId>) -> Result<Json<NoteText>> {
    let note = access::readable(&by.0, &id).await?;
    match store::text(&note).await? {
        Text::Body(body) => Ok(Json(NoteText::of(note, body))),
        Text::Encrypted(_) => Err(Error::not_found("note")),
    }
}

/// Replaces what a note says. One that is encrypted takes no text in clear.
#[operation(
    put "/api/v1/notes/{id}", permission = "notes:write", answers = "The note as it is now",
    refuses(
        forbidden = "The caller reads in this workspace",
        not_found = "No note that the caller may read",
        conflict = "It is encrypted, in the trash, or was changed at the same moment"
    )
)]
pub(crate) async fn replace_note(
    caller: Caller,
    Path(id): Path<NoteId>,
    wanted: Preconditions,
    Json(input): Json<NoteInput>,
) -> Result<Tagged<NoteView>> {
    let draft = Draft::check(&input.title, &input.body, &input.tags)?;
    let (note, text) = writing::replace(&caller, &id, draft, &wanted).await?;
    NoteView::tagged(note, text).await
}

/// Deletes a note: into the trash, where it lies for 30 days, or for good.
#[operation(
    delete "/api/v1/notes/{id}", permission = "notes:write",
    refuses(
        forbidden = "For good, by somebody who neither wrote it nor administers the family",
        not_found = "No note that the caller may read",
        conflict = "It was changed at the same moment"
    )
)]
pub(crate) async fn delete_note(
    caller: Caller,
    Path(id): Path<NoteId>,
    Query(deletion): Query<Deletion>,
    wanted: Preconditions,
) -> Result<NoContent> {
    match deletion.forever {
        true => trash::delete_for_good(&caller, &id, &wanted).await?,
        false => trash::delete(&caller, &id, &wanted).await?,
    }
    Ok(NoContent)
}

/// Takes a note out of the trash.
#[operation(
    post "/api/v1/notes/{id}/restore", permission = "notes:write", idempotent,
    answers = "The note as it is now",
    refuses(
        forbidden = "The caller reads in this workspace",
        not_found = "No note that the caller may read",
        conflict = "It was changed at the same moment"
    )
)]
pub(crate) async fn restore_note(
    caller: Caller,
    Path(id): Path<NoteId>,
    wanted: Preconditions,
) -> Result<Tagged<NoteView>> {
    let (note, text) = trash::restore(&caller, &id, &wanted).await?;
    NoteView::tagged(note, text).await
}

/// Pins a note, for everybody who sees it.
#[operation(
    put "/api/v1/notes/{id}/pin", permission = "notes:write", answers = "The note as it is now",
    refuses(
        forbidden = "The caller reads in this workspace",
        not_found = "No note that the caller may read",
        conflict = "It is in the trash, or was changed at the same moment"
    )
)]
pub(crate) async fn pin_note(
    caller: Caller,
    Path(id): Path<NoteId>,
    wanted: Preconditions,
) -> Result<Tagged<NoteView>> {
    let (note, text) = writing::pin(&caller, &id, true, &wanted).await?;
    NoteView::tagged(note, text).await
}

/// Unpins a note.
#[operation(
    delete "/api/v1/notes/{id}/pin", permission = "notes:write", effect = write,
    answers = "The note as it is now",
    refuses(
        forbidden = "The caller reads in this workspace",
        not_found = "No note that the caller may read",
        conflict = "It is in the trash, or was changed at the same moment"
    )
)]
pub(crate) async fn unpin_note(
    caller: Caller,
    Path(id): Path<NoteId>,
    wanted: Preconditions,
) -> Result<Tagged<NoteView>> {
    let (note, text) = writing::pin(&caller, &id, false, &wanted).await?;
    NoteView::tagged(note, text).await
}

/// Lists the notes that link to one.
#[operation(
    get "/api/v1/notes/{id}/backlinks", permission = "notes:read",
    refuses(not_found = "No note that the caller may read")
)]
pub(crate) async fn list_backlinks(
    caller: Caller,
    Path(id): Path<NoteId>,
    listing: Listing<NoteSort>,
) -> Result<Json<Page<NoteSummary>>> {
    let page = listing::backlinks(&caller, &id, &listing).await?;
    Ok(Json(page.map(NoteSummary::from)))
}

/// The answer to who has written a new note.
pub(crate) async fn created(note: Note, text: Text) -> Result<Created<Tagged<NoteView>>> {
    let location = format!("/api/v1/notes/{}", note.id);
    Created::at(&location, &NoteView::tagged(note, text).await?)
}

// === impl NoteView ===

impl NoteView {
    pub(crate) async fn tagged(note: Note, text: Text) -> Result<Tagged<Self>> {
        let links = listing::links(&note, &text).await?;
        let title = (!note.encrypted).then_some(note.title);
        let (body, encrypted) = match text {
            Text::Body(body) => (Some(body), None),
            Text::Encrypted(envelope) => (None, Some(envelope)),
        };
        let body = Self {
            id: note.id,
            family_id: note.family_id,
            workspace_id: note.workspace_id,
            owner: note.owner,
            title,
            body,
            encrypted,
            tags: note.tags,
            links,
            pinned: note.pinned,
            created_at: note.created_at,
            updated_at: note.updated_at,
            updated_by: note.updated_by,
            trashed_at: note.trashed_at,
            version: note.version,
        };
        Ok(Tagged {
            version: note.version,
            body,
        })
    }
}

impl From<Note> for NoteSummary {
    fn from(note: Note) -> Self {
        Self {
            id: note.id,
            family_id: note.family_id,
            workspace_id: note.workspace_id,
            owner: note.owner,
            title: (!note.encrypted).then_some(note.title),
            excerpt: (!note.encrypted).then_some(note.excerpt),
            encrypted: note.encrypted,
            tags: note.tags,
            pinned: note.pinned,
            created_at: note.created_at,
            updated_at: note.updated_at,
            updated_by: note.updated_by,
            trashed_at: note.trashed_at,
            version: note.version,
        }
    }
}

// === impl NoteText ===

impl NoteText {
    fn of(note: Note, body: String) -> Self {
        Self {
            id: note.id,
            family_id: note.family_id,
            workspace_id: note.workspace_id,
            owner: note.owner,
            title: note.title,
            body,
            tags: note.tags,
            updated_at: note.updated_at,
            version: note.version,
        }
    }
}
