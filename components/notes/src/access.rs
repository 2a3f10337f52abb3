//! Who may do what with which note. To everybody else it is not there.

use crate::family;
use crate::model::{FamilyId, Note, NoteId};
use crate::store::NOTES;
use membership::roles::Role;
use sbd_sdk::{Caller, Error, Principal, Result};

/// The component that reads notes for itself, to have them found.
const INDEXER: &str = "knowledge";

/// A note that the caller may read and write.
pub(crate) async fn reached(caller: &Caller, id: &NoteId) -> Result<Note> {
    let note = NOTES.get(id.as_str()).await?.ok_or_else(unknown)?;
    match standing(caller, &note).await? {
        Some(_) => Ok(note),
        None => Err(unknown()),
    }
}

/// The same, unless it is in the trash.
pub(crate) async fn present(caller: &Caller, id: &NoteId) -> Result<Note> {
    let note = reached(caller, id).await?;
    match note.trashed_at {
        None => Ok(note),
        Some(_) => Err(Error::conflict(
            "the note is in the trash; restore it first",
        )),
    }
}

/// A note that may be deleted for good: by who wrote it first, and by administrators of its family.
pub(crate) async fn deletable(caller: &Caller, id: &NoteId) -> Result<Note> {
    let note = NOTES.get(id.as_str()).await?.ok_or_else(unknown)?;
    match standing(caller, &note).await? {
        None => Err(unknown()),
        Some(Role::Admin) => Ok(note),
        Some(Role::Member) if note.owner == *caller.user => Ok(note),
        Some(Role::Member) => Err(Error::forbidden(
            "only who wrote the note and administrators of the family delete it for good; it goes by itself after 30 days in the trash",
        )),
    }
}

/// A note whose text can be read: by those who may, and by what has notes found.
pub(crate) async fn readable(by: &Principal, id: &NoteId) -> Result<Note> {
    let note = match Caller::of(by.clone()) {
        Some(caller) => reached(&caller, id).await?,
        None if by.asking_component() == Some(INDEXER) => {
            NOTES.get(id.as_str()).await?.ok_or_else(unknown)?
        }
        None => return Err(unknown()),
    };
    match note.is_readable() {
        true => Ok(note),
        false => Err(unknown()),
    }
}

/// The space of a family, for a member of it; else the caller's own.
pub(crate) async fn space(caller: &Caller, family_id: Option<&FamilyId>) -> Result<String> {
    let Some(id) = family_id else {
        return Ok(caller.user.to_string());
    };
    match family::role(id).await? {
        Some(_) => Ok(id.to_string()),
        None => Err(Error::not_found("family")),
    }
}

/// What the caller is where a note lies. In a space of one's own one may do everything.
async fn standing(caller: &Caller, note: &Note) -> Result<Option<Role>> {
    match &note.family_id {
        Some(id) => family::role(id).await,
        None => Ok((note.owner == *caller.user).then_some(Role::Admin)),
    }
}

fn unknown() -> Error {
    Error::not_found("note")
}
