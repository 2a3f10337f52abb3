//! Answers at once and never reads what it was sent.
//!
//! Stopped by nothing: it must simply cost nothing.

use axum::Router;

async fn run() -> &'static str {
    "not interested"
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/ignores-body/ok", get(async || "ok"))
        .route("/ignores-body/run", axum::routing::post(run))
}

sbd_sdk::component!(router);
