//! Calls `pong`, which calls it.
//!
//! Stopped by `call_depth`.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use sbd_sdk::{Error, Result, call};
use utoipa_axum::router::OpenApiRouter;

async fn run() -> Result<Response> {
    let request = Request::get("/pong/run")
        .body(Body::empty())
        .map_err(Error::internal)?;
    call("pong", request).await
}

/// Every address of the component.
pub fn router() -> OpenApiRouter {
    use axum::routing::get;
    OpenApiRouter::new()
        .route("/ping/ok", get(async || "ok"))
        .route("/ping/run", get(run))
}

sbd_sdk::component!(router);
