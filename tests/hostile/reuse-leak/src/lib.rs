//! Keeps what one request said and shows it to the next.
//!
//! Stopped by instances belonging to one tenant.

use axum::Router;
use sbd_sdk::{Json, Query, Tenant};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Mutex;

static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[derive(Deserialize)]
struct Secret {
    secret: String,
}

async fn run(Tenant(tenant): Tenant, Query(secret): Query<Secret>) -> Json<Value> {
    let mut kept = KEPT
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = kept.clone();
    kept.push(format!("{tenant}: {}", secret.secret));
    Json(json!({"before": before}))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/reuse-leak/ok", get(async || "ok"))
        .route("/reuse-leak/run", get(run))
}

sbd_sdk::component!(router);
