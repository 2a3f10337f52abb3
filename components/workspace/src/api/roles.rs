//! `/api/v1/workspaces/{id}/roles`.

use crate::model::WorkspaceId;
use crate::permissions::{Permission, Permissions, Role, RoleId};
use crate::roles::{self, Draft, OwnRole};
use sbd_sdk::{Caller, Created, Json, NoContent, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a role is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceRoleInput)]
pub(crate) struct RoleInput {
    /// 1 to 50 characters, unlike the other roles' names.
    #[schema(min_length = 1, max_length = 50, example = "Treasurer")]
    name: String,
    /// What may be done in it; everybody reads.
    permissions: Vec<Permission>,
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceRoleView)]
pub(crate) struct RoleView {
    id: Role,
    name: String,
    /// What may be done in it.
    permissions: Permissions,
    /// Whether every workspace has it.
    built_in: bool,
}

/// The roles of a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceRoles)]
pub(crate) struct RolesView {
    /// Those that every workspace has, and then its own, by name.
    items: Vec<RoleView>,
}

/// Lists the roles of a workspace the caller belongs to.
#[operation(
    get "/api/v1/workspaces/{id}/roles", permission = "workspaces:read", answers = "Its roles",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_roles(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<RolesView>> {
    let own = roles::list(&id, &caller).await?;
    let built_in = Role::BUILT_IN.into_iter().map(|role| RoleView {
        name: role.as_str().to_owned(),
        permissions: role.built_in().unwrap_or_default(),
        id: role,
        built_in: true,
    });
    let items = built_in.chain(own.into_iter().map(RoleView::from));
    Ok(Json(RolesView {
        items: items.collect(),
    }))
}

/// Makes a role of a workspace's own; with the permission `roles`, and all that the role is to have.
#[operation(
    post "/api/v1/workspaces/{id}/roles", permission = "workspaces:write", location = "The role's address",
    refuses(
        forbidden = "The caller makes no roles, or may not all that it says",
        not_found = "No workspace the caller belongs to",
        conflict = "Another role has this name, there are 50 roles, or the workspace is archived"
    )
)]
pub(crate) async fn create_workspace_role(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Json(input): Json<RoleInput>,
) -> Result<Created<RoleView>> {
    let role = roles::create(&id, &caller, input.check()?).await?;
    let location = format!("/api/v1/workspaces/{id}/roles/{}", role.id);
    Created::at(&location, &role.into())
}

/// Changes a role of a workspace's own, and at once what all who have it may do.
#[operation(
    put "/api/v1/workspaces/{id}/roles/{role}", permission = "workspaces:write",
    answers = "The role as it is now",
    refuses(
        forbidden = "The caller makes no roles, or may not all that it says, before and after",
        not_found = "No workspace the caller belongs to, or no role of it",
        conflict = "Another role has this name, or the workspace is archived"
    )
)]
pub(crate) async fn replace_workspace_role(
    caller: Caller,
    Path((id, role)): Path<(WorkspaceId, RoleId)>,
    Json(input): Json<RoleInput>,
) -> Result<Json<RoleView>> {
    let role = roles::replace(&id, &caller, &role, input.check()?).await?;
    Ok(Json(role.into()))
}

/// Deletes a role of a workspace's own that no member has.
#[operation(
    delete "/api/v1/workspaces/{id}/roles/{role}", permission = "workspaces:write",
    refuses(
        forbidden = "The caller makes no roles, or may not all that it says",
        not_found = "No workspace the caller belongs to, or no role of it",
        conflict = "Members have it, or newcomers get it: `ROLE_IN_USE`"
    )
)]
pub(crate) async fn delete_workspace_role(
    caller: Caller,
    Path((id, role)): Path<(WorkspaceId, RoleId)>,
) -> Result<NoContent> {
    roles::delete(&id, &caller, &role).await?;
    Ok(NoContent)
}

impl RoleInput {
    fn check(self) -> Result<Draft> {
        Draft::check(&self.name, self.permissions)
    }
}

impl From<OwnRole> for RoleView {
    fn from(role: OwnRole) -> Self {
        Self {
            id: Role::Own(role.id),
            name: role.name,
            permissions: role.permissions,
            built_in: false,
        }
    }
}
