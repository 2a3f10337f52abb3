//! Takes handles and never gives one back.
//!
//! Stopped by `handles`.

use axum::Router;
use wasip3::http::types::Fields;

async fn run() -> String {
    let mut leaked = 0_u32;
    while leaked < 1_000_000 {
        std::mem::forget(Fields::new());
        leaked += 1;
    }
    leaked.to_string()
}

/// The same with streams, of which the host keeps both ends.
async fn streams() -> String {
    let mut leaked = 0_u32;
    while leaked < 1_000_000 {
        std::mem::forget(wasip3::wit_stream::new::<u8>());
        leaked += 1;
    }
    leaked.to_string()
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/handle-leak/ok", get(async || "ok"))
        .route("/handle-leak/run", get(run))
        .route("/handle-leak/streams", get(streams))
}

sbd_sdk::component!(router);
