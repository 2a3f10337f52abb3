//! Writes as many lines as it can.
//!
//! Stopped by `log_rate`.

use utoipa_axum::router::OpenApiRouter;

async fn run() -> &'static str {
    let line = "flood ".repeat(200);
    for _ in 0..16 * 1024 {
        println!("{line}");
    }
    "flooded"
}

/// Every address of the component.
pub fn router() -> OpenApiRouter {
    use axum::routing::get;
    OpenApiRouter::new()
        .route("/log-flood/ok", get(async || "ok"))
        .route("/log-flood/run", get(run))
}

sbd_sdk::component!(router);
