//! Keeps as much as it can, for ever: large documents, many documents, values.
//!
//! Stopped by `stored_bytes` and `stored_documents`.

use axum::Router;
use sbd_sdk::Result;
use sbd_sdk::documents::Collection;
use sbd_sdk::keyvalue::Bucket;
use serde_json::{Value, json};

const HOARD: Collection<Value> = Collection::new("hoard");

async fn large() -> Result<&'static str> {
    loop {
        HOARD.insert(&json!({"text": "x".repeat(100_000)})).await?;
    }
}

async fn many() -> Result<&'static str> {
    loop {
        HOARD.insert_all(&vec![json!({}); 100]).await?;
    }
}

async fn values() -> Result<&'static str> {
    let bucket = Bucket::open("default")?;
    for n in 0_u64.. {
        bucket.set(&n.to_string(), &[0; 10_000])?;
    }
    Ok("all of it")
}

async fn clear() -> Result<String> {
    let deleted = HOARD.delete_many(json!({})).await?;
    Ok(deleted.to_string())
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/hoarder/ok", get(async || "ok"))
        .route("/hoarder/large", get(large))
        .route("/hoarder/many", get(many))
        .route("/hoarder/values", get(values))
        .route("/hoarder/clear", get(clear))
}

sbd_sdk::component!(router);
