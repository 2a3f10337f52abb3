//! Follows redirects wherever they lead.
//!
//! Stopped by every step being a request of its own.

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
    let (mut to, mut steps) = (goal.to, Vec::new());
    while steps.len() < 5 {
        let request = Request::get(&to)
            .body(Body::empty())
            .map_err(Error::internal)?;
        let response = match send(request).await {
            Ok(response) => response,
            Err(code) => {
                steps.push(json!({"to": to, "refused": format!("{code:?}")}));
                break;
            }
        };
        steps.push(json!({"to": to, "status": response.status().as_u16()}));
        let location = response.headers().get("location");
        let Some(location) = location.and_then(|location| location.to_str().ok()) else {
            break;
        };
        to = location.to_owned();
    }
    Ok(Json(json!(steps)))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/redirected/ok", get(async || "ok"))
        .route("/redirected/run", get(run))
}

sbd_sdk::component!(router);
