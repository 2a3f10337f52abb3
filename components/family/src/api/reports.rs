//! `/api/v1/families/{id}/reports` and `/api/v1/families/{id}/export`.

use crate::export::PARTS;
use crate::model::{FamilyId, require_admin};
use crate::store;
use group::api::export::{self, ExportPage, ExportView};
use group::api::reports::{self, Compliance};
use group::reports::Wanted;
use sbd_sdk::{Caller, Json, Path, Query, Result, operation};

/// Reports what happened in a family in some time: for administrators.
///
/// Whatever was done is in it, how often each thing was, who belongs to the family, and whether anything that was
/// recorded has been altered. That the report was made is recorded too.
#[operation(
    get "/api/v1/families/{id}/reports/compliance", permission = "families:read", answers = "It",
    refuses(forbidden = "The caller is no administrator of it", not_found = "No family the caller belongs to")
)]
pub(crate) async fn get_family_compliance_report(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Query(wanted): Query<Wanted>,
) -> Result<Compliance> {
    reports::compliance(&id, &caller, &wanted).await
}

/// Takes along all that is held of a family, page by page: for administrators. It is recorded.
///
/// What is on its account is in the wallet's statement.
#[operation(
    get "/api/v1/families/{id}/export", permission = "families:read", answers = "A page of it",
    refuses(forbidden = "The caller is no administrator of it", not_found = "No family the caller belongs to")
)]
pub(crate) async fn export_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Query(page): Query<ExportPage>,
) -> Result<Json<ExportView>> {
    require_admin(&store::membership(&id, &caller).await?)?;
    Ok(Json(export::page(&id, &PARTS, &page).await?))
}
