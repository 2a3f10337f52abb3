//! A canary release: how a new version does in its first requests decides whether it stays.

use crate::InvokeError;
use crate::body::Body;
use crate::limits::Limit;
use http::Response;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::sync::oneshot;

/// How many requests to look at, and how many of them may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary {
    /// How many requests, from the first.
    pub requests: u32,
    /// So many in a hundred may fail.
    pub percent: u8,
}

/// How a version did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanaryOutcome {
    /// Whether no more failed than may.
    pub passed: bool,
    /// The requests that were looked at.
    pub requests: u32,
    /// Those of them that failed: an answer of 5xx, or none.
    pub failed: u32,
}

/// The watch over one loaded component; none before it is told to.
#[derive(Default)]
pub(crate) struct Watch(OnceLock<Watched>);

struct Watched {
    gate: Canary,
    requests: AtomicU32,
    failed: AtomicU32,
    verdict: Mutex<Option<oneshot::Sender<CanaryOutcome>>>,
}

// === impl Watch ===

impl Watch {
    /// Watches from now on; the answer comes when enough has been seen. `None`: is watched already.
    pub(crate) fn begin(&self, gate: Canary) -> Option<oneshot::Receiver<CanaryOutcome>> {
        let (sender, receiver) = oneshot::channel();
        let watched = Watched {
            gate,
            requests: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            verdict: Mutex::new(Some(sender)),
        };
        self.0.set(watched).ok().map(|()| receiver)
    }

    /// Notes how a request ended.
    pub(crate) fn note(&self, answer: &Result<Response<Body>, InvokeError>) {
        if let Some(watched) = self.0.get() {
            watched.note(has_failed(answer));
        }
    }
}

impl Watched {
    fn note(&self, has_failed: bool) {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if requests > self.gate.requests {
            return;
        }
        let failed =
            self.failed.fetch_add(has_failed.into(), Ordering::Relaxed) + u32::from(has_failed);
        let may_fail = u64::from(self.gate.requests) * u64::from(self.gate.percent) / 100;
        let passed = u64::from(failed) <= may_fail;
        // What has failed too often already cannot make up for it.
        if passed && requests < self.gate.requests {
            return;
        }
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = verdict.take() {
            // Nobody may wait for it any more.
            let _ = sender.send(CanaryOutcome {
                passed,
                requests,
                failed,
            });
        }
    }
}

/// Whether it is the component's fault that there is no good answer.
fn has_failed(answer: &Result<Response<Body>, InvokeError>) -> bool {
    match answer {
        Ok(response) => response.status().is_server_error(),
        Err(
            InvokeError::BodyTooLarge
            | InvokeError::BodyBroken
            | InvokeError::StorageFull
            | InvokeError::SwitchedOff(_)
            | InvokeError::Unauthenticated
            | InvokeError::Forbidden(_),
        ) => false,
        Err(InvokeError::Overloaded { limit, .. }) => *limit == Limit::Failures,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn verdict(gate: Canary, outcomes: &[bool]) -> Option<CanaryOutcome> {
        let watch = Watch::default();
        let mut receiver = watch.begin(gate).unwrap();
        assert!(watch.begin(gate).is_none());
        for failed in outcomes {
            watch.0.get().unwrap().note(*failed);
        }
        receiver.try_recv().ok()
    }

    #[test]
    fn a_version_is_judged_by_its_first_requests() {
        let gate = Canary {
            requests: 10,
            percent: 20,
        };
        let judged = |passed, requests, failed| {
            Some(CanaryOutcome {
                passed,
                requests,
                failed,
            })
        };
        assert_eq!(verdict(gate, &[false; 9]), None);
        assert_eq!(verdict(gate, &[false; 10]), judged(true, 10, 0));
        let two = [
            true, true, false, false, false, false, false, false, false, false, true,
        ];
        assert_eq!(verdict(gate, &two), judged(true, 10, 2));
        assert_eq!(verdict(gate, &[true; 3]), judged(false, 3, 3));
        let last = [
            false, false, false, false, false, false, false, true, true, true,
        ];
        assert_eq!(verdict(gate, &last), judged(false, 10, 3));
        let strict = Canary {
            requests: 5,
            percent: 0,
        };
        assert_eq!(verdict(strict, &[true]), judged(false, 1, 1));
    }
}
