//! One attempt at a task.

use crate::outcome::Outcome;
use bytes::Bytes;
use jiff::Timestamp;
use sbd_contract::{Principal, path};
use sbd_pace::Backoff;
use sbd_runtime::{Authenticated, Call, Class, DelegationError, Question, Runtime, TaskStore};
use sbd_tasks::limits::{LEASE, MAX_DATA_BYTES};
use sbd_tasks::{Claimed, Error, Finish, State, Target, Task};
use serde::de::IgnoredAny;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use uuid::Uuid;

/// When a task that failed is tried again.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(1),
    most: Duration::from_secs(15 * 60),
};

/// When a task is looked at again whose component is not there, at the earliest.
const AWAY: Duration = Duration::from_millis(500);

/// Room for an answer; one that is larger than a result may be is refused by what it is.
const ROOM: usize = 4 * MAX_DATA_BYTES;

/// How often an end is written down before it is left to the end of the lease, and how long between.
const WRITTEN: u32 = 3;
const BETWEEN: Duration = Duration::from_secs(1);

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// The task is there, whatever the component made of it.
    Answered(State),
    /// The component was not there.
    Away,
    /// The task was somebody else's meanwhile, or had ended.
    Lost,
}

/// An attempt at a task that was taken to be worked on.
pub(crate) struct Attempt {
    pub(crate) runtime: Runtime,
    pub(crate) store: TaskStore,
    pub(crate) tenant: Arc<str>,
    pub(crate) claimed: Claimed,
}

// === impl Attempt ===

impl Attempt {
    /// Works on the task to the end of the attempt.
    pub(crate) async fn make(self) -> Came {
        let outcome = tokio::select! {
            outcome = self.send() => outcome,
            // What is under way is dropped, and with it the request.
            () = self.lost() => return Came::Lost,
        };
        let is_away = matches!(outcome, Outcome::Unreachable(_));
        let finish = self.finish(outcome);
        match self.write(finish).await {
            Some(_) if is_away => Came::Away,
            Some(state) => Came::Answered(state),
            None => Came::Lost,
        }
    }

    fn task(&self) -> &Task {
        &self.claimed.task
    }

