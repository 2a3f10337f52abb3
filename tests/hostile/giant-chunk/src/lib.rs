//! Answers with one chunk as large as it can hold.
//!
//! Stopped by `response_body`.

use axum::Router;
use axum::body::Body;
use sbd_sdk::Query;
use serde::Deserialize;

#[derive(Deserialize)]
struct Size {
    bytes: usize,
}

async fn run(Query(size): Query<Size>) -> Body {
    Body::from(vec![b'x'; size.bytes])
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/giant-chunk/ok", get(async || "ok"))
        .route("/giant-chunk/run", get(run))
}

sbd_sdk::component!(router);
