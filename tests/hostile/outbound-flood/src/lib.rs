//! Sends as many requests to the outside as it can, one by one or all at once, and reads whatever
//! comes back.
//!
//! Stopped by `outbound_requests`, `outbound_in_flight` and `outbound_response`.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use futures::future::join_all;
use http::StatusCode;
use sbd_sdk::{Query, send};
use serde::Deserialize;

#[derive(Deserialize)]
struct Flood {
    to: String,
    n: usize,
}

/// How many bytes came back; `None` if it was refused or broke off.
async fn one(to: &str) -> Option<usize> {
    let request = Request::get(to).body(Body::empty()).ok()?;
    let response = send(request).await.ok()?;
    let body = to_bytes(response.into_body(), usize::MAX).await.ok()?;
    Some(body.len())
}

fn answer(answers: &[Option<usize>]) -> (StatusCode, String) {
    let bytes: usize = answers.iter().flatten().sum();
    let status = if answers.contains(&None) {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    };
    (status, bytes.to_string())
}

async fn in_turn(Query(flood): Query<Flood>) -> (StatusCode, String) {
    let mut answers = Vec::new();
    for _ in 0..flood.n {
        answers.push(one(&flood.to).await);
    }
    answer(&answers)
}

async fn at_once(Query(flood): Query<Flood>) -> (StatusCode, String) {
    let answers = (0..flood.n).map(|_| one(&flood.to));
    answer(&join_all(answers).await)
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/outbound-flood/ok", get(async || "ok"))
        .route("/outbound-flood/in-turn", get(in_turn))
        .route("/outbound-flood/at-once", get(at_once))
}

sbd_sdk::component!(router);
