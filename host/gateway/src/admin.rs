//! The admin listener: what operators and their monitoring read, on an address of its own that
//! need not be reachable from outside.

use crate::error::Refusal;
use crate::headers;
use crate::health::{Health, plain};
use crate::request_id::RequestId;
use http::{HeaderValue, Method, Request, Response, header};
use sbd_runtime::{Body, body};

/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers one request on the admin listener.
pub(crate) fn answer<B>(
    health: &Health,
    render: &impl Fn() -> String,
    request: &Request<B>,
) -> Response<Body> {
    let id = RequestId::new();
    let path = request.uri().path();
    let known = ["/metrics", "/healthz", "/readyz"].contains(&path);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let answer = match path {
        _ if known && !reads => Err(Refusal::method_not_allowed("GET, HEAD")),
        "/metrics" => Ok(metrics(render())),
        "/healthz" => Ok(plain("ok\n")),
        "/readyz" => health.ready().map(|()| plain("ready\n")),
        _ => Err(Refusal::not_found()),
    };
    let mut response = answer.unwrap_or_else(|refusal| refusal.into_response(&id.text));
    headers::finish(response.headers_mut(), id.header);
    response
}

fn metrics(text: String) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
    response
}
