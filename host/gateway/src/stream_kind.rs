//! Whether an answer ends by itself. One that does not is a stream: nobody waits for its end, neither
//! whoever sends the next request nor a server that stops.

use http::{HeaderMap, header};
use http_body::Body;

/// The events of `EventSource`, which comes back when they end.
const EVENTS: &str = "text/event-stream";

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its length is known.
    Measured,
    /// It says when it has ended, which may be soon or never.
    Open,
    /// It goes on for as long as somebody listens, and may end between any two events.
    Events,
}

// === impl Kind ===

impl Kind {
    /// Of an answer with these headers and body.
    pub(crate) fn of(headers: &HeaderMap, body: &impl Body) -> Self {
        if is_events(headers) {
            return Self::Events;
        }
        let measured = body.size_hint().exact().is_some();
        if measured || headers.contains_key(header::CONTENT_LENGTH) {
            Self::Measured
        } else {
            Self::Open
        }
    }
}

/// Whether an answer is a stream of events.
pub(crate) fn is_events(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(EVENTS)
}
