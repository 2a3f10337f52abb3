//! `/api/v1/workspaces`.

use crate::listing::{self, WorkspaceFilter, WorkspaceSort};
use crate::model::{Draft, Membership, Settings, Workspace, WorkspaceId};
use crate::permissions::{Permissions, Role};
use crate::{changes, creation, store};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Created, Idempotency, Json, Listing, Path, Result, Tagged, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a workspace is to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkspaceInput {
    /// 3 to 100 characters; spaces around it are dropped.
    #[schema(min_length = 3, max_length = 100, example = "Analytical Engines")]
    name: String,
    /// At most 500 characters.
    #[serde(default)]
    #[schema(max_length = 500)]
    description: Option<String>,
}

/// A workspace, as a member sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workspace)]
pub(crate) struct WorkspaceView {
    #[schema(inline)]
    id: WorkspaceId,
    /// Its name.
    name: String,
    /// What it is about.
    description: Option<String>,
    settings: Settings,
    /// How many members it has.
    member_count: u64,
    /// What the caller is in it.
    role: Role,
    /// What the caller may do in it.
    permissions: Permissions,
    /// The user who owns it.
    owner: String,
    /// To whom the owner offers it.
    offered_to: Option<String>,
    /// Since when it is archived, if it is: then it is kept as it is.
    archived_at: Option<Time>,
    /// Whether it is being deleted.
    closing: bool,
    /// When it was created.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
    /// Goes up by one with every change; also the `ETag`.
    version: u64,
}

/// Creates a workspace; the caller becomes its owner.
#[operation(
    post "/api/v1/workspaces", permission = "workspaces:write", location = "The workspace's address",
    refuses(conflict = "The caller has as many workspaces as one user may")
)]
pub(crate) async fn create_workspace(
    caller: Caller,
    key: Idempotency,
    Json(input): Json<WorkspaceInput>,
) -> Result<Created<Tagged<WorkspaceView>>> {
    creation::create(&caller, input.check()?, &key, |workspace, membership| {
        let location = format!("/api/v1/workspaces/{}", workspace.id);
        Created::at(&location, &WorkspaceView::tagged(workspace, membership))
    })
    .await
}

/// Lists the workspaces the caller belongs to.
#[operation(get "/api/v1/workspaces", permission = "workspaces:read")]
pub(crate) async fn list_workspaces(
    caller: Caller,
    listing: Listing<WorkspaceSort, WorkspaceFilter>,
) -> Result<Json<Page<WorkspaceView>>> {
    let page = listing::workspaces(&caller, &listing).await?;
    Ok(Json(page.map(|(workspace, membership)| {
        WorkspaceView::tagged(&workspace, &membership).body
    })))
}

/// Reads a workspace the caller belongs to.
#[operation(
    get "/api/v1/workspaces/{id}", permission = "workspaces:read", answers = "The workspace",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn get_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Tagged<WorkspaceView>> {
    let (workspace, membership) = store::workspace(&id, &caller).await?;
    Ok(WorkspaceView::tagged(&workspace, &membership))
}

/// Replaces a workspace's name and description; with the permission `settings`.
#[operation(
    put "/api/v1/workspaces/{id}", permission = "workspaces:write", answers = "The workspace as it is now",
    refuses(
        forbidden = "The caller may not change it",
        not_found = "No workspace the caller belongs to",
        conflict = "It was changed at the same moment, or is archived"
    )
)]
pub(crate) async fn replace_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    wanted: Preconditions,
    Json(input): Json<WorkspaceInput>,
) -> Result<Tagged<WorkspaceView>> {
    let (workspace, membership) = changes::replace(&id, &caller, input.check()?, &wanted).await?;
    Ok(WorkspaceView::tagged(&workspace, &membership))
}

impl WorkspaceInput {
    fn check(&self) -> Result<Draft> {
        Draft::check(&self.name, self.description.as_deref())
    }
}

impl WorkspaceView {
    pub(crate) fn tagged(workspace: &Workspace, membership: &Membership) -> Tagged<Self> {
        let body = Self {
            id: workspace.id.clone(),
            name: workspace.name.clone(),
            description: workspace.description.clone(),
            settings: workspace.settings.clone(),
            member_count: workspace.member_count,
            role: membership.role.clone(),
            permissions: membership.permissions.clone(),
            owner: workspace.owner.clone(),
            offered_to: workspace.offer.as_ref().map(|offer| offer.to.clone()),
            archived_at: workspace.archived_at,
            closing: workspace.closing.is_some(),
            created_at: workspace.created_at,
            updated_at: workspace.updated_at,
            version: workspace.version,
        };
        Tagged {
            version: workspace.version,
            body,
        }
    }
}
