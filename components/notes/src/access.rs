//! Who may do what with which note. To everybody else it is not there.

use crate::groups::{self, May};
use crate::model::{Group, Note, NoteId};
use crate::store::NOTES;
use sbd_sdk::{Caller, Error, Principal, Result};

/// The component that reads notes for itself, to have them found.
const INDEXER: &str = "knowledge";

/// A note that the caller may read.
pub(crate) async fn reached(caller: &Caller, id: &NoteId) -> Result<Note> {
    let note = NOTES.get(id.as_str()).await?.ok_or_else(unknown)?;
    match standing(caller, &note).await? {
        Some(_) => Ok(note),
        None => Err(unknown()),
    }
}

/// A note that the caller may write, and put into the trash or take out of it.
pub(crate) async fn writable(caller: &Caller, id: &NoteId) -> Result<Note> {
    let note = NOTES.get(id.as_str()).await?.ok_or_else(unknown)?;
    match standing(caller, &note).await? {
        None => Err(unknown()),
        Some(May::Read) => Err(looks()),
        Some(May::Write | May::Govern) => Ok(note),
    }
}

/// The same, unless it is in the trash.
pub(crate) async fn present(caller: &Caller, id: &NoteId) -> Result<Note> {
    let note = writable(caller, id).await?;
    match note.trashed_at {
        None => Ok(note),
        Some(_) => Err(Error::conflict(
            "the note is in the trash; restore it first",
        )),
    }
}

/// A note that may be deleted for good: by who wrote it first, and by administrators of its family or workspace.
pub(crate) async fn deletable(caller: &Caller, id: &NoteId) -> Result<Note> {
    let note = NOTES.get(id.as_str()).await?.ok_or_else(unknown)?;
    match standing(caller, &note).await? {
        None => Err(unknown()),
        Some(May::Govern) => Ok(note),
        Some(May::Write) if note.owner == *caller.user => Ok(note),
        Some(May::Write) => Err(Error::forbidden(
            "only who wrote the note and administrators delete it for good; it goes by itself after 30 days in the trash",
        )),
        Some(May::Read) => Err(looks()),
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

/// The space of a group, for a member of it who may do this there; else the caller's own.
pub(crate) async fn space(caller: &Caller, group: Option<&Group>, to: May) -> Result<String> {
    let Some(group) = group else {
        return Ok(caller.user.to_string());
    };
    match groups::may(group).await? {
        Some(may) if may >= to => Ok(group.as_str().to_owned()),
        Some(_) => Err(looks()),
        None => Err(Error::not_found(group.noun())),
    }
}

/// What the caller may do where a note lies. In a space of one's own one may do everything.
async fn standing(caller: &Caller, note: &Note) -> Result<Option<May>> {
    match note.group() {
        Some(group) => groups::may(&group).await,
        None => Ok((note.owner == *caller.user).then_some(May::Govern)),
    }
}

fn looks() -> Error {
    Error::forbidden(
        "in this workspace you read; ask an administrator for the permission `write`, or to take it out of the archive",
    )
}

fn unknown() -> Error {
    Error::not_found("note")
}
