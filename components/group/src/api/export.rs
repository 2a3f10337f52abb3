//! All that is held of a group, as it is answered.

use crate::Group;
use crate::export::{self, Part};
use sbd_sdk::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which page of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportPage {
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A page of all that is held of a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupExport)]
pub struct ExportView {
    parts: Vec<PartView>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
}

/// What is held of one kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupExportPart)]
pub struct PartView {
    /// Of which: `memberships`, for example. One that is on two pages goes on.
    name: &'static str,
    /// As they are stored.
    #[schema(value_type = Vec<Object>)]
    documents: Vec<Value>,
}

/// A page of what these collections hold of a group, and of what was recorded of it; that it is taken is recorded.
/// Whether it is the caller's to take is known before.
///
/// # Errors
/// When the page is of no export, or it cannot be read.
pub async fn page<G: Group>(group: &G, parts: &[Part], page: &ExportPage) -> Result<ExportView> {
    let exported = export::page(group, parts, page.cursor.as_deref()).await?;
    let parts = exported.parts.into_iter();
    let parts = parts.map(|(name, documents)| PartView { name, documents });
    Ok(ExportView {
        parts: parts.collect(),
        next: exported.next,
    })
}
