//! `/tenants/{name}/tasks`

use super::answers::{By, Failure, Fields, most};
use crate::{Admin, Error};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use sbd_tasks::{State as TaskState, Task};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Only those in this state: `blocked`, `waiting`, `running`, `succeeded`, `failed` or `canceled`.
    state: Option<String>,
    /// So many of the newest are left out.
    #[serde(default)]
    offset: u64,
    /// How many, up to 1000; 100 when left out.
    most: Option<u32>,
}

/// A task.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskBody {
    /// By which it is called.
    id: String,
    /// The component that works on it.
    component: String,
    /// Its name, or that of the schedule whose tick it is.
    name: String,
    /// The queue it waits in.
    queue: String,
    /// Where it is.
    state: &'static str,
    /// From 0 to 9; the highest begins first.
    priority: u8,
    /// How often it was begun.
    attempts: u32,
    /// How often it may be tried again.
    retries: u32,
    /// The user for whom it acts.
    user: Option<String>,
    /// From 0 to 1, what it last said.
    fraction: Option<f64>,
    /// What it last said, for people.
    message: Option<String>,
    /// Why it failed, or failed last.
    reason: Option<String>,
    /// When it was enqueued.
    created_at: String,
    /// When it begins at the earliest.
    ready_at: String,
    /// When it ended.
    ended_at: Option<String>,
}

/// Some of a tenant's tasks.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskList {
    /// The newest first.
    items: Vec<TaskBody>,
    /// How many there are in all.
    total: u64,
}

impl TaskBody {
    fn new(task: Task) -> Self {
        let name = task.target.name().to_owned();
        let (fraction, message) = match task.progress {
            Some(said) => (Some(said.fraction), said.message),
            None => (None, None),
        };
        Self {
            id: task.id,
            component: task.component.to_string(),
            name,
            queue: task.queue,
            state: task.state.word(),
            priority: task.priority,
            attempts: task.attempts,
            retries: task.retries,
            user: task.user.map(|user| user.to_string()),
            fraction,
            message,
            reason: task.reason,
            created_at: task.created_at.to_string(),
            ready_at: task.ready_at.to_string(),
            ended_at: task.ended_at.map(|ended| ended.to_string()),
        }
    }
}

/// Lists tasks, the newest first. What they are about and what they answered is not shown.
#[utoipa::path(get, path = "/tenants/{name}/tasks", params(Which), responses((status = 200, body = TaskList)))]
pub(crate) async fn list(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Fields(which): Fields<Which>,
) -> Result<Json<TaskList>, Failure> {
    let most = most(which.most)?;
    let state = which.state.as_deref().map(state).transpose()?;
    let listed = admin.tasks(&name, state, which.offset, most).await?;
    Ok(Json(TaskList {
        items: listed.tasks.into_iter().map(TaskBody::new).collect(),
        total: listed.total,
    }))
}

/// Shows one of them.
#[utoipa::path(get, path = "/tenants/{name}/tasks/{id}", responses((status = 200, body = TaskBody)))]
pub(crate) async fn show(
    State(admin): State<Admin>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<TaskBody>, Failure> {
    let task = admin.task(&name, &id).await?;
    Ok(Json(TaskBody::new(task)))
}

/// Cancels one that has not ended, with those that come after it.
#[utoipa::path(post, path = "/tenants/{name}/tasks/{id}/cancel", responses((status = 204)))]
pub(crate) async fn cancel(
    State(admin): State<Admin>,
    By(actor): By,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    admin.cancel_task(&actor, &name, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn state(word: &str) -> Result<TaskState, Failure> {
    let state = TaskState::of_word(word);
    state.ok_or_else(|| {
        let words = TaskState::ALL.map(TaskState::word).join(", ");
        Failure(Error::invalid(format!("`state` is one of {words}")))
    })
}
