//! Tasks as their owners see them.

use sbd_tasks::{Progress, State, Task};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A page of a list, in the form of every list.
#[derive(Serialize, ToSchema)]
#[schema(as = TaskPage)]
pub(super) struct Page<'a> {
    /// The tasks of this page, the newest first.
    pub(super) items: Vec<Seen<'a>>,
    /// The number of this page, from 1.
    pub(super) page: u32,
    /// How many tasks a page holds.
    pub(super) per_page: u32,
    /// How many tasks there are on all pages.
    pub(super) total: u64,
    /// How many pages there are.
    pub(super) pages: u64,
}

/// A task.
#[derive(Serialize, ToSchema)]
#[schema(as = Task)]
pub(super) struct Seen<'a> {
    /// By which it is called.
    id: &'a str,
    /// What it is.
    name: &'a str,
    /// The component that works on it.
    component: &'a str,
    /// The queue it waits in.
    queue: &'a str,
    #[schema(schema_with = states)]
    state: &'static str,
    /// How often it was begun.
    attempts: u32,
    /// What it last said of how far it has come.
    progress: Option<Said<'a>>,
    /// What it answered.
    result: Option<Value>,
    /// Why it failed, or failed last.
    reason: Option<&'a str>,
    /// When it was enqueued.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
}

/// How far it has come.
#[derive(Serialize, ToSchema)]
#[schema(as = TaskProgress)]
struct Said<'a> {
    /// From 0 to 1.
    fraction: f64,
    /// For people.
    message: Option<&'a str>,
    /// For programs.
    data: Option<Value>,
}

// === impl Seen ===

impl<'a> Seen<'a> {
    pub(super) fn of(task: &'a Task) -> Self {
        Self {
            id: &task.id,
            name: task.target.name(),
            component: &task.component,
            queue: &task.queue,
            state: task.state.word(),
            attempts: task.attempts,
            progress: task.progress.as_ref().map(Said::of),
            result: task.result.as_deref().map(json),
            reason: task.reason.as_deref(),
            created_at: task.created_at.to_string(),
            ended_at: task.ended_at.map(|ended| ended.to_string()),
        }
    }
}

// === impl Said ===

impl<'a> Said<'a> {
    fn of(progress: &'a Progress) -> Self {
        Self {
            fraction: progress.fraction,
            message: progress.message.as_deref(),
            data: progress.data.as_deref().map(json),
        }
    }
}

/// The words for where a task is on its way.
pub(super) fn states() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Where a task is on its way"))
        .enum_values(Some(State::ALL.map(State::word)))
        .build()
}

/// What was checked when it was written.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
