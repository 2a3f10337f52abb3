//! `/api/v1/families/{id}/audit`.

use crate::model::FamilyId;
use group::api::audit::{self, AuditView, VerificationView};
use group::audit::Wanted;
use sbd_sdk::{Caller, Json, Path, Query, Result, operation};

/// Lists what was done in a family, by whom and when, the newest first.
///
/// Each entry is chained to the one before it. Members who are no administrators see more than that of what is
/// about themselves only: `data` is null in the others.
#[operation(
    get "/api/v1/families/{id}/audit", permission = "families:read", answers = "A page of it",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn list_family_audit(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<AuditView>> {
    Ok(Json(audit::page(&id, &caller, wanted).await?))
}

/// Follows all that was recorded of a family from its beginning, and says whether anything was altered.
#[operation(
    get "/api/v1/families/{id}/audit/verification", permission = "families:read",
    answers = "What was found", refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn verify_family_audit(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<VerificationView>> {
    Ok(Json(audit::verification(&id, &caller).await?))
}
