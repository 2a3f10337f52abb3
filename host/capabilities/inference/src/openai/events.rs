//! Server-Sent Events, as far as these servers send them: the data of each event is one line.

use http::{Response, header};
use hyper::body::Incoming;

/// Whether an answer comes as events.
pub(super) fn is_stream(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.trim_start()
        .to_ascii_lowercase()
        .starts_with("text/event-stream")
}

/// The data of an event in this line, if it is such a line: not empty, a comment or another field.
pub(super) fn data(line: &[u8]) -> Option<&[u8]> {
    let data = line.strip_prefix(b"data:")?;
    Some(data.trim_ascii()).filter(|data| !data.is_empty())
}
