//! `/api/v1/workspaces/{id}/members`.

use crate::listing::{self, MemberFilter, MemberSort};
use crate::model::{Membership, WorkspaceId};
use crate::permissions::{Permissions, Role};
use crate::{members, store};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, Listing, NoContent, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A member of a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceMember)]
pub(crate) struct MemberView {
    /// The user's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    user_id: String,
    /// The user's name.
    username: String,
    /// What the user is in the workspace.
    role: Role,
    /// What the user may do in it.
    permissions: Permissions,
    /// Since when the user belongs to it.
    joined_at: Time,
    /// Since when the user listens to what happens in it; not at all now if it is not there.
    present_since: Option<Time>,
}

/// What a member is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceMemberRoleInput)]
pub(crate) struct MemberRoleInput {
    role: Role,
}

/// Lists the members of a workspace the caller belongs to, and which of them are there now.
#[operation(
    get "/api/v1/workspaces/{id}/members", permission = "workspaces:read",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_members(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    listing: Listing<MemberSort, MemberFilter>,
) -> Result<Json<Page<MemberView>>> {
    store::membership(&id, &caller).await?;
    let page = listing::members(&id, &listing).await?;
    let present = members::present(&id).await;
    Ok(Json(page.map(|member| {
        let since = present.get(&member.user_id).copied();
        MemberView::new(member, since)
    })))
}

/// Reads a member of a workspace the caller belongs to.
#[operation(
    get "/api/v1/workspaces/{id}/members/{user}", permission = "workspaces:read", answers = "The member",
    parameters(user = "The user's id"),
    refuses(not_found = "No workspace the caller belongs to, or no member of it")
)]
pub(crate) async fn get_workspace_member(
    caller: Caller,
    Path((id, user)): Path<(WorkspaceId, String)>,
) -> Result<Json<MemberView>> {
    store::membership(&id, &caller).await?;
    let member = store::member(&id, &user).await?;
    let since = members::present(&id).await.get(&user).copied();
    Ok(Json(MemberView::new(member, since)))
}

/// Gives a member another role; with the permission `members`, and all that the roles say.
#[operation(
    put "/api/v1/workspaces/{id}/members/{user}/role", permission = "workspaces:write",
    answers = "The member as it is now", parameters(user = "The user's id"),
    refuses(
        forbidden = "The caller gives no roles, or may not all that the member may, before and after",
        not_found = "No workspace the caller belongs to, or no member of it",
        conflict = "It is the owner, or the workspace is archived"
    )
)]
pub(crate) async fn set_workspace_role(
    caller: Caller,
    Path((id, user)): Path<(WorkspaceId, String)>,
    Json(input): Json<MemberRoleInput>,
) -> Result<Json<MemberView>> {
    let member = members::set_role(&id, &caller, &user, &input.role).await?;
    let since = members::present(&id).await.get(&user).copied();
    Ok(Json(MemberView::new(member, since)))
}

/// Leaves a workspace, or sends a member away, with the permission `members` and all that the member may.
#[operation(
    delete "/api/v1/workspaces/{id}/members/{user}", permission = "workspaces:write",
    parameters(user = "The user's id; one's own to leave"),
    refuses(
        forbidden = "The caller sends nobody away, or may not all that the member may",
        not_found = "No workspace the caller belongs to, or no member of it",
        conflict = "It is the owner"
    )
)]
pub(crate) async fn remove_workspace_member(
    caller: Caller,
    Path((id, user)): Path<(WorkspaceId, String)>,
) -> Result<NoContent> {
    members::remove(&id, &caller, &user).await?;
    Ok(NoContent)
}

impl MemberView {
    fn new(member: Membership, present_since: Option<Time>) -> Self {
        Self {
            user_id: member.user_id,
            username: member.username,
            role: member.role,
            permissions: member.permissions,
            joined_at: member.joined_at,
            present_since,
        }
    }
}
