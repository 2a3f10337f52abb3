//! Stores a document as large as it can make one.
//!
//! Stopped by `document_bytes`, a limit of `documents`, and `memory`.

use axum::Router;
use sbd_sdk::documents::Collection;
use sbd_sdk::{Json, Query};
use serde::Deserialize;
use serde_json::{Value, json};

const HUGE: Collection<Value> = Collection::new("huge");

#[derive(Deserialize)]
struct Size {
    bytes: usize,
}

async fn run(Query(size): Query<Size>) -> Json<Value> {
    let document = json!({"text": "x".repeat(size.bytes)});
    Json(match HUGE.insert(&document).await {
        Ok(id) => json!({"stored": id}),
        Err(error) => json!({"refused": format!("{error:?}")}),
    })
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/huge-document/ok", get(async || "ok"))
        .route("/huge-document/run", get(run))
}

sbd_sdk::component!(router);
