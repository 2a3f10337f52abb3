//! `/api/v1/families/administration`: for a tenant's administrators.

use crate::administration::{self, Health, SupportFilter, SupportSort};
use crate::model::{Family, FamilyId};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{By, Json, Listing, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A family without what is in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilySupport)]
pub(crate) struct SupportView {
    #[schema(inline)]
    id: FamilyId,
    /// The user against whose limit it counts.
    owner: String,
    /// How many members it says that it has.
    member_count: u64,
    /// How many administrators it says that it has.
    admin_count: u64,
    /// Whether it is being deleted.
    closing: bool,
    created_at: Time,
    updated_at: Time,
    version: u64,
}

/// In which state a family is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyHealth)]
pub(crate) struct HealthView {
    #[serde(flatten)]
    family: SupportView,
    /// How many members there are.
    members: u64,
    /// How many administrators there are.
    admins: u64,
    minors: u64,
    pending_invitations: u64,
    relationships: u64,
    pending_requests: u64,
    open_payments: u64,
}

/// Why something is put right.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyRepairInput)]
pub(crate) struct RepairInput {
    /// It is kept.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Who is to be an administrator, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyAppointmentInput)]
pub(crate) struct AppointmentInput {
    /// The id of a member.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    user_id: String,
    /// It is kept, and the family's administrators read it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Lists all families of the tenant, without their contents.
#[operation(get "/api/v1/families/administration/families", permission = "admin:families:read")]
pub(crate) async fn list_all_families(
    _: By,
    listing: Listing<SupportSort, SupportFilter>,
) -> Result<Json<Page<SupportView>>> {
    let page = administration::families(&listing).await?;
    Ok(Json(page.map(SupportView::from)))
}

/// Reads in which state a family is, without its contents.
#[operation(
    get "/api/v1/families/administration/families/{id}", permission = "admin:families:read",
    answers = "Its state", refuses(not_found = "No such family")
)]
pub(crate) async fn get_family_health(_: By, Path(id): Path<FamilyId>) -> Result<Json<HealthView>> {
    Ok(Json(administration::health(&id).await?.into()))
}

/// Counts the members of a family anew, where what it says is wrong.
#[operation(
    post "/api/v1/families/administration/families/{id}/recount", permission = "admin:families:repair",
    idempotent, answers = "Its state", refuses(not_found = "No such family")
)]
pub(crate) async fn recount_family(
    by: By,
    Path(id): Path<FamilyId>,
    Json(input): Json<RepairInput>,
) -> Result<Json<HealthView>> {
    Ok(Json(
        administration::recount(&id, &by, &input.reason)
            .await?
            .into(),
    ))
}

/// Makes a member of a family its administrator, where none acts; all its administrators are told.
#[operation(
    post "/api/v1/families/administration/families/{id}/appointment", permission = "admin:families:repair",
    idempotent, answers = "Its state",
    refuses(not_found = "No such family, or no member of it", conflict = "The member is a minor")
)]
pub(crate) async fn appoint_family_administrator(
    by: By,
    Path(id): Path<FamilyId>,
    Json(input): Json<AppointmentInput>,
) -> Result<Json<HealthView>> {
    let health = administration::appoint(&id, &by, &input.user_id, &input.reason).await?;
    Ok(Json(health.into()))
}

impl From<Family> for SupportView {
    fn from(family: Family) -> Self {
        Self {
            id: family.id,
            owner: family.owner,
            member_count: family.member_count,
            admin_count: family.admin_count,
            closing: family.closing.is_some(),
            created_at: family.created_at,
            updated_at: family.updated_at,
            version: family.version,
        }
    }
}

impl From<Health> for HealthView {
    fn from(health: Health) -> Self {
        Self {
            family: health.family.into(),
            members: health.members,
            admins: health.admins,
            minors: health.minors,
            pending_invitations: health.pending_invitations,
            relationships: health.relationships,
            pending_requests: health.pending_requests,
            open_payments: health.open_payments,
        }
    }
}
