//! Answers with headers and the first bytes of a body that never goes on.
//!
//! Stopped by `response_stall`.

use axum::Router;
use axum::body::{Body, Bytes};
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

const YEAR: u64 = 365 * 24 * 3600 * 1_000_000_000;

/// A body that says one thing and then nothing for a year.
struct Stalled {
    said: bool,
    year: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl http_body::Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.said, true) {
            return self.year.as_mut().poll(cx).map(|()| None);
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"wait for it")))))
    }
}

async fn run() -> Body {
    Body::new(Stalled {
        said: false,
        year: Box::pin(wasip3::clocks::monotonic_clock::wait_for(YEAR)),
    })
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/stalls/ok", get(async || "ok"))
        .route("/stalls/run", get(run))
}

sbd_sdk::component!(router);
