//! Makes ten thousand calls of capabilities at once.
//!
//! Stopped by `capability_calls`.

use futures::future::join_all;
use sbd_sdk::{Json, Query, cache};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

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

/// Every address of the component.
pub fn router() -> OpenApiRouter {
    use axum::routing::get;
    OpenApiRouter::new()
        .route("/parallel-calls/ok", get(async || "ok"))
        .route("/parallel-calls/run", get(run))
}

sbd_sdk::component!(router);
