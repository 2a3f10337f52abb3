//! `/api/v1/workspaces/{id}/audit` and `/api/v1/workspaces/{id}/reports`.

use crate::model::WorkspaceId;
use group::api::audit::{self, AuditView, VerificationView};
use group::api::reports::{self, Compliance};
use group::{audit as entries, reports as of};
use sbd_sdk::{Caller, Json, Path, Query, Result, operation};

/// Lists what was done in a workspace, by whom and when, the newest first.
///
/// Each entry is chained to the one before it. Members without the permission `audit` see more than that of what is
/// about themselves only: `data` is null in the others. That somebody has read all of it is recorded.
#[operation(
    get "/api/v1/workspaces/{id}/audit", permission = "workspaces:read", answers = "A page of it",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_audit(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Query(wanted): Query<entries::Wanted>,
) -> Result<Json<AuditView>> {
    Ok(Json(audit::recorded_page(&id, &caller, wanted).await?))
}

/// Follows all that was recorded of a workspace from its beginning, and says whether anything was altered.
#[operation(
    get "/api/v1/workspaces/{id}/audit/verification", permission = "workspaces:read",
    answers = "What was found", refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn verify_workspace_audit(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<VerificationView>> {
    Ok(Json(audit::verification(&id, &caller).await?))
}

/// Reports what happened in a workspace in some time; with the permission `audit`.
///
/// Whatever was done is in it, how often each thing was, who belongs to the workspace, and whether anything that was
/// recorded has been altered. That the report was made is recorded too.
#[operation(
    get "/api/v1/workspaces/{id}/reports/compliance", permission = "workspaces:read", answers = "It",
    refuses(
        forbidden = "The caller's role has not the permission `audit`",
        not_found = "No workspace the caller belongs to"
    )
)]
pub(crate) async fn get_workspace_compliance_report(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Query(wanted): Query<of::Wanted>,
) -> Result<Compliance> {
    reports::compliance(&id, &caller, &wanted).await
}
