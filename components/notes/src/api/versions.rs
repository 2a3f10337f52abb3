//! `/api/v1/notes/{id}/versions`.

use crate::api::notes::NoteView;
use crate::envelope::Envelope;
use crate::model::{NoteId, Text, Version};
use crate::versions::{self, VersionSort};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, Listing, Path, Result, Tagged, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// What is known of a version of a note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteVersionSummary {
    /// Its number. Not each is there: what changes no content makes none.
    version: u64,
    /// The title that the note had; none where it is encrypted.
    title: Option<String>,
    /// The tags that it had.
    tags: Vec<String>,
    /// Whether only its readers can read it.
    encrypted: bool,
    /// When it was written.
    at: Time,
    /// By whom.
    by: String,
}

/// A version of a note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteVersion {
    #[serde(flatten)]
    known: NoteVersionSummary,
    /// What the note said; none where it is encrypted.
    body: Option<String>,
    /// What its readers decrypt; none where it is in clear.
    encrypted_content: Option<Envelope>,
}

/// Lists the versions of a note, the latest first: the last 50 are kept.
#[operation(
    get "/api/v1/notes/{id}/versions", permission = "notes:read",
    refuses(not_found = "No note that the caller may read")
)]
pub(crate) async fn list_note_versions(
    caller: Caller,
    Path(id): Path<NoteId>,
    listing: Listing<VersionSort>,
) -> Result<Json<Page<NoteVersionSummary>>> {
    let page = versions::list(&caller, &id, &listing).await?;
    Ok(Json(page.map(NoteVersionSummary::from)))
}

/// Reads a version of a note.
#[operation(
    get "/api/v1/notes/{id}/versions/{version}", permission = "notes:read",
    answers = "The version", parameters(version = "Its number"),
    refuses(not_found = "No version of a note that the caller may read")
)]
pub(crate) async fn get_note_version(
    caller: Caller,
    Path((id, version)): Path<(NoteId, u64)>,
) -> Result<Json<NoteVersion>> {
    let (known, text) = versions::get(&caller, &id, version).await?;
    let (body, encrypted_content) = match text {
        Text::Body(body) => (Some(body), None),
        Text::Encrypted(envelope) => (None, Some(envelope)),
    };
    Ok(Json(NoteVersion {
        known: known.into(),
        body,
        encrypted_content,
    }))
}

/// Writes what a note said before into it again; that is a version of its own.
#[operation(
    post "/api/v1/notes/{id}/versions/{version}/restore", permission = "notes:write", idempotent,
    answers = "The note as it is now", parameters(version = "The version's number"),
    refuses(
        forbidden = "The caller reads in this workspace",
        not_found = "No version of a note that the caller may read",
        conflict = "It is in the trash, or was changed at the same moment"
    )
)]
pub(crate) async fn restore_note_version(
    caller: Caller,
    Path((id, version)): Path<(NoteId, u64)>,
    wanted: Preconditions,
) -> Result<Tagged<NoteView>> {
    let (note, text) = versions::restore(&caller, &id, version, &wanted).await?;
    NoteView::tagged(note, text).await
}

impl From<Version> for NoteVersionSummary {
    fn from(version: Version) -> Self {
        Self {
            version: version.version,
            title: (!version.encrypted).then_some(version.title),
            tags: version.tags,
            encrypted: version.encrypted,
            at: version.at,
            by: version.by,
        }
    }
}
