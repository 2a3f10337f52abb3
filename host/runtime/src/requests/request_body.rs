//! The body of a request on its way in: whoever does not send the rest of it has left.

use crate::body::{Body, BodyError};
use crate::requests::running::RunningRequest;
use bytes::Bytes;
use http::Request;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

struct Watched {
    body: Body,
    running: Arc<RunningRequest>,
}

/// Lets a request know when its body breaks off.
pub(crate) fn watched(request: Request<Body>, running: &Arc<RunningRequest>) -> Request<Body> {
    if request.body().is_end_stream() {
        return request;
    }
    let running = Arc::clone(running);
    request.map(|body| Watched { body, running }.boxed_unsync())
}

// === impl Watched ===

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Err(_)))) {
            self.running.leave();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
