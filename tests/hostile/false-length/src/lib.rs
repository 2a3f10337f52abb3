//! Says that its answer has another length than it has, so that a client takes the rest of it for the
//! answer to its next request.
//!
//! Stopped by the host, which cuts an answer that is not as it was announced.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use http_body::Frame;
use sbd_sdk::Query;
use serde::Deserialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

#[derive(Deserialize)]
struct Lie {
    announced: usize,
    sent: usize,
}

/// Bytes one by one, whose number nobody knows before.
struct Bytewise(usize);

impl http_body::Body for Bytewise {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
    }
}

async fn run(Query(lie): Query<Lie>) -> Response {
    let announced = [("content-length", lie.announced.to_string())];
    (announced, Body::new(Bytewise(lie.sent))).into_response()
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/false-length/ok", get(async || "ok"))
        .route("/false-length/run", get(run))
}

sbd_sdk::component!(router);
