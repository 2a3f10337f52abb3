//! Makes ten thousand calls of capabilities at once.
//!
//! Stopped by `capability_calls`.

use axum::Router;
use futures::future::join_all;
use sbd_sdk::{Json, Query, Result, cache};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Deserialize)]
struct Number {
    n: usize,
}

/// Says how many succeeded, as an error: what the host says instead is tested.
async fn run(Query(number): Query<Number>) -> (http::StatusCode, Json<Value>) {
    let calls = (0..number.n).map(|_| cache::get::<u32>("nothing"));
    let answers = join_all(calls).await;
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    let status = if answered == number.n {
        http::StatusCode::OK
    } else {
        http::StatusCode::INTERNAL_SERVER_ERROR
    };
    (status, Json(json!({"answered": answered})))
}

/// Keeps giving the cache as much as it takes.
async fn bytes() -> Result<&'static str> {
    let value = "x".repeat(60_000);
    for n in 0..1000 {
        cache::set(&format!("k{}", n % 4), &value, Duration::from_secs(60)).await?;
    }
    Ok("all of it")
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/parallel-calls/ok", get(async || "ok"))
        .route("/parallel-calls/run", get(run))
        .route("/parallel-calls/bytes", get(bytes))
}

sbd_sdk::component!(router);
