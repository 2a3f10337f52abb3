//! Computes without end.
//!
//! Stopped by `cpu_time`.

use axum::Router;

async fn run() -> &'static str {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
        if n == u64::MAX {
            return "done";
        }
    }
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/endless-loop/ok", get(async || "ok"))
        .route("/endless-loop/run", get(run))
}

sbd_sdk::component!(router);
