//! Calls `pong`, which calls it.
//!
//! Stopped by `call_depth`.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use sbd_sdk::{Error, Result, call};

async fn run() -> Result<Response> {
    let request = Request::get("/pong/run")
        .body(Body::empty())
        .map_err(Error::internal)?;
    call("pong", request).await
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/ping/ok", get(async || "ok"))
        .route("/ping/run", get(run))
}

sbd_sdk::component!(router);
