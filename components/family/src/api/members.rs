//! `/api/v1/families/{id}/members`.

use crate::listing::{self, MemberFilter, MemberSort};
use crate::model::{FamilyId, Membership, Role};
use crate::{members, store};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, Listing, NoContent, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A member of a family.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyMember)]
pub(crate) struct MemberView {
    /// The user's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    user_id: String,
    /// The user's name.
    username: String,
    /// What the user is in the family.
    role: Role,
    /// Whether others answer for the user.
    minor: bool,
    /// Who answers for a minor: ids of members.
    guardians: Vec<String>,
    /// Since when.
    joined_at: Time,
}

/// What a member is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyRoleInput)]
pub(crate) struct RoleInput {
    role: Role,
}

/// Who is to answer for a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyGuardiansInput)]
pub(crate) struct GuardiansInput {
    /// The ids of at most 5 members who are no minors; none for a member who is grown up.
    guardians: Vec<String>,
}

/// Lists the members of a family the caller belongs to.
#[operation(
    get "/api/v1/families/{id}/members", permission = "families:read",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn list_family_members(
    caller: Caller,
    Path(id): Path<FamilyId>,
    listing: Listing<MemberSort, MemberFilter>,
) -> Result<Json<Page<MemberView>>> {
    store::reader(&id, &caller).await?;
    let page = listing::members(&id, &listing).await?;
    Ok(Json(page.map(MemberView::from)))
}

/// Reads a member of a family the caller belongs to.
#[operation(
    get "/api/v1/families/{id}/members/{user}", permission = "families:read", answers = "The member",
    parameters(user = "The user's id"), refuses(not_found = "No family the caller belongs to, or no member of it")
)]
pub(crate) async fn get_family_member(
    caller: Caller,
    Path((id, user)): Path<(FamilyId, String)>,
) -> Result<Json<MemberView>> {
    Ok(Json(members::get(&id, &caller, &user).await?.into()))
}

/// Makes a member an administrator, or an administrator a member again; for administrators.
///
/// There is an administrator at any time, and 20 at most. Minors cannot be one.
#[operation(
    put "/api/v1/families/{id}/members/{user}/role", permission = "families:write",
    answers = "The member as it is now", parameters(user = "The user's id"),
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to, or no member of it",
        conflict = "It is the last administrator, or a minor"
    )
)]
pub(crate) async fn set_family_role(
    caller: Caller,
    Path((id, user)): Path<(FamilyId, String)>,
    Json(input): Json<RoleInput>,
) -> Result<Json<MemberView>> {
    Ok(Json(
        members::set_role(&id, &caller, &user, input.role)
            .await?
            .into(),
    ))
}

/// Makes a member a minor for whom others answer, or grown up again; for administrators.
///
/// A minor is no administrator and no guardian, does not leave alone, and lifts no limits.
#[operation(
    put "/api/v1/families/{id}/members/{user}/guardians", permission = "families:write",
    answers = "The member as it is now", parameters(user = "The user's id"),
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to, or no member of it",
        conflict = "It is an administrator, or a guardian"
    )
)]
pub(crate) async fn set_family_guardians(
    caller: Caller,
    Path((id, user)): Path<(FamilyId, String)>,
    Json(input): Json<GuardiansInput>,
) -> Result<Json<MemberView>> {
    let member = members::set_guardians(&id, &caller, &user, &input.guardians).await?;
    Ok(Json(member.into()))
}

/// Leaves a family, or sends a member away.
///
/// Administrators send others away, and guardians their minors. The last administrator and a minor's last
/// guardian stay until there is another one; whoever is the only member deletes the family instead.
#[operation(
    delete "/api/v1/families/{id}/members/{user}", permission = "families:write",
    parameters(user = "The user's id; one's own to leave"),
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to, or no member of it",
        conflict = "The member cannot be missing, or is a minor who leaves alone"
    )
)]
pub(crate) async fn remove_family_member(
    caller: Caller,
    Path((id, user)): Path<(FamilyId, String)>,
) -> Result<NoContent> {
    members::remove(&id, &caller, &user).await?;
    Ok(NoContent)
}

impl From<Membership> for MemberView {
    fn from(membership: Membership) -> Self {
        Self {
            user_id: membership.user_id,
            username: membership.username,
            role: membership.role,
            minor: membership.minor,
            guardians: membership.guardians,
            joined_at: membership.joined_at,
        }
    }
}
