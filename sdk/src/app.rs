//! From a request of the host to the component's router and back.

use crate::context::{Context, Scope};
use crate::{Error, Json, etag};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::{HeaderMap, Method, StatusCode, header};
use http_body::Body as _;
use sbd_contract::path;
use serde_json::json;
use std::sync::Arc;
use tower_service::Service as _;
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{http_from_wasi_request, http_into_wasi_response};

/// A component, ready to answer. Made once per instance; clones share everything.
#[derive(Clone, Debug)]
pub struct App {
    router: Router,
}

/// What of a request decides how its answer is finished.
struct Asked {
    method: Method,
    if_none_match: Option<String>,
}

// === impl App ===

impl App {
    /// Completes a router with what every component answers: `/-/health` (unless it has one of its own,
    /// which answers 5xx where it is not well), `/-/openapi.json`, and the standard error for unknown
    /// addresses and methods.
    pub(crate) fn new(router: Router, description: MethodRouter) -> Self {
        let rest = Router::new()
            .route(path::HEALTH, get(async || Json(json!({"status": "ok"}))))
            .route(path::OFFER, description)
            .fallback(async || Error::not_found("address"))
            .method_not_allowed_fallback(async || Error::method_not_allowed());
        let router = router
            .method_not_allowed_fallback(async || Error::method_not_allowed())
            .fallback_service(rest);
        Self { router }
    }

    /// Answers a request, with its context at hand for whatever runs under it.
    pub async fn respond(&self, request: Request) -> Response {
        let context = Arc::new(Context::from_headers(request.headers()));
        let asked = Asked::of(request.method(), request.headers());
        let mut router = self.router.clone();
        let answer = Scope::new(Arc::clone(&context), async move {
            router.call(request).await.into_response()
        });
        let (response, cause) = Error::complete(answer.await, &context.request_id);
        if let Some(cause) = cause {
            eprintln!("{} {}: {cause}", response.status(), context.request_id);
        }
        asked.finish(response)
    }

    /// Answers a request of the host.
    ///
    /// # Errors
    /// When the answer has a header that the host cannot take.
    pub async fn handle(&self, request: types::Request) -> Result<types::Response, ErrorCode> {
        let response = match http_from_wasi_request(request) {
            Ok(request) => self.respond(request.map(Body::new)).await,
            Err(code) => {
                let message = format!("the request cannot be read ({code}); correct it");
                Error::complete(Error::malformed(message).into_response(), "").0
            }
        };
        http_into_wasi_response(response)
    }
}

// === impl Asked ===

impl Asked {
    fn of(method: &Method, headers: &HeaderMap) -> Self {
        Self {
            method: method.clone(),
            if_none_match: etag::if_none_match(headers),
        }
    }

    /// Leaves out the body where there is none: the caller has it already, or there must be none. The
    /// host holds an answer to its `Content-Length`, which such answers must not have, and all others
    /// whose length is known do.
    fn finish(self, mut response: Response) -> Response {
        let is_read = [Method::GET, Method::HEAD].contains(&self.method);
        if is_read && response.status() == StatusCode::OK && self.is_current(&response) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        let without_body =
            [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
        if self.method == Method::HEAD || without_body {
            response.headers_mut().remove(header::CONTENT_LENGTH);
            *response.body_mut() = Body::empty();
        } else if let Some(length) = response.body().size_hint().exact() {
            let headers = response.headers_mut();
            headers
                .entry(header::CONTENT_LENGTH)
                .or_insert(length.into());
        }
        response
    }

    fn is_current(&self, response: &Response) -> bool {
        let tag = response.headers().get(header::ETAG);
        tag.is_some_and(|tag| etag::is_current(self.if_none_match.as_deref(), tag))
    }
}
