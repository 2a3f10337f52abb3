//! Asking an issuer.

use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode, Uri, header};
use sbd_sdk::{Error, Result, send};
use serde_json::Value;

/// Bytes of an answer at most.
const MOST: usize = 1024 * 1024;
/// Who asks: some answer nobody who does not say.
const AGENT: &str = "second-brain";

/// What to send.
pub(crate) struct Ask<'a> {
    pub(crate) to: &'a str,
    /// `Authorization`, if it takes one.
    pub(crate) authorization: Option<String>,
    /// What is posted, form-encoded; nothing is got.
    pub(crate) form: Option<String>,
}

/// The JSON that an issuer answers, be it a refusal or not.
pub(crate) async fn ask(ask: Ask<'_>) -> Result<Value> {
    let host = ask.to.parse::<Uri>().ok();
    let host = host.and_then(|uri| uri.authority().map(ToString::to_string));
    let host = host.unwrap_or_default();
    let method = if ask.form.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let mut request = Request::builder()
        .method(method)
        .uri(ask.to)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, AGENT);
    if let Some(authorization) = ask.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    if ask.form.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    let request = request.body(Body::from(ask.form.unwrap_or_default()));
    let request = request.map_err(|error| failed(&host, &error.to_string()))?;
    let answer = send(request)
        .await
        .map_err(|code| failed(&host, &code.to_string()))?;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), MOST).await;
    let body = body.map_err(|error| failed(&host, &error.to_string()))?;
    serde_json::from_slice(&body).map_err(|_| failed(&host, &format!("{status}, and no JSON")))
}

/// An issuer that does not do what it should. Why is for the log.
pub(crate) fn failed(host: &str, cause: &str) -> Error {
    let message = "the provider cannot be asked, or answers what it should not; try again, and tell an administrator if it goes on";
    Error::new(StatusCode::BAD_GATEWAY, "PROVIDER_FAILED", message)
        .caused_by(format_args!("provider {host}: {cause}"))
}
