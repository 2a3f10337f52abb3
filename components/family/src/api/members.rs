//! `/api/v1/families/{id}/members`.

use crate::listing::{self, MemberSort};
use crate::model::{Membership, Role};
use crate::store;
use sbd_sdk::paging::{Order, Page, Paging};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, ErrorBody, Json, Path, Query, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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

/// Which members to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MemberQuery {
    /// The page, from 1.
    #[param(minimum = 1, default = 1)]
    page: Option<u32>,
    /// Members on a page, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    per_page: Option<u32>,
    /// What to sort by.
    #[serde(default)]
    #[param(inline, required = false)]
    sort: MemberSort,
    /// Up or down.
    #[serde(default)]
    #[param(inline, required = false)]
    order: Order,
    /// Only members with this role.
    #[param(inline)]
    role: Option<Role>,
}

/// Lists the members of a family the caller belongs to.
#[utoipa::path(
    get, path = "/api/v1/families/{id}/members", operation_id = "listFamilyMembers", tag = "families",
    params(("id" = String, Path, description = "The family's id"), MemberQuery),
    responses(
        (status = 200, description = "A page of members", body = Page<MemberView>),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 404, description = "No family the caller belongs to", body = ErrorBody),
        (status = 422, description = "A query field is wrong", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn list(
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<MemberQuery>,
) -> Result<Json<Page<MemberView>>> {
    let paging = Paging::new(query.page, query.per_page)?;
    store::membership(&id, &caller).await?;
    let page = listing::members(&id, paging, (query.sort, query.order), query.role).await?;
    let items = page.items.into_iter().map(MemberView::from).collect();
    Ok(Json(paging.page(items, page.total)))
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
