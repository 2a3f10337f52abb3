//! What only the host asks: events, tasks, ticks.

use crate::{deletion, embedding, indexing, notes, threads, uploads};
use sbd_sdk::events::Event;
use sbd_sdk::tasks::Work;
use sbd_sdk::{Result, on_event, schedule, task};
use serde::Deserialize;

/// Which family.
#[derive(Debug, Deserialize)]
pub(crate) struct Family {
    family_id: String,
}

/// A family is gone, and its libraries with it.
#[on_event("family.deleted")]
pub(crate) async fn family_deleted(event: Event<Family>) -> Result<()> {
    deletion::of_owner(&event.data.family_id).await
}

/// Which workspace.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    workspace_id: String,
}

/// A workspace is gone, and its libraries with it.
#[on_event("workspace.deleted")]
pub(crate) async fn workspace_deleted(event: Event<Workspace>) -> Result<()> {
    deletion::of_owner(&event.data.workspace_id).await
}

/// Which user.
#[derive(Deserialize)]
pub(crate) struct Account {
    user_id: String,
}

/// A user is gone, and with them their libraries, and what they asked.
#[on_event("account.deleted")]
pub(crate) async fn account_deleted(event: Event<Account>) -> Result<()> {
    deletion::of_owner(&event.data.user_id).await?;
    threads::delete_of(&event.data.user_id).await
}

/// Which note.
#[derive(Debug, Deserialize)]
pub(crate) struct Note {
    note_id: String,
}

/// A note is new, or says something else.
#[on_event("note.changed")]
pub(crate) async fn note_changed(event: Event<Note>) -> Result<()> {
    notes::changed(&event.data.note_id).await
}

/// A note cannot be read any more.
#[on_event("note.deleted")]
pub(crate) async fn note_deleted(event: Event<Note>) -> Result<()> {
    notes::deleted(&event.data.note_id).await
}

/// Reads a document, and has it found.
#[task("index", queue = "ai")]
pub(crate) async fn index(work: Work<indexing::About>) -> Result<()> {
    indexing::run(&work).await
}

/// Makes the vectors of all passages by another model.
#[task("embed", queue = "ai")]
pub(crate) async fn embed(work: Work<embedding::About>) -> Result<()> {
    embedding::change_over(&work).await
}

/// Deletes a document.
#[task("delete-document", queue = "default")]
pub(crate) async fn delete_document(work: Work<deletion::AboutDocument>) -> Result<()> {
    deletion::document(&work).await
}

/// Deletes a library.
#[task("delete-library", queue = "default")]
pub(crate) async fn delete_library(work: Work<deletion::AboutLibrary>) -> Result<()> {
    deletion::library(&work).await
}

/// Goes on with what a crash left behind.
#[schedule("sweep", cron = "20 3 * * *", missed = "once", jitter = "1h")]
pub(crate) async fn sweep() -> Result<()> {
    uploads::sweep().await?;
    deletion::sweep().await?;
    indexing::sweep().await
}
