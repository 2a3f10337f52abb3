//! Sends requests to names that lead into the host's own network.
//!
//! Stopped by the check of every address that is connected to.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use sbd_sdk::{Error, Json, Query, Result, send};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Goal {
    to: String,
}

async fn run(Query(goal): Query<Goal>) -> Result<Json<Value>> {
    let request = Request::get(goal.to)
        .body(Body::empty())
        .map_err(Error::internal)?;
    Ok(Json(match send(request).await {
        Ok(response) => json!({"status": response.status().as_u16()}),
        Err(code) => json!({"refused": format!("{code:?}")}),
    }))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/private-address/ok", get(async || "ok"))
        .route("/private-address/run", get(run))
}

sbd_sdk::component!(router);
