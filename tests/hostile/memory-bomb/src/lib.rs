//! Takes memory and uses it until there is none.
//!
//! Stopped by `memory`.

use axum::Router;

async fn run() -> String {
    let mut hoard = Vec::new();
    while hoard.len() < 4096 {
        hoard.push(vec![1_u8; 1 << 20]);
    }
    format!("{} MiB", hoard.len())
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/memory-bomb/ok", get(async || "ok"))
        .route("/memory-bomb/run", get(run))
}

sbd_sdk::component!(router);
