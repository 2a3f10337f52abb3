//! `/api/v1/workspaces/{id}/deletion`, and deleting itself.

use crate::deletion;
use crate::model::WorkspaceId;
use group::api::deletion::{Decision, PlanView};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Json, NoContent, Path, Query, Result, operation};

/// Shows what there is to decide before a workspace is deleted; for its owner.
#[operation(
    get "/api/v1/workspaces/{id}/deletion", permission = "workspaces:read", answers = "What there is to decide",
    refuses(
        forbidden = "The caller is not its owner",
        not_found = "No workspace the caller belongs to"
    )
)]
pub(crate) async fn get_workspace_deletion(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<PlanView>> {
    Ok(Json(deletion::plan(&id, &caller).await?))
}

/// Deletes a workspace; for its owner.
///
/// What is on its account goes to a member, or in equal shares to all, who have them a moment later. Nothing is
/// deleted while anything is reserved, or the account is frozen. Its notes and libraries go with it.
#[operation(
    delete "/api/v1/workspaces/{id}", permission = "workspaces:write",
    refuses(
        forbidden = "The caller is not its owner",
        not_found = "No workspace the caller belongs to",
        conflict = "There is a balance and it is not said whose it is to be, or something of it is reserved or frozen: `BALANCE_UNDECIDED`, `HOLDS_OPEN`, `ACCOUNT_FROZEN`"
    )
)]
pub(crate) async fn delete_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    wanted: Preconditions,
    Query(decision): Query<Decision>,
) -> Result<NoContent> {
    let heir = decision.heir()?;
    deletion::delete(&id, &caller, &wanted, heir.as_ref()).await?;
    Ok(NoContent)
}
