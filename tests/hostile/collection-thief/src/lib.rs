//! Reads the collections of other components, under every name it can think of.
//!
//! Stopped by collections belonging to one component.

use axum::Router;
use sbd_sdk::Json;
use sbd_sdk::documents::Collection;
use serde_json::{Value, json};

const NAMES: [&str; 8] = [
    "users",
    "sessions",
    "auth:users",
    "doc:auth:users",
    "../auth/users",
    "users\" UNION SELECT body FROM \"doc:auth:users",
    "sqlite_schema",
    "",
];

async fn run() -> Json<Value> {
    let mut got = serde_json::Map::new();
    for name in NAMES {
        let found = Collection::<Value>::new(name).find(json!({})).fetch().await;
        let outcome = match found {
            Ok(found) => json!({"documents": found.documents}),
            Err(error) => json!({"refused": format!("{error:?}")}),
        };
        got.insert(name.to_owned(), outcome);
    }
    Json(Value::Object(got))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/collection-thief/ok", get(async || "ok"))
        .route("/collection-thief/run", get(run))
}

sbd_sdk::component!(router);
