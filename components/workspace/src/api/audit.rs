//! `/api/v1/workspaces/{id}/audit`, `/api/v1/workspaces/{id}/reports` and `/api/v1/workspaces/{id}/export`.

use crate::export::PARTS;
use crate::model::WorkspaceId;
use crate::store;
use group::api::audit::{self, AuditView, VerificationView};
use group::api::export::{self, ExportPage, ExportView};
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

/// Takes along all that is held of a workspace, page by page: for its owner and administrators. It is recorded.
///
/// What is on its account is in the wallet's statement; what lies in it, those who keep that have.
#[operation(
    get "/api/v1/workspaces/{id}/export", permission = "workspaces:read", answers = "A page of it",
    refuses(
        forbidden = "The caller is neither its owner nor an administrator",
        not_found = "No workspace the caller belongs to"
    )
)]
pub(crate) async fn export_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Query(page): Query<ExportPage>,
) -> Result<Json<ExportView>> {
    store::membership(&id, &caller).await?.require_admin()?;
    Ok(Json(export::page(&id, &PARTS, &page).await?))
}
