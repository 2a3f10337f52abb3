//! Writing: notes that are new, that say something else, and that are pinned.

use crate::groups::May;
use crate::model::{Draft, Group, MOST_NOTES, MOST_VERSIONS, Note, NoteId, Text};
use crate::store::{CONTENTS, NOTES, VERSIONS};
use crate::{access, events, store};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::json;

/// Writes a new note into the caller's own space, or that of a family or a workspace of theirs.
pub(crate) async fn create(
    caller: &Caller,
    group: Option<Group>,
    draft: Draft,
) -> Result<(Note, Text)> {
    let space = access::space(caller, group.as_ref(), May::Write).await?;
    if NOTES.count(json!({"space": space})).await? >= MOST_NOTES {
        return Err(Error::conflict(format!(
            "there are {MOST_NOTES} notes, which is as many as there may be; delete some for good"
        )));
    }
    let note = Note::new(&caller.user, group, &draft, time::now());
    let (version, stored) = note.version_of(draft.text.clone());
    let transaction = Transaction::new()
        .insert(&NOTES, &note)
        .insert(&VERSIONS, &version)
        .insert(&CONTENTS, &stored);
    events::told(transaction, &note, false).commit().await?;
    Ok((note, draft.text))
}

/// Writes another content into a note, if it is still in the version that was read.
pub(crate) async fn replace(
    caller: &Caller,
    id: &NoteId,
    draft: Draft,
    wanted: &Preconditions,
) -> Result<(Note, Text)> {
    let note = access::present(caller, id).await?;
    wanted.require(note.version)?;
    rewrite(caller, note, draft, wanted).await
}

/// Writes another content into a note that was read here.
pub(crate) async fn rewrite(
    caller: &Caller,
    before: Note,
    draft: Draft,
    wanted: &Preconditions,
) -> Result<(Note, Text)> {
    let text = store::text(&before).await?;
    match (&draft.text, &text) {
        (Text::Body(_), Text::Encrypted(_)) => {
            return Err(Error::conflict(
                "the note is encrypted, and takes no text in clear; send ciphertext to its address with `/encrypted`, or write another note",
            ));
        }
        (Text::Encrypted(new), Text::Encrypted(old)) if new.repeats(old) => {
            return Err(Error::validation(
                "encrypted.nonce",
                "another one for each content: with the same nonce and key, what is encrypted can be read without the key",
            ));
        }
        _ if draft.is_of(&before, &text) => return Ok((before, text)),
        _ => {}
    }
    let mut note = before.clone();
    note.write(&draft, &caller.user, time::now());
    let mut transaction = Transaction::new().update_one(&NOTES, at(&before), replacement(&note)?);
    transaction = match note.encrypted && !before.encrypted {
        // What was written in clear goes from here.
        true => forget(transaction, json!({"note_id": note.id})),
        false => match oldest_kept(&note.id).await? {
            None => transaction,
            Some(kept) => {
                let old = json!({"note_id": note.id, "version": {"$lt": kept}});
                forget(transaction, old)
            }
        },
    };
    let (version, stored) = note.version_of(draft.text.clone());
    transaction = transaction
        .insert(&VERSIONS, &version)
        .insert(&CONTENTS, &stored);
    commit(
        events::told(transaction, &note, before.is_readable()),
        wanted,
    )
    .await?;
    Ok((note, draft.text))
}

/// Pins a note where it lies, or unpins it: it stands before others in lists.
pub(crate) async fn pin(
    caller: &Caller,
    id: &NoteId,
    pinned: bool,
    wanted: &Preconditions,
) -> Result<(Note, Text)> {
    let before = access::present(caller, id).await?;
    wanted.require(before.version)?;
    let text = store::text(&before).await?;
    if before.pinned == pinned {
        return Ok((before, text));
    }
    let mut note = before.clone();
    note.pinned = pinned;
    note.version += 1;
    let transaction = Transaction::new().update_one(&NOTES, at(&before), replacement(&note)?);
    commit(transaction, wanted).await?;
    Ok((note, text))
}

/// The oldest version that is kept beside a new one; none if all are.
async fn oldest_kept(id: &NoteId) -> Result<Option<u64>> {
    let newest_first = VERSIONS
        .find(json!({"note_id": id}))
        .sort(json!({"version": -1}));
    let kept = newest_first
        .skip(MOST_VERSIONS - 2)
        .limit(1)
        .fetch()
        .await?;
    Ok(kept.documents.first().map(|version| version.version))
}

fn forget(transaction: Transaction, versions: serde_json::Value) -> Transaction {
    transaction
        .delete_many(&VERSIONS, versions.clone())
        .delete_many(&CONTENTS, versions)
}

/// A note as it was read.
pub(crate) fn at(note: &Note) -> serde_json::Value {
    json!({"_id": note.id, "version": note.version})
}

pub(crate) fn replacement(note: &Note) -> Result<serde_json::Value> {
    serde_json::to_value(note).map_err(Error::internal)
}

/// Commits a change to a note, unless another came first.
pub(crate) async fn commit(transaction: Transaction, wanted: &Preconditions) -> Result<()> {
    match transaction.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) if wanted.has_if_match() => {
            Err(Error::precondition_failed())
        }
        Err(error) => Err(error.into()),
    }
}