    /// Sends the task to its component.
    async fn send(&self) -> Outcome {
        let task = self.task();
        let request_id: Arc<str> = format!("req_{}", Uuid::now_v7().simple()).into();
        let principal = match self.principal(&request_id).await {
            Ok(principal) => principal,
            Err(error @ DelegationError::Unanswered(_)) => {
                return Outcome::Failed(error.to_string());
            }
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let call = Call {
            tenant: Arc::clone(&self.tenant),
            component: Arc::clone(&task.component),
            request_id,
            class: Class::Tasks,
            principal: Some(Arc::new(principal)),
        };
        let address = match &task.target {
            Target::Task(name) => format!("{}{name}", path::TASKS),
            Target::Schedule(name) => format!("{}{name}", path::SCHEDULES),
        };
        let question = Question::post_json(&address, self.body()).with_room(ROOM);
        Outcome::of(self.runtime.application().ask(call, question).await)
    }

    /// Who acts: the component itself, or for a user what that user may do by now.
    async fn principal(&self, request_id: &Arc<str>) -> Result<Authenticated, DelegationError> {
        let Some(sealed) = &self.claimed.delegation else {
            let component = Arc::clone(&self.task().component);
            return Ok(Principal::service(Arc::clone(&self.tenant), component).into());
        };
        let application = self.runtime.application();
        application.resume(&self.tenant, request_id, sealed).await
    }

    /// The task as its component receives it. What is JSON already stays as it is, to the digit.
    fn body(&self) -> Bytes {
        let Task { id, attempts, .. } = self.task();
        let (data, results) = (&self.claimed.data, self.claimed.results.join(","));
        if let Target::Schedule(_) = self.task().target {
            // What a tick is about is the time that it stands for.
            return format!(r#"{{"id":"{id}","attempt":{attempts},"due":{data}}}"#).into();
        }
        format!(r#"{{"id":"{id}","attempt":{attempts},"data":{data},"results":[{results}]}}"#)
            .into()
    }

    /// Prolongs the lease as long as the task is ours.
    async fn lost(&self) {
        let Task { id, attempts, .. } = self.task();
        let mut changes = self.store.tasks.changes();
        let third = Duration::from_secs(LEASE.as_secs().unsigned_abs()) / 3;
        let mut renewals = tokio::time::interval_at(Instant::now() + third, third);
        loop {
            tokio::select! {
                _ = renewals.tick() => {}
                change = changes.recv() => match change {
                    Ok(change) if change.is_ended && *change.id == **id => return,
                    Ok(_) => continue,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
            }
            let lease = Timestamp::now() + LEASE;
            match self.store.tasks.renew(id, *attempts, lease).await {
                Ok(true) => {}
                Ok(false) => return,
                // The next may work, before the lease ends.
                Err(error) => self.not_written(&error),
            }
        }
    }

    fn finish(&self, outcome: Outcome) -> Finish {
        let now = Timestamp::now();
        let later = |delay: Duration| now.checked_add(delay).unwrap_or(Timestamp::MAX);
        match outcome {
            Outcome::Taken(body) => taken(&body),
            Outcome::Refused(reason) => Finish::Failed { reason },
            Outcome::Failed(reason) => Finish::Again {
                at: later(RETRY.after(self.task().attempts)),
                reason,
            },
            Outcome::Unreachable(reason) => {
                tracing::debug!(
                    tenant = &*self.tenant,
                    component = &*self.task().component,
                    task = self.task().id,
                    reason,
                    "the component is not there; its tasks wait"
                );
                Finish::NotBegun { at: later(AWAY) }
            }
        }
    }

    /// Writes the end of the attempt down. Answers where the task is then; `None`: it is not ours.
    async fn write(&self, mut finish: Finish) -> Option<State> {
        let Task { id, attempts, .. } = self.task();
        for _ in 0..WRITTEN {
            let now = Timestamp::now();
            let written = self
                .store
                .tasks
                .finish(id, *attempts, finish.clone(), now)
                .await;
            match written {
                Ok(state) => return state,
                // There is no room for its result, and will be none the next time.
                Err(error) if error.over_quota().is_some() => {
                    let reason = error.to_string();
                    finish = Finish::Failed { reason };
                }
                Err(error) => {
                    self.not_written(&error);
                    tokio::time::sleep(BETWEEN).await;
                }
            }
        }
        None
    }

    fn not_written(&self, error: &Error) {
        tracing::warn!(
            tenant = &*self.tenant,
            task = self.task().id,
            %error,
            "what becomes of a task could not be written down; it is tried again, and the task comes again in the end"
        );
    }
}

/// The result in an answer.
fn taken(body: &[u8]) -> Finish {
    let failed = |reason: String| Finish::Failed { reason };
    if body.is_empty() {
        let result = "null".to_owned();
        return Finish::Succeeded { result };
    }
    if body.len() > MAX_DATA_BYTES {
        return failed(format!(
            "its result has {} bytes, and may have {MAX_DATA_BYTES}; keep what is large elsewhere, and answer where",
            body.len()
        ));
    }
    let json: Result<IgnoredAny, _> = serde_json::from_slice(body);
    match (json, std::str::from_utf8(body)) {
        (Ok(_), Ok(text)) => Finish::Succeeded {
            result: text.to_owned(),
        },
        _ => failed("its answer is no JSON; answer with JSON, or with 204".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_json_of_a_bounded_size() {
        let result = |result: &str| Finish::Succeeded {
            result: result.to_owned(),
        };
        assert_eq!(taken(b""), result("null"));
        assert_eq!(taken(b"{\"n\":1}"), result("{\"n\":1}"));
        let large = format!("\"{}\"", "x".repeat(MAX_DATA_BYTES));
        for wrong in ["<html>", "\u{1}", &large] {
            assert!(matches!(taken(wrong.as_bytes()), Finish::Failed { .. }));
        }
    }
}
