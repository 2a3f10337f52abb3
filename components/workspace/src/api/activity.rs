//! `/api/v1/workspaces/{id}/activity`, and who hears of it in real time.

use crate::activity::{self, Happened, Wanted};
use crate::model::WorkspaceId;
use crate::store;
use sbd_sdk::audit::ActorKind;
use sbd_sdk::channels::Channel;
use sbd_sdk::{Caller, Json, Path, Query, Result, channels, operation};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What happened in a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceActivities)]
pub(crate) struct ActivitiesView {
    /// The newest first.
    items: Vec<ActivityView>,
    /// Where the next page begins; none on the last.
    next: Option<String>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceActivity)]
pub(crate) struct ActivityView {
    /// Its place among all that happened in the workspace, from 1.
    number: u64,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: String,
    /// What was done.
    #[schema(example = "workspace.member.added")]
    action: String,
    /// How whoever did it came to do it.
    kind: ActorKind,
    /// The id of the user who did it.
    actor: Option<String>,
    /// What that user is called, if they are a member still.
    actor_name: Option<String>,
    /// More about it; nothing where it is of the account, and not for the caller.
    #[schema(value_type = Object)]
    data: Value,
}

/// Lists what happened in a workspace the caller belongs to, the newest first.
#[operation(
    get "/api/v1/workspaces/{id}/activity", permission = "workspaces:read", answers = "What happened",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_activity(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<ActivitiesView>> {
    let (happened, next) = activity::page(&id, &caller, wanted).await?;
    Ok(Json(ActivitiesView {
        items: happened.into_iter().map(ActivityView::from).collect(),
        next,
    }))
}

/// Its members.
#[channels("workspace:")]
pub(crate) async fn may_listen(
    caller: Caller,
    Channel(workspace_id): Channel<WorkspaceId>,
) -> Result<()> {
    caller.require("workspaces:read")?;
    store::membership(&workspace_id, &caller).await.map(drop)
}

impl From<Happened> for ActivityView {
    fn from(happened: Happened) -> Self {
        let entry = happened.entry;
        Self {
            number: entry.number,
            at: entry.at,
            action: entry.action,
            kind: entry.kind,
            actor: entry.actor,
            actor_name: happened.name,
            data: entry.data,
        }
    }
}
