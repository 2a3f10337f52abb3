//! `/api/v1/families/{id}/reports` and `/api/v1/families/{id}/export`.

use crate::export;
use crate::model::FamilyId;
use group::api::reports::{self, Compliance};
use group::reports::Wanted;
use sbd_sdk::{Caller, Json, Path, Query, Result, operation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which page of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportPage {
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A page of all that is held of a family.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyExport)]
pub(crate) struct ExportView {
    parts: Vec<PartView>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
}

/// What is held of one kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyExportPart)]
pub(crate) struct PartView {
    /// Of which: `memberships`, for example. One that is on two pages goes on.
    name: &'static str,
    /// As they are stored.
    #[schema(value_type = Vec<Object>)]
    documents: Vec<Value>,
}

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
    let exported = export::page(&id, &caller, page.cursor.as_deref()).await?;
    let parts = exported.parts.into_iter();
    let parts = parts.map(|(name, documents)| PartView { name, documents });
    Ok(Json(ExportView {
        parts: parts.collect(),
        next: exported.next,
    }))
}
