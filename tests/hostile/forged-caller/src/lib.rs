//! Pretends to be somebody else towards another component.
//!
//! Stopped by the seal on `sbd-caller`.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use sbd_sdk::{Error, Json, Query, Result, send};
use serde::Deserialize;
use serde_json::{Value, json};

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

/// What is sealed, and the seal.
fn opened(headers: &HeaderMap) -> Result<(Value, String)> {
    let (claims, seal) = received(headers).split_once('.').unwrap_or_default();
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(Error::internal)?;
    let claims = serde_json::from_slice(&claims).map_err(Error::internal)?;
    Ok((claims, seal.to_owned()))
}

fn sealed(claims: &Value, seal: &str) -> String {
    format!("{}.{seal}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// Takes the role of an administrator, and keeps the seal.
async fn edited(headers: HeaderMap) -> Result<Json<Value>> {
    let (mut claims, seal) = opened(&headers)?;
    claims["roles"] = json!(["admin"]);
    ask(Some(&sealed(&claims, &seal))).await
}

/// Asks as if another component did, and keeps the seal.
async fn by_another(headers: HeaderMap) -> Result<Json<Value>> {
    let (mut claims, seal) = opened(&headers)?;
    claims["via"] = json!("family");
    ask(Some(&sealed(&claims, &seal))).await
}

/// The same caller word for word, with a seal of its own making.
async fn made_up(headers: HeaderMap) -> Result<Json<Value>> {
    let (claims, _) = opened(&headers)?;
    ask(Some(&sealed(&claims, &URL_SAFE_NO_PAD.encode([7; 32])))).await
}

async fn replayed(Query(replay): Query<Replay>) -> Result<Json<Value>> {
    ask(Some(&replay.header)).await
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/forged-caller/ok", get(async || "ok"))
        .route("/forged-caller/passed-on", get(passed_on))
        .route("/forged-caller/shown", get(shown))
        .route("/forged-caller/edited", get(edited))
        .route("/forged-caller/by-another", get(by_another))
        .route("/forged-caller/made-up", get(made_up))
        .route("/forged-caller/replayed", get(replayed))
}

sbd_sdk::component!(router);
