//! Asks for what no database should answer.
//!
//! Stopped by the limits of `documents`.

use axum::Router;
use sbd_sdk::documents::Collection;
use sbd_sdk::{Json, Result};
use serde_json::{Value, json};

const BOMBS: Collection<Value> = Collection::new("bombs");

fn outcome<T>(result: std::result::Result<T, sbd_sdk::DocumentsError>) -> Value {
    match result {
        Ok(_) => json!("answered"),
        Err(error) => json!(format!("{error:?}")),
    }
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({"n": 1}), |inner, _| json!({"$or": [inner]}))
}

/// Fills the collection once.
async fn fill() -> Result<&'static str> {
    let list: Vec<u32> = (0..1000).collect();
    let documents: Vec<Value> = (0..500)
        .map(|n| json!({"n": n, "list": list, "other": list}))
        .collect();
    BOMBS.insert_all(&documents).await?;
    Ok("filled")
}

async fn run() -> Json<Value> {
    let many: Vec<u32> = (0..200_000).collect();
    let wide: Vec<Value> = (0..50_000).map(|n| json!({"n": n})).collect();
    let unwound = json!([
        {"$unwind": "$list"}, {"$unwind": "$other"}, {"$group": {"_id": "$list", "all": {"$push": "$other"}}},
    ]);
    let grouped =
        json!([{"$unwind": "$list"}, {"$group": {"_id": null, "all": {"$push": "$other"}}}]);
    Json(json!({
        "nested": outcome(BOMBS.find(nested(500)).fetch().await),
        "in": outcome(BOMBS.find(json!({"n": {"$in": many}})).fetch().await),
        "or": outcome(BOMBS.find(json!({"$or": wide})).fetch().await),
        "unwound": outcome(BOMBS.aggregate::<Value>(unwound).await),
        "grouped": outcome(BOMBS.aggregate::<Value>(grouped).await),
    }))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/query-bomb/ok", get(async || "ok"))
        .route("/query-bomb/fill", get(fill))
        .route("/query-bomb/run", get(run))
}

sbd_sdk::component!(router);
