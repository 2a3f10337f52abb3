//! Calls `ping`, which calls it.
//!
//! Stopped by `call_depth`.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use sbd_sdk::{Error, Result, call};

async fn run() -> Result<Response> {
    let request = Request::get("/ping/run")
        .body(Body::empty())
        .map_err(Error::internal)?;
    call("ping", request).await
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/pong/ok", get(async || "ok"))
        .route("/pong/run", get(run))
}

sbd_sdk::component!(router);
