//! Requests to other components and to hosts outside, in a test.

use super::world::present;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use wasip3::http::types::ErrorCode;

/// What answers.
pub(super) type Answers = dyn Fn(&Call) -> (u16, Value);

/// What the component asks of somebody else.
#[derive(Clone, Debug)]
pub struct Call {
    /// The component, or the host outside.
    pub to: String,
    /// The method.
    pub method: Method,
    /// The path, with its query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, or a text where it is none; null without one.
    pub body: Value,
}

pub(crate) async fn send(request: Request) -> Result<Response, ErrorCode> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let authority = head
        .uri
        .authority()
        .map_or("", |authority| authority.as_str());
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let call = Call {
        to: authority
            .strip_suffix(".spin.internal")
            .unwrap_or(authority)
            .to_owned(),
        path: path.to_owned(),
        method: head.method,
        headers: head.headers,
        body: match &*body {
            [] => Value::Null,
            body => serde_json::from_slice(body)
                .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into()),
        },
    };
    let world = present("outgoing requests");
    let answers = world.answers.borrow();
    let Some(answers) = &*answers else {
        return Err(ErrorCode::HttpRequestDenied);
    };
    let (status, body) = answers(&call);
    let status = StatusCode::from_u16(status).expect("a status");
    if body.is_null() {
        return Ok(status.into_response());
    }
    let json = [(http::header::CONTENT_TYPE, "application/json")];
    Ok((status, json, Body::from(body.to_string())).into_response())
}
