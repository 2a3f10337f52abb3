//! Calls itself deeper and deeper.
//!
//! Stopped by the stack that every guest has.

use axum::Router;

/// Of two calls within each other only the outer one can become a loop.
fn down(n: u64) -> u64 {
    if n == u64::MAX {
        return 0;
    }
    down(down(n + 1) | 1)
}

async fn run() -> String {
    down(std::hint::black_box(0)).to_string()
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/deep-recursion/ok", get(async || "ok"))
        .route("/deep-recursion/run", get(run))
}

sbd_sdk::component!(router);
