//! `/api/v1/workspaces/{id}/transfer`.

use super::workspaces::WorkspaceView;
use crate::model::WorkspaceId;
use crate::ownership;
use sbd_sdk::{Caller, Json, NoContent, Path, Result, Tagged, operation};
use serde::Deserialize;
use utoipa::ToSchema;

/// To whom a workspace is to be handed over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceTransferInput)]
pub(crate) struct TransferInput {
    /// The id of a member of the workspace.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    to: String,
}

/// Offers a workspace to one of its members, who is to be its owner; for its owner.
///
/// It can be accepted for 7 days. Another offer takes the place of the one before.
#[operation(
    put "/api/v1/workspaces/{id}/transfer", permission = "workspaces:write", answers = "The workspace",
    refuses(
        forbidden = "The caller is not its owner",
        not_found = "No workspace the caller belongs to, or no member of it",
        conflict = "It is being deleted"
    )
)]
pub(crate) async fn offer_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Json(input): Json<TransferInput>,
) -> Result<Tagged<WorkspaceView>> {
    let (workspace, membership) = ownership::offer(&id, &caller, &input.to).await?;
    Ok(WorkspaceView::tagged(&workspace, &membership))
}

/// Takes an offer back, or declines it.
#[operation(
    delete "/api/v1/workspaces/{id}/transfer", permission = "workspaces:write",
    refuses(
        forbidden = "The caller is neither its owner nor whom it is offered to",
        not_found = "No workspace the caller belongs to"
    )
)]
pub(crate) async fn withdraw_workspace_offer(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<NoContent> {
    ownership::withdraw(&id, &caller).await?;
    Ok(NoContent)
}

/// Takes a workspace over that was offered to the caller; whose it was is an administrator of it then.
#[operation(
    post "/api/v1/workspaces/{id}/transfer/acceptance", permission = "workspaces:write", idempotent,
    answers = "The workspace",
    refuses(
        not_found = "No workspace the caller belongs to",
        conflict = "It is not offered to the caller, who may also have too many workspaces"
    )
)]
pub(crate) async fn accept_workspace_offer(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Tagged<WorkspaceView>> {
    let (workspace, membership) = ownership::accept(&id, &caller).await?;
    Ok(WorkspaceView::tagged(&workspace, &membership))
}
