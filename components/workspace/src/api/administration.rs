//! `/api/v1/workspaces/administration`: for a tenant's administrators.

use crate::administration::{self, Health, SupportFilter, SupportSort};
use crate::model::{Workspace, WorkspaceId};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{By, Json, Listing, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A workspace without what is in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceSupport)]
pub(crate) struct SupportView {
    #[schema(inline)]
    id: WorkspaceId,
    /// The user who owns it.
    owner: String,
    /// How many members it says that it has.
    member_count: u64,
    /// Since when it is archived, if it is.
    archived_at: Option<Time>,
    /// Whether it is being deleted.
    closing: bool,
    created_at: Time,
    updated_at: Time,
    version: u64,
}

/// In which state a workspace is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceHealth)]
pub(crate) struct HealthView {
    #[serde(flatten)]
    workspace: SupportView,
    /// How many members there are.
    members: u64,
    /// How many administrators there are beside the owner.
    admins: u64,
    /// Whether its owner belongs to it.
    owned: bool,
    pending_invitations: u64,
    /// Links by which people join.
    open_links: u64,
    labels: u64,
    pending_requests: u64,
    open_payments: u64,
}

/// Who is to own it, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceAppointmentInput)]
pub(crate) struct AppointmentInput {
    /// The id of a member.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    user_id: String,
    /// It is kept; the owner before, the owner after and the administrators read it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Lists all workspaces of the tenant, without their contents.
#[operation(get "/api/v1/workspaces/administration/workspaces", permission = "admin:workspaces:read")]
pub(crate) async fn list_all_workspaces(
    _: By,
    listing: Listing<SupportSort, SupportFilter>,
) -> Result<Json<Page<SupportView>>> {
    let page = administration::workspaces(&listing).await?;
    Ok(Json(page.map(SupportView::from)))
}

/// Reads in which state a workspace is, without its contents.
#[operation(
    get "/api/v1/workspaces/administration/workspaces/{id}", permission = "admin:workspaces:read",
    answers = "Its state", refuses(not_found = "No such workspace")
)]
pub(crate) async fn get_workspace_health(
    _: By,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<HealthView>> {
    Ok(Json(administration::health(&id).await?.into()))
}

/// Makes a member of a workspace its owner, where the one there was is gone; they and its administrators are told.
#[operation(
    post "/api/v1/workspaces/administration/workspaces/{id}/appointment",
    permission = "admin:workspaces:repair", idempotent, answers = "Its state",
    refuses(
        not_found = "No such workspace, or no member of it",
        conflict = "The member owns as many workspaces as one user may, or it is being deleted"
    )
)]
pub(crate) async fn appoint_workspace_owner(
    by: By,
    Path(id): Path<WorkspaceId>,
    Json(input): Json<AppointmentInput>,
) -> Result<Json<HealthView>> {
    let health = administration::appoint(&id, &by, &input.user_id, &input.reason).await?;
    Ok(Json(health.into()))
}

impl From<Workspace> for SupportView {
    fn from(workspace: Workspace) -> Self {
        Self {
            id: workspace.id,
            owner: workspace.owner,
            member_count: workspace.member_count,
            archived_at: workspace.archived_at,
            closing: workspace.closing.is_some(),
            created_at: workspace.created_at,
            updated_at: workspace.updated_at,
            version: workspace.version,
        }
    }
}

impl From<Health> for HealthView {
    fn from(health: Health) -> Self {
        Self {
            workspace: health.workspace.into(),
            members: health.members,
            admins: health.admins,
            owned: health.owned,
            pending_invitations: health.pending_invitations,
            open_links: health.open_links,
            labels: health.labels,
            pending_requests: health.pending_requests,
            open_payments: health.open_payments,
        }
    }
}
