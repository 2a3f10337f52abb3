//! Keeps a secret by every capability, and reads what is there under the same names.
//!
//! Stopped by everything belonging to one tenant.

use axum::Router;
use sbd_sdk::documents::Collection;
use sbd_sdk::keyvalue::Bucket;
use sbd_sdk::{Json, Query, Result, cache, keys};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const LOOT: Collection<Value> = Collection::new("loot");
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
struct Secret {
    value: String,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// Stores a secret everywhere, and signs it.
async fn write(Query(secret): Query<Secret>) -> Result<Json<Value>> {
    LOOT.insert(&json!({"_id": "secret", "value": secret.value}))
        .await?;
    Bucket::open("default")?.set("secret", secret.value.as_bytes())?;
    cache::set("secret", &secret.value, HOUR).await?;
    let token = keys::sign("loot", &json!({"value": secret.value}), HOUR).await?;
    Ok(Json(json!({"token": token})))
}

/// Reads whatever is there.
async fn read() -> Result<Json<Value>> {
    let bytes = Bucket::open("default")?.get("secret")?;
    Ok(Json(json!({
        "documents": LOOT.get("secret").await?,
        "keyvalue": bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        "cache": cache::get::<String>("secret").await?,
    })))
}

/// Tries a token that was signed elsewhere.
async fn verify(Query(token): Query<Token>) -> Result<Json<Value>> {
    let verdict = keys::verify::<Value>("loot", &token.token).await?;
    Ok(Json(json!({"verdict": format!("{verdict:?}")})))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/tenant-thief/ok", get(async || "ok"))
        .route("/tenant-thief/write", get(write))
        .route("/tenant-thief/read", get(read))
        .route("/tenant-thief/verify", get(verify))
}

sbd_sdk::component!(router);
