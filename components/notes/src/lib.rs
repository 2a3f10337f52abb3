//! Markdown notes of a user, a family or a workspace.
//!
//! A note lies in a space: its owner's own, that of a family, whose members all read and write it, or that of a
//! workspace, whose members read it, and write it if they have the permission `write`. Nobody else learns that it
//! is there. Every change of its content is a version, of which the last ones are kept; what
//! is deleted lies in the trash for 30 days.
//!
//! A note links to others of its space by `[[title]]` or `[[not_...]]`, with `|` before what is shown instead.
//! A title means the note that has it now, else the one that had it last: a renamed note is still found by those
//! that link to it. What is in the trash is told to be there, and links lead to it again when it is restored;
//! what is gone is missing, until a note has that title again.
//!
//! A note may be encrypted by the client. Then there is nothing here but an envelope of ciphertext: no title, no
//! tags, no links, and no event that tells of it. Keys never come here; `docs/encrypted-notes.md` shows how.
//!
//! What changes is published in the commit of the change, by id alone: `note.changed` of what can be read,
//! `note.deleted` once it cannot any more. Who indexes notes asks for the text then
//! (`GET /api/v1/notes/{id}/text`).

mod access;
mod api;
mod envelope;
mod events;
mod groups;
mod links;
mod listing;
mod model;
mod store;
mod trash;
mod versions;
mod writing;

use api::{encrypted, host, notes, versions as versions_api};
use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "notes",
            [
                notes::create_note(),
                notes::list_notes(),
                notes::list_note_tags(),
                notes::get_note(),
                notes::get_note_text(),
                notes::replace_note(),
                notes::delete_note(),
                notes::restore_note(),
                notes::pin_note(),
                notes::unpin_note(),
                notes::list_backlinks(),
                encrypted::create_encrypted_note(),
                encrypted::replace_encrypted_note(),
            ],
        )
        .operations(
            "note versions",
            [
                versions_api::list_note_versions(),
                versions_api::get_note_version(),
                versions_api::restore_note_version(),
            ],
        )
        .events([
            host::account_deleted(),
            host::family_deleted(),
            host::workspace_deleted(),
        ])
        .schedules([host::empty_trash()])
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests;
