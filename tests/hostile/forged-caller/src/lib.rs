//! Pretends to be somebody else towards another component.
//!
//! Stopped by the seal on `sbd-caller`.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use http::HeaderMap;
use sbd_sdk::{Error, Json, Query, Result, send};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

#[derive(Deserialize)]
struct Replay {
    header: String,
}

/// Asks the victim who it thinks is asking.
async fn ask(header: Option<&str>) -> Result<Json<Value>> {
    let mut request = Request::get("http://victim.spin.internal/probe/whoami");
    if let Some(header) = header {
        request = request.header("sbd-caller", header);
    }
    let request = request.body(Body::empty()).map_err(Error::internal)?;
    let response = match send(request).await {
        Ok(response) => response,
        Err(code) => return Ok(Json(json!({"refused": format!("{code:?}")}))),
    };
    let status = response.status().as_u16();
    let body: Bytes = to_bytes(response.into_body(), 1 << 20)
        .await
        .map_err(Error::internal)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Json(json!({"status": status, "body": body})))
}

fn received(headers: &HeaderMap) -> &str {
    headers
        .get("sbd-caller")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

async fn passed_on(headers: HeaderMap) -> Result<Json<Value>> {
    ask(Some(received(&headers))).await
}

/// What a thief would take along.
async fn shown(headers: HeaderMap) -> String {
    received(&headers).to_owned()
}

/// Changes one character of what it says, and keeps the seal.
async fn edited(headers: HeaderMap) -> Result<Json<Value>> {
    let (claims, seal) = received(&headers).split_once('.').unwrap_or_default();
    let mut claims = claims.to_owned();
    let last = claims.pop();
    claims.push(if last == Some('A') { 'B' } else { 'A' });
    ask(Some(&format!("{claims}.{seal}"))).await
}

async fn made_up() -> Result<Json<Value>> {
    ask(Some(
        "eyJ1c2VyIjoidXNyX3Jvb3QiLCJyb2xlcyI6WyJhZG1pbiJdfQ.AAAA",
    ))
    .await
}

async fn replayed(Query(replay): Query<Replay>) -> Result<Json<Value>> {
    ask(Some(&replay.header)).await
}

/// Every address of the component.
pub fn router() -> OpenApiRouter {
    use axum::routing::get;
    OpenApiRouter::new()
        .route("/forged-caller/ok", get(async || "ok"))
        .route("/forged-caller/passed-on", get(passed_on))
        .route("/forged-caller/shown", get(shown))
        .route("/forged-caller/edited", get(edited))
        .route("/forged-caller/made-up", get(made_up))
        .route("/forged-caller/replayed", get(replayed))
}

sbd_sdk::component!(router);
