//! What only the host asks: events, ticks.

use crate::model::{FamilyId, WorkspaceId};
use crate::trash;
use sbd_sdk::events::Event;
use sbd_sdk::{Result, on_event, schedule};
use serde::Deserialize;

/// A family that is gone.
#[derive(Deserialize)]
pub(crate) struct FamilyDeleted {
    family_id: FamilyId,
}

/// The notes of a family go with it.
#[on_event("family.deleted")]
pub(crate) async fn family_deleted(event: Event<FamilyDeleted>) -> Result<()> {
    trash::delete_of(event.data.family_id.as_str()).await
}

/// A workspace that is gone.
#[derive(Deserialize)]
pub(crate) struct WorkspaceDeleted {
    workspace_id: WorkspaceId,
}

/// The notes of a workspace go with it.
#[on_event("workspace.deleted")]
pub(crate) async fn workspace_deleted(event: Event<WorkspaceDeleted>) -> Result<()> {
    trash::delete_of(event.data.workspace_id.as_str()).await
}

/// A user who is gone.
#[derive(Deserialize)]
pub(crate) struct AccountDeleted {
    user_id: String,
}

/// The notes of a user go with the account; those in a family or a workspace stay there.
#[on_event("account.deleted")]
pub(crate) async fn account_deleted(event: Event<AccountDeleted>) -> Result<()> {
    trash::delete_of(&event.data.user_id).await
}

/// Deletes what has lain in the trash for 30 days.
#[schedule("empty-trash", cron = "20 3 * * *", missed = "once", jitter = "1h")]
pub(crate) async fn empty_trash() -> Result<()> {
    trash::empty().await
}
