//! Calls itself without end, or many times at once.
//!
//! Stopped by `call_depth` and `calls`.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use sbd_sdk::{Error, Result, call};

async fn myself(path: &str) -> Result<Response> {
    let request = Request::get(path)
        .body(Body::empty())
        .map_err(Error::internal)?;
    call("calls-itself", request).await
}

/// Deeper and deeper.
async fn run() -> Result<Response> {
    myself("/calls-itself/run").await
}

/// One call for each of two, for each of two, and so on.
async fn fan() -> Result<Response> {
    myself("/calls-itself/fan").await?;
    myself("/calls-itself/fan").await
}

/// One after the other.
async fn many() -> Result<Response> {
    loop {
        myself("/calls-itself/ok").await?;
    }
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/calls-itself/ok", get(async || "ok"))
        .route("/calls-itself/run", get(run))
        .route("/calls-itself/fan", get(fan))
        .route("/calls-itself/many", get(many))
}

sbd_sdk::component!(router);
