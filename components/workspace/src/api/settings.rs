//! `/api/v1/workspaces/{id}/settings` and `/archive`.

use super::workspaces::WorkspaceView;
use crate::model::{Settings, WorkspaceId};
use crate::settings;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Json, Path, Result, Tagged, operation};

/// Decides who invites people into a workspace, and what newcomers are; with the permission `settings`.
///
/// What the account approves by itself is decided there.
#[operation(
    put "/api/v1/workspaces/{id}/settings", permission = "workspaces:write",
    answers = "The workspace as it is now",
    refuses(
        forbidden = "The caller may not change it, or the newcomers' role says more than the caller's",
        not_found = "No workspace the caller belongs to",
        conflict = "It was changed at the same moment, or is archived"
    )
)]
pub(crate) async fn set_workspace_settings(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    wanted: Preconditions,
    Json(input): Json<Settings>,
) -> Result<Tagged<WorkspaceView>> {
    let (workspace, membership) = settings::replace(&id, &caller, input, &wanted).await?;
    Ok(WorkspaceView::tagged(&workspace, &membership))
}

/// Archives a workspace: it is read, and nothing of it changes; with the permission `settings`.
#[operation(
    put "/api/v1/workspaces/{id}/archive", permission = "workspaces:write",
    answers = "The workspace as it is now",
    refuses(
        forbidden = "The caller may not change it",
        not_found = "No workspace the caller belongs to",
        conflict = "It was changed at the same moment, or is being deleted"
    )
)]
pub(crate) async fn archive_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Tagged<WorkspaceView>> {
    let (workspace, membership) = settings::archive(&id, &caller, true).await?;
    Ok(WorkspaceView::tagged(&workspace, &membership))
}

/// Takes a workspace out of the archive; with the permission `settings`.
#[operation(
    delete "/api/v1/workspaces/{id}/archive", permission = "workspaces:write",
    answers = "The workspace as it is now",
    refuses(
        forbidden = "The caller may not change it",
        not_found = "No workspace the caller belongs to",
        conflict = "It was changed at the same moment, or is being deleted"
    )
)]
pub(crate) async fn unarchive_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Tagged<WorkspaceView>> {
    let (workspace, membership) = settings::archive(&id, &caller, false).await?;
    Ok(WorkspaceView::tagged(&workspace, &membership))
}
