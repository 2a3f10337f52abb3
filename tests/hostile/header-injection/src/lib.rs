//! Answers with headers and states that are not its to give.
//!
//! Stopped by the host's check of every header and status.

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use sbd_sdk::{Json, Query};
use serde::Deserialize;
use serde_json::{Value, json};
use wasip3::http::types::Fields;

const TRIES: [(&str, &[u8]); 12] = [
    ("x-split", b"a\r\nset-cookie: b=c"),
    ("x-feed", b"a\nb"),
    ("x-nul", b"a\0b"),
    ("x y", b"a"),
    ("x:y", b"a"),
    ("", b"a"),
    ("connection", b"close"),
    ("transfer-encoding", b"chunked"),
    ("upgrade", b"h2c"),
    ("keep-alive", b"timeout=1000000"),
    ("host", b"elsewhere"),
    ("proxy-connection", b"close"),
];

#[derive(Deserialize)]
struct Code {
    code: u16,
}

/// What the host's headers take.
async fn fields() -> Json<Value> {
    let mut taken = serde_json::Map::new();
    for (name, value) in TRIES {
        let outcome = match Fields::new().append(name, value) {
            Ok(()) => json!("TAKEN"),
            Err(error) => json!(format!("{error:?}")),
        };
        taken.insert(name.to_owned(), outcome);
    }
    Json(Value::Object(taken))
}

/// Headers that are the host's to set.
async fn run() -> Response {
    let ours = [
        ("sbd-caller", "eyJ1c2VyIjoidXNyX3Jvb3QifQ.AAAA"),
        ("sbd-revoked", "ses_1"),
        ("sbd-tenant", "other"),
        ("x-request-id", "req_mine"),
    ];
    (ours, "hello").into_response()
}

/// A header of so many bytes.
async fn huge(Query(code): Query<Code>) -> Response {
    ([("x-huge", "x".repeat(usize::from(code.code)))], "hello").into_response()
}

async fn status(Query(code): Query<Code>) -> Response {
    match StatusCode::from_u16(code.code) {
        Ok(status) => (status, "with a body").into_response(),
        Err(error) => error.to_string().into_response(),
    }
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/header-injection/ok", get(async || "ok"))
        .route("/header-injection/fields", get(fields))
        .route("/header-injection/run", get(run))
        .route("/header-injection/huge", get(huge))
        .route("/header-injection/status", get(status))
}

sbd_sdk::component!(router);
