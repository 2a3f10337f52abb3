//! Answers with one chunk as large as it can hold.
//!
//! Stopped by `response_body`.

use axum::body::Body;
use sbd_sdk::Query;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

#[derive(Deserialize)]
struct Size {
    bytes: usize,
}

async fn run(Query(size): Query<Size>) -> Body {
    Body::from(vec![b'x'; size.bytes])
}

/// Every address of the component.
pub fn router() -> OpenApiRouter {
    use axum::routing::get;
    OpenApiRouter::new()
        .route("/giant-chunk/ok", get(async || "ok"))
        .route("/giant-chunk/run", get(run))
}

sbd_sdk::component!(router);
