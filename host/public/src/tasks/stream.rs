//! A task as it goes on, as Server-Sent Events in the form of `docs/streams.md`: `stream.ready`,
//! `task.progress` now and whenever it is another one, `task.ended`, and `stream.end`.

use super::seen::Seen;
use bytes::Bytes;
use futures::stream::unfold;
use http::{Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use jiff::Timestamp;
use sbd_runtime::{Body, Runtime, TaskStore};
use sbd_tasks::{Change, Task};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Whoever hears nothing for two of these should connect again.
const HEARTBEAT: Duration = Duration::from_secs(25);

/// When to come back.
const BACK_MS: u64 = 1000;

/// One who listens. It does not keep the tenant open.
struct Listener {
    runtime: Runtime,
    tenant: Arc<str>,
    id: String,
    changes: Receiver<Change>,
    stopping: CancellationToken,
    /// What is to be said before anything else.
    ready: VecDeque<Value>,
    /// The task as it was told last.
    told: Value,
    is_over: bool,
}

/// The answer that tells of a task until it has ended.
pub(super) fn of(
    runtime: Runtime,
    tenant: Arc<str>,
    store: &TaskStore,
    id: String,
    stopping: CancellationToken,
) -> Response<Body> {
    let heartbeat = u64::try_from(HEARTBEAT.as_millis()).unwrap_or_default();
    let listener = Listener {
        runtime,
        tenant,
        // Before the first look, so that no end is missed.
        changes: store.tasks.changes(),
        ready: VecDeque::from([message("stream.ready", json!({"heartbeat_ms": heartbeat}))]),
        id,
        stopping,
        told: Value::Null,
        is_over: false,
    };
    let lines = unfold(listener, |mut listener| async move {
        let message = listener.next().await?;
        let line = Bytes::from(format!("data: {message}\n\n"));
        Some((Ok(Frame::data(line)), listener))
    });
    let mut response = Response::new(StreamBody::new(lines).boxed_unsync());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}

// === impl Listener ===

impl Listener {
    /// The next message; `None`: there is no more.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if self.is_over {
                return None;
            }
            if self.told.is_null() {
                self.look().await;
                continue;
            }
            tokio::select! {
                () = self.stopping.cancelled() => self.come_back(),
                changed = changed(&mut self.changes, &self.id) => match changed {
                    true => self.look().await,
                    // The tenant was closed, as nothing went on there.
                    false => self.come_back(),
                },
                () = tokio::time::sleep(HEARTBEAT) => self.say("stream.ping", Value::Null),
            }
        }
    }

    /// Tells of the task if it is not as it was told.
    async fn look(&mut self) {
        let task = match self.task().await {
            Ok(Some(task)) => task,
            Ok(None) => return self.end("done", "The task was forgotten; nothing follows."),
            Err(error) => {
                tracing::error!(
                    tenant = &*self.tenant,
                    task = self.id,
                    error,
                    "a task could not be read for whoever listens"
                );
                return self.come_back();
            }
        };
        let seen = serde_json::to_value(Seen::of(&task)).unwrap_or_default();
        if seen == self.told {
            return;
        }
        self.told = seen.clone();
        if task.state.is_ended() {
            self.say("task.ended", seen);
            self.end("done", "The task has ended; nothing follows.");
        } else {
            self.say("task.progress", seen);
        }
    }

    async fn task(&self) -> Result<Option<Task>, String> {
        let store = self.runtime.tasks(&self.tenant).await;
        let store = store.map_err(|error| error.to_string())?;
        let task = store.tasks.get(&self.id).await;
        task.map_err(|error| error.to_string())
    }

    fn come_back(&mut self) {
        self.say("stream.reconnect", json!({"after_ms": BACK_MS}));
        self.is_over = true;
    }

    fn end(&mut self, code: &str, words: &str) {
        self.say("stream.end", json!({"code": code, "message": words}));
        self.is_over = true;
    }

    fn say(&mut self, kind: &str, data: Value) {
        self.ready.push_back(message(kind, data));
    }
}

/// Waits until something about a task may be otherwise. False: nobody will say so any more.
async fn changed(changes: &mut Receiver<Change>, id: &str) -> bool {
    loop {
        match changes.recv().await {
            Ok(change) if *change.id != *id => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}

fn message(kind: &str, data: Value) -> Value {
    // To the millisecond, as every time.
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond());
    let mut message = json!({"type": kind, "time": now.unwrap_or_default().to_string()});
    if !data.is_null() {
        message["data"] = data;
    }
    message
}
