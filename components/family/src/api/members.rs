//! `/api/v1/families/{id}/members`.

use crate::listing::{self, MemberFilter, MemberSort};
use crate::model::{FamilyId, Membership, Role};
use crate::store;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, Listing, Path, Result, operation};
use serde::Serialize;
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
    /// Since when.
    joined_at: Time,
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
    store::membership(&id, &caller).await?;
    let page = listing::members(&id, &listing).await?;
    Ok(Json(page.map(MemberView::from)))
}

impl From<Membership> for MemberView {
    fn from(membership: Membership) -> Self {
        Self {
            user_id: membership.user_id,
            username: membership.username,
            role: membership.role,
            joined_at: membership.joined_at,
        }
    }
}
