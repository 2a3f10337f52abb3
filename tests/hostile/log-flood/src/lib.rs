//! Writes as many lines as it can.
//!
//! Stopped by `log_rate`.

use axum::Router;

async fn run() -> &'static str {
    let line = "flood ".repeat(200);
    for _ in 0..16 * 1024 {
        println!("{line}");
    }
    "flooded"
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/log-flood/ok", get(async || "ok"))
        .route("/log-flood/run", get(run))
}

sbd_sdk::component!(router);
