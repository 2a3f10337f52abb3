//! Tasks as their owners see them.

use sbd_tasks::{Progress, Task};
use serde::Serialize;
use serde_json::Value;

/// A page of a list, in the form of every list.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    pub(super) items: Vec<Seen<'a>>,
    pub(super) page: u32,
    pub(super) per_page: u32,
    pub(super) total: u64,
    pub(super) pages: u64,
}

/// A task.
#[derive(Serialize)]
pub(super) struct Seen<'a> {
    id: &'a str,
    name: &'a str,
    component: &'a str,
    queue: &'a str,
    state: &'static str,
    attempts: u32,
    progress: Option<Said<'a>>,
    result: Option<Value>,
    reason: Option<&'a str>,
    created_at: String,
    ended_at: Option<String>,
}

/// How far it has come.
#[derive(Serialize)]
struct Said<'a> {
    fraction: f64,
    message: Option<&'a str>,
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

/// What was checked when it was written.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
