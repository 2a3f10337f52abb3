//! What others learn of notes: that one is another now, or cannot be read any more. What it says they ask for.
//!
//! | event | data | meaning |
//! |---|---|---|
//! | `note.changed` | `note_id`, `version` | it is new, says something else, or is restored |
//! | `note.deleted` | `note_id` | it is in the trash, gone, or encrypted now |
//!
//! Of what is encrypted and always was, nothing is told.

use crate::model::Note;
use sbd_sdk::documents::Transaction;
use serde_json::json;

/// Tells of what became of a note, `was_readable` before.
pub(crate) fn told(transaction: Transaction, note: &Note, was_readable: bool) -> Transaction {
    match (note.is_readable(), was_readable) {
        (true, _) => {
            let data = json!({"note_id": note.id, "version": note.version});
            transaction.publish("note.changed", Some(note.id.as_str()), &data)
        }
        (false, true) => gone(transaction, note),
        (false, false) => transaction,
    }
}

/// Tells that a note cannot be read any more.
pub(crate) fn gone(transaction: Transaction, note: &Note) -> Transaction {
    let data = json!({"note_id": note.id});
    transaction.publish("note.deleted", Some(note.id.as_str()), &data)
}
