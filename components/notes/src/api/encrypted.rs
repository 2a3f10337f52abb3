//! Notes that clients encrypt: an envelope, and nothing beside it.

use crate::api::notes::{NoteView, created};
use crate::envelope::Envelope;
use crate::model::{Draft, FamilyId, Group, NoteId, WorkspaceId};
use crate::writing;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Created, Json, Path, Result, Tagged, operation};
use serde::Deserialize;
use utoipa::ToSchema;

/// A new note that is encrypted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEncryptedNote {
    /// The family in whose space it is to lie; the caller's own without it.
    #[serde(default)]
    #[schema(inline)]
    family_id: Option<FamilyId>,
    /// The workspace in whose space it is to lie, instead.
    #[serde(default)]
    #[schema(inline)]
    workspace_id: Option<WorkspaceId>,
    #[schema(inline)]
    encrypted: Envelope,
}

/// What a note is to hold, encrypted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EncryptedNoteInput {
    #[schema(inline)]
    encrypted: Envelope,
}

/// Keeps a note that the client has encrypted: title, tags and text are all in the ciphertext.
#[operation(
    post "/api/v1/notes/encrypted", permission = "notes:write", location = "The note's address",
    refuses(
        forbidden = "The caller reads in this workspace",
        not_found = "No family or workspace the caller belongs to",
        conflict = "There are as many notes as there may be"
    )
)]
pub(crate) async fn create_encrypted_note(
    caller: Caller,
    Json(new): Json<NewEncryptedNote>,
) -> Result<Created<Tagged<NoteView>>> {
    let draft = Draft::encrypted(new.encrypted)?;
    let group = Group::named(new.family_id, new.workspace_id)?;
    let (note, text) = writing::create(&caller, group, draft).await?;
    created(note, text).await
}

/// Replaces what a note holds by what the client has encrypted.
///
/// All that was written in clear before is deleted for good, its versions too.
#[operation(
    put "/api/v1/notes/{id}/encrypted", permission = "notes:write",
    answers = "The note as it is now",
    refuses(
        forbidden = "The caller reads in this workspace",
        not_found = "No note that the caller may read",
        conflict = "It is in the trash, or was changed at the same moment"
    )
)]
pub(crate) async fn replace_encrypted_note(
    caller: Caller,
    Path(id): Path<NoteId>,
    wanted: Preconditions,
    Json(input): Json<EncryptedNoteInput>,
) -> Result<Tagged<NoteView>> {
    let draft = Draft::encrypted(input.encrypted)?;
    let (note, text) = writing::replace(&caller, &id, draft, &wanted).await?;
    NoteView::tagged(note, text).await
}
