//! What only the host asks: events, tasks, ticks.

use crate::model::WorkspaceId;
use crate::{activity, departure, labels};
use group::{deletion, delivery};
use sbd_sdk::events::Event;
use sbd_sdk::tasks::Work;
use sbd_sdk::{Result, on_event, task};
use serde::Deserialize;
use serde_json::Value;

/// Who is gone.
#[derive(Deserialize)]
pub(crate) struct AccountDeleted {
    user_id: String,
}

/// A user who is gone is a member no more.
#[on_event("account.deleted")]
pub(crate) async fn account_deleted(event: Event<AccountDeleted>) -> Result<()> {
    departure::of(&event.data.user_id).await
}

/// Has an invitation delivered, once it is stored.
#[on_event("workspace.invitation.sent")]
pub(crate) async fn invitation_sent(event: Event<delivery::About>) -> Result<()> {
    delivery::begin(&event.data).await
}

/// Finds out who is invited, and tells them.
#[task("deliver-invitation", queue = "default")]
pub(crate) async fn deliver_invitation(work: Work<delivery::About>) -> Result<()> {
    delivery::deliver::<WorkspaceId>(&work.data).await
}

/// Goes on with the deletion of a workspace, if it stopped on the way.
#[task("close-workspace", queue = "default")]
pub(crate) async fn close_workspace(work: Work<deletion::About<WorkspaceId>>) -> Result<()> {
    deletion::go_on(&work.data).await
}

/// What happens in a workspace is said to those who listen.
#[on_event("workspace.*")]
pub(crate) async fn happened(event: Event<Value>) -> Result<()> {
    activity::said(&event.kind, &event.data).await
}

/// Which note.
#[derive(Debug, Deserialize)]
pub(crate) struct Note {
    note_id: String,
}

/// A note is gone, and its labels with it.
#[on_event("note.deleted")]
pub(crate) async fn note_deleted(event: Event<Note>) -> Result<()> {
    labels::item_gone(&event.data.note_id).await
}

/// Which document.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    document_id: String,
}

/// A document is gone, and its labels with it.
#[on_event("document.deleted")]
pub(crate) async fn document_deleted(event: Event<Document>) -> Result<()> {
    labels::item_gone(&event.data.document_id).await
}
