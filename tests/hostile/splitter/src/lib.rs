//! Puts what it was sent into a header as it is.
//!
//! Stopped by the host's check of every header.

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use sbd_sdk::{Error, Query, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Raw {
    value: String,
}

async fn run(Query(raw): Query<Raw>) -> Result<Response> {
    // An honest library refuses; a careless one would not.
    #[expect(unsafe_code, reason = "a careless guest")]
    // SAFETY: an invalid value breaks no memory rule; it is what the host must refuse.
    let value = unsafe { HeaderValue::from_maybe_shared_unchecked(raw.value.into_bytes()) };
    let mut response = "split".into_response();
    response.headers_mut().insert("x-said", value.clone());
    response.headers_mut().insert("location", value);
    Some(response).ok_or_else(|| Error::not_found("answer"))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/splitter/ok", get(async || "ok"))
        .route("/splitter/run", get(run))
}

sbd_sdk::component!(router);
