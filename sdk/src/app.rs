//! From a request of the host to the component's router and back.

use crate::context::{Context, Scope};
use crate::openapi::{self, About};
use crate::{Error, Json};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{Method, StatusCode, header};
use serde_json::json;
use std::sync::Arc;
use tower_service::Service as _;
use utoipa_axum::router::OpenApiRouter;
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{http_from_wasi_request, http_into_wasi_response};

/// A component, ready to answer. Made once per instance; clones share everything.
#[derive(Clone, Debug)]
pub struct App {
    router: Router,
}

// === impl App ===

impl App {
    /// Completes a router with what every component answers: `/-/health` (unless it has one of its own,
    /// which answers 5xx where it is not well), `/-/openapi.json`, and the standard error for unknown
    /// addresses and methods.
    pub fn new(router: OpenApiRouter, about: About) -> Self {
        let (router, api) = router.split_for_parts();
        let api = Arc::new(api);
        let describe = move || {
            let api = Arc::clone(&api);
            async move { Json(openapi::complete((*api).clone(), about)) }
        };
        let rest = Router::new()
            .route("/-/health", get(async || Json(json!({"status": "ok"}))))
            .route("/-/openapi.json", get(describe))
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
        let method = request.method().clone();
        let mut router = self.router.clone();
        let answer = Scope::new(context, async move {
            router.call(request).await.into_response()
        });
        fit_to_host(&method, answer.await)
    }

    /// Answers a request of the host.
    ///
    /// # Errors
    /// When the answer has a header that the host cannot take.
    pub async fn handle(&self, request: types::Request) -> Result<types::Response, ErrorCode> {
        let response = match http_from_wasi_request(request) {
            Ok(request) => self.respond(request.map(Body::new)).await,
            Err(code) => {
                Error::malformed(format!("the request cannot be read ({code}); correct it"))
                    .into_response()
            }
        };
        http_into_wasi_response(response)
    }
}

/// The host holds an answer to its `Content-Length`, which those without a body must not have.
fn fit_to_host(method: &Method, mut response: Response) -> Response {
    let without_body =
        [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
    if *method == Method::HEAD || without_body {
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::empty();
    }
    response
}
