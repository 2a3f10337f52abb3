//! `/api/v1/families`.

use crate::listing::{self, FamilyFilter, FamilySort};
use crate::model::{Draft, Family, FamilyId, Membership, Role};
use crate::{changes, creation, store};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Created, Idempotency, Json, Listing, Path, Result, Tagged, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a family is to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FamilyInput {
    /// 1 to 100 characters; spaces around it are dropped.
    #[schema(min_length = 1, max_length = 100, example = "The Lovelaces")]
    name: String,
    /// At most 500 characters.
    #[serde(default)]
    #[schema(max_length = 500)]
    description: Option<String>,
}

/// A family, as a member sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Family)]
pub(crate) struct FamilyView {
    #[schema(inline)]
    id: FamilyId,
    /// Its name.
    name: String,
    /// What it is about.
    description: Option<String>,
    /// How many members it has.
    member_count: u64,
    /// What the caller is in it.
    role: Role,
    /// Whose limit it counts against: whoever created it, or took it over.
    owner: String,
    /// To whom the owner offers it.
    offered_to: Option<String>,
    /// Whether it is being deleted.
    closing: bool,
    /// When it was created.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
    /// Goes up by one with every change; also the `ETag`.
    version: u64,
}

/// Creates a family; the caller becomes its administrator.
#[operation(
    post "/api/v1/families", permission = "families:write", location = "The family's address",
    refuses(conflict = "The caller has as many families as one user may")
)]
pub(crate) async fn create_family(
    caller: Caller,
    key: Idempotency,
    Json(input): Json<FamilyInput>,
) -> Result<Created<Tagged<FamilyView>>> {
    creation::create(&caller, input.check()?, &key, |family, membership| {
        let location = format!("/api/v1/families/{}", family.id);
        Created::at(&location, &FamilyView::tagged(family, membership))
    })
    .await
}

/// Lists the families the caller belongs to.
#[operation(get "/api/v1/families", permission = "families:read")]
pub(crate) async fn list_families(
    caller: Caller,
    listing: Listing<FamilySort, FamilyFilter>,
) -> Result<Json<Page<FamilyView>>> {
    let page = listing::families(&caller, &listing).await?;
    Ok(Json(page.map(|(family, membership)| {
        FamilyView::tagged(&family, &membership).body
    })))
}

/// Reads a family the caller belongs to.
#[operation(
    get "/api/v1/families/{id}", permission = "families:read", answers = "The family",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn get_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Tagged<FamilyView>> {
    let (family, membership) = store::seen(&id, &caller).await?;
    Ok(FamilyView::tagged(&family, &membership))
}

/// Replaces a family's name and description; for its administrators.
#[operation(
    put "/api/v1/families/{id}", permission = "families:write", answers = "The family as it is now",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        conflict = "It was changed at the same moment"
    )
)]
pub(crate) async fn replace_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
    wanted: Preconditions,
    Json(input): Json<FamilyInput>,
) -> Result<Tagged<FamilyView>> {
    let (family, membership) = changes::replace(&id, &caller, input.check()?, &wanted).await?;
    Ok(FamilyView::tagged(&family, &membership))
}

impl FamilyInput {
    fn check(&self) -> Result<Draft> {
        Draft::check(&self.name, self.description.as_deref())
    }
}

impl FamilyView {
    pub(crate) fn tagged(family: &Family, membership: &Membership) -> Tagged<Self> {
        let body = Self {
            id: family.id.clone(),
            name: family.name.clone(),
            description: family.description.clone(),
            member_count: family.member_count,
            role: membership.role,
            // One of a version before, in a list: whoever created it.
            owner: match family.owner.as_str() {
                "" => family.created_by.clone(),
                owner => owner.to_owned(),
            },
            offered_to: family.offer.as_ref().map(|offer| offer.to.clone()),
            closing: family.closing.is_some(),
            created_at: family.created_at,
            updated_at: family.updated_at,
            version: family.version,
        };
        Tagged {
            version: family.version,
            body,
        }
    }
}
