//! The stream as Server-Sent Events.

use crate::realtime::session::{Next, Session};
use bytes::Bytes;
use futures::stream;
use http::{HeaderName, HeaderValue, Response, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use sbd_runtime::Body;

/// Keeps proxies from collecting what is to be heard at once.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The answer, which goes on for as long as somebody listens.
pub(super) fn answer(session: Session) -> Response<Body> {
    let events = stream::unfold(Some(session), |session| async {
        let mut session = session?;
        match session.next().await {
            Next::Say(said) => Some((event(said.id(), said.text()), Some(session))),
            Next::End(ending) => Some((event(None, &ending.last()?), None)),
        }
    });
    let body = StreamBody::new(events).boxed_unsync();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Neither ids nor messages have a line's end in them.
fn event<E>(id: Option<&str>, text: &[u8]) -> Result<Frame<Bytes>, E> {
    let mut event = Vec::with_capacity(text.len() + 64);
    if let Some(id) = id {
        event.extend_from_slice(b"id: ");
        event.extend_from_slice(id.as_bytes());
        event.push(b'\n');
    }
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(text);
    event.extend_from_slice(b"\n\n");
    Ok(Frame::data(event.into()))
}
