//! Deleting: into the trash and out of it, and for good.

use crate::model::{Note, NoteId, Text};
use crate::store::{CONTENTS, NOTES, VERSIONS};
use crate::writing::{at, commit, replacement};
use crate::{access, events, store};
use sbd_sdk::documents::Transaction;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Result, time};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a note lies in the trash.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Most notes that one transaction deletes, each in four steps.
const AT_ONCE: u32 = 25;

/// Puts a note into the trash. Nothing if it is there already.
pub(crate) async fn delete(caller: &Caller, id: &NoteId, wanted: &Preconditions) -> Result<()> {
    let before = access::writable(caller, id).await?;
    wanted.require(before.version)?;
    if before.trashed_at.is_some() {
        return Ok(());
    }
    let mut note = before.clone();
    note.trashed_at = Some(time::now());
    change(&before, note, wanted).await.map(drop)
}

/// Takes a note out of the trash. Nothing if it is not there.
pub(crate) async fn restore(
    caller: &Caller,
    id: &NoteId,
    wanted: &Preconditions,
) -> Result<(Note, Text)> {
    let before = access::writable(caller, id).await?;
    wanted.require(before.version)?;
    let text = store::text(&before).await?;
    if before.trashed_at.is_none() {
        return Ok((before, text));
    }
    let mut note = before.clone();
    note.trashed_at = None;
    Ok((change(&before, note, wanted).await?, text))
}

async fn change(before: &Note, mut note: Note, wanted: &Preconditions) -> Result<Note> {
    note.version += 1;
    let transaction = Transaction::new().update_one(&NOTES, at(before), replacement(&note)?);
    commit(
        events::told(transaction, &note, before.is_readable()),
        wanted,
    )
    .await?;
    Ok(note)
}

/// Deletes a note for good, with all its versions.
pub(crate) async fn delete_for_good(
    caller: &Caller,
    id: &NoteId,
    wanted: &Preconditions,
) -> Result<()> {
    let note = access::deletable(caller, id).await?;
    wanted.require(note.version)?;
    let transaction = Transaction::new().delete_one(&NOTES, at(&note));
    commit(forget(transaction, &note), wanted).await
}

/// Deletes for good what has lain in the trash for its time.
pub(crate) async fn empty() -> Result<()> {
    // What is not in the trash has no such time.
    let before = json!({"trashed_at": {"$lte": time::now() - KEPT}});
    delete_all(before).await
}

/// Deletes all notes of a family or a workspace that is gone.
pub(crate) async fn delete_of(space: &str) -> Result<()> {
    delete_all(json!({"space": space})).await
}

/// As many notes as a space may have are deleted by as many calls as a request may make.
async fn delete_all(filter: Value) -> Result<()> {
    loop {
        let found = NOTES.find(filter.clone()).limit(AT_ONCE).fetch().await?;
        if found.documents.is_empty() {
            return Ok(());
        }
        let mut transaction = Transaction::new();
        for note in &found.documents {
            // Whoever deletes it at the same moment has it deleted as well.
            transaction = transaction.delete_many(&NOTES, json!({"_id": note.id}));
            transaction = forget(transaction, note);
        }
        transaction.commit().await?;
    }
}

fn forget(transaction: Transaction, note: &Note) -> Transaction {
    let of_note = json!({"note_id": note.id});
    let transaction = transaction
        .delete_many(&VERSIONS, of_note.clone())
        .delete_many(&CONTENTS, of_note);
    match note.is_readable() {
        true => events::gone(transaction, note),
        false => transaction,
    }
}
