//! `/api/v1/workspaces/{id}/statistics`: `group::api::statistics` says what is answered.

use crate::model::WorkspaceId;
use group::api::statistics::{self, Statistics, StatisticsView};
use group::statistics::Wanted;
use http::HeaderMap;
use sbd_sdk::{Caller, Path, Query, Result, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// What a workspace's account was used for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceStatistics)]
pub(crate) struct WorkspaceStatisticsView {
    #[schema(inline)]
    workspace_id: WorkspaceId,
    #[serde(flatten)]
    sums: StatisticsView,
}

/// Sums up what a workspace's account was used for; with `Accept: text/html` as a page with charts.
///
/// By member, by type and over time.
#[operation(
    get "/api/v1/workspaces/{id}/statistics", permission = "workspaces:read", answers = "The sums",
    refuses(
        not_found = "No workspace the caller belongs to",
        overloaded = "The ledger does not answer just now"
    )
)]
pub(crate) async fn get_workspace_statistics(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Statistics<WorkspaceStatisticsView>> {
    let workspace_id = id.clone();
    let view = |sums| WorkspaceStatisticsView { workspace_id, sums };
    statistics::of(&id, &caller, wanted, &headers, view).await
}
