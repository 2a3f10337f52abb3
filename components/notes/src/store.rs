//! The component's collections; the manifest declares their indexes.

use crate::model::{Note, NoteId, Stored, Text, Version, version_id};
use sbd_sdk::documents::Collection;
use sbd_sdk::{Error, Result};

/// Notes by id, without what they say.
pub(crate) const NOTES: Collection<Note> = Collection::new("notes");
/// Versions of notes, `NOTE/VERSION`, without what they say. The present one is among them.
pub(crate) const VERSIONS: Collection<Version> = Collection::new("versions");
/// What versions say, by the same ids.
pub(crate) const CONTENTS: Collection<Stored> = Collection::new("contents");

/// What a note says now.
pub(crate) async fn text(note: &Note) -> Result<Text> {
    text_of(&note.id, note.content_version).await
}

/// What a version of a note said.
pub(crate) async fn text_of(note: &NoteId, version: u64) -> Result<Text> {
    let stored = CONTENTS.get(&version_id(note, version)).await?;
    let stored = stored.ok_or_else(|| Error::internal("a version has no content"))?;
    Ok(stored.text)
}
