//! A guest whose versions differ by marks in its file, which tests change: no compiler is needed to
//! make another version.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use sbd_sdk::Query;
use serde::Deserialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Found and changed in the file by tests; read where no compiler can know it.
static MARKS: &str = "sbd-marks:version=0000;health=well;answer=good;";

/// Parts of an answer, each of which names the version.
const PARTS: usize = 4;

#[derive(Deserialize)]
struct Slow {
    ms: u64,
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A body of several parts, with a pause before each.
struct Parts {
    left: usize,
    ms: u64,
    waiting: Option<Wait>,
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.ms > 0 {
            let ms = self.ms;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(wait(ms)));
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        self.left -= 1;
        let part = format!("{}\n", mark("version"));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(part)))))
    }
}

async fn wait(ms: u64) {
    wasip3::clocks::monotonic_clock::wait_for(ms * 1_000_000).await;
}

fn mark(name: &str) -> &'static str {
    let marks: &'static str = std::hint::black_box(MARKS);
    let (_, rest) = marks.split_once(&format!("{name}=")).unwrap_or_default();
    rest.split(';').next().unwrap_or_default()
}

fn answer(ms: u64) -> Response {
    if mark("answer") != "good" {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let parts = Parts {
        left: PARTS,
        ms,
        waiting: None,
    };
    ([("x-version", mark("version"))], Body::new(parts)).into_response()
}

async fn version() -> Response {
    answer(0)
}

async fn slow(Query(slow): Query<Slow>) -> Response {
    answer(slow.ms)
}

async fn health() -> StatusCode {
    if mark("health") == "well" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/versioned/version", get(version))
        .route("/versioned/slow", get(slow))
        .route("/-/health", get(health))
}

sbd_sdk::component!(router);
