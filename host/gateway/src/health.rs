//! Is the server alive, and does it take requests?

use crate::error::Refusal;
use http::{HeaderValue, Response, header};
use sbd_runtime::{Body, body};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What both listeners report.
pub(crate) struct Health {
    started: Instant,
    ready: AtomicBool,
    /// What others have to say, by subject.
    notes: Mutex<BTreeMap<&'static str, Value>>,
}

// === impl Health ===

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            ready: AtomicBool::new(true),
            notes: Mutex::default(),
        }
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Refused while starting and once shutdown begins, so that balancers look elsewhere.
    pub(crate) fn ready(&self) -> Result<(), Refusal> {
        if self.ready.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(Refusal::not_ready())
        }
    }

    pub(crate) fn note(&self, subject: &'static str, state: Value) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.insert(subject, state);
    }

    /// All there is to know, for administrators.
    pub(crate) fn detail(&self, name: &str, version: &str, components: Value) -> Response<Body> {
        let ready = self.ready.load(Ordering::Acquire);
        let mut detail = json!({
            "status": if ready { "ok" } else { "not ready" },
            "application": name,
            "version": version,
            "uptime_seconds": self.started.elapsed().as_secs(),
            "components": components,
        });
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        for (subject, state) in notes.iter() {
            detail[*subject] = state.clone();
        }
        let mut response = Response::new(body::full(detail.to_string()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        no_store(&mut response);
        response
    }
}

/// A short text for probes.
pub(crate) fn plain(text: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    no_store(&mut response);
    response
}

/// Yesterday's health is worse than none.
fn no_store(response: &mut Response<Body>) {
    let never = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, never);
}
