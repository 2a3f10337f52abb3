//! Takes a request and waits for ever.
//!
//! Stopped by `request_timeout`.

use axum::Router;

const YEAR: u64 = 365 * 24 * 3600 * 1_000_000_000;

async fn run() -> &'static str {
    wasip3::clocks::monotonic_clock::wait_for(YEAR).await;
    "a year later"
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/never-answers/ok", get(async || "ok"))
        .route("/never-answers/run", get(run))
}

sbd_sdk::component!(router);
