//! `/api/v1/families/{id}/audit`.

use crate::audit::{self, Wanted};
use crate::model::FamilyId;
use sbd_sdk::audit::{Entry, Verdict};
use sbd_sdk::{Caller, Json, Path, Query, Result, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// A page of what was done in a family, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyAudit)]
pub(crate) struct AuditView {
    items: Vec<Entry>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
}

/// Whether all that was recorded of a family is as it was recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyAuditVerification)]
pub(crate) struct VerificationView {
    /// Whether it is.
    whole: bool,
    #[serde(flatten)]
    verdict: Verdict,
}

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
    let page = audit::page(&id, &caller, wanted).await?;
    Ok(Json(AuditView {
        items: page.entries,
        next: page.next,
    }))
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
    let verdict = audit::verdict(&id, &caller).await?;
    Ok(Json(VerificationView {
        whole: verdict.broken_at.is_none(),
        verdict,
    }))
}
