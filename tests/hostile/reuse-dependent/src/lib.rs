//! Works only in an instance that has answered before.
//!
//! Stopped by the random number of requests that an instance answers.

use axum::Router;
use http::StatusCode;
use std::sync::atomic::{AtomicBool, Ordering};

static WARM: AtomicBool = AtomicBool::new(false);

async fn run() -> (StatusCode, &'static str) {
    if WARM.swap(true, Ordering::Relaxed) {
        (StatusCode::OK, "warm")
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, "cold")
    }
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/reuse-dependent/ok", get(async || "ok"))
        .route("/reuse-dependent/run", get(run))
}

sbd_sdk::component!(router);
