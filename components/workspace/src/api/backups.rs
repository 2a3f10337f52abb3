//! `/api/v1/workspaces/{id}/wallet/backups`.

use crate::backups;
use crate::model::{Membership, WorkspaceId};
use sbd_sdk::{Caller, Json, NoContent, Path, Result, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// A member who unfreezes the account with others, in an emergency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceBackup)]
pub(crate) struct BackupView {
    user_id: String,
    username: String,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceBackups)]
pub(crate) struct BackupsView {
    items: Vec<BackupView>,
}

/// Lists the backup administrators: members who unfreeze the account together, in an emergency.
#[operation(
    get "/api/v1/workspaces/{id}/wallet/backups", permission = "workspaces:read", answers = "All of them",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_backups(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<BackupsView>> {
    let all = backups::list(&id, &caller).await?;
    let items = all.into_iter().map(BackupView::from).collect();
    Ok(Json(BackupsView { items }))
}

/// Has a member be a backup administrator; with the permission `wallet`.
#[operation(
    put "/api/v1/workspaces/{id}/wallet/backups/{user}", permission = "workspaces:write", idempotent,
    parameters(user = "The member's id"),
    refuses(
        forbidden = "The caller's role has not the permission `wallet`",
        not_found = "No member of a workspace the caller belongs to",
        conflict = "There are as many as there may be",
        overloaded = "Many change the workspace just now"
    )
)]
pub(crate) async fn designate_workspace_backup(
    caller: Caller,
    Path((id, user)): Path<(WorkspaceId, String)>,
) -> Result<NoContent> {
    backups::set(&id, &caller, &user, true).await?;
    Ok(NoContent)
}

/// Has a member be none any more; with the permission `wallet`.
#[operation(
    delete "/api/v1/workspaces/{id}/wallet/backups/{user}", permission = "workspaces:write",
    parameters(user = "The member's id"),
    refuses(
        forbidden = "The caller's role has not the permission `wallet`",
        not_found = "No member of a workspace the caller belongs to",
        overloaded = "Many change the workspace just now"
    )
)]
pub(crate) async fn remove_workspace_backup(
    caller: Caller,
    Path((id, user)): Path<(WorkspaceId, String)>,
) -> Result<NoContent> {
    backups::set(&id, &caller, &user, false).await?;
    Ok(NoContent)
}

impl From<Membership> for BackupView {
    fn from(member: Membership) -> Self {
        Self {
            user_id: member.user_id,
            username: member.username,
        }
    }
}
