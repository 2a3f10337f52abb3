//! A guest that does what a test asks: call another component, log, wait, stream, fail.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use sbd_sdk::{Answer, Caller, Error, Json, Query, RequestId, Result, Tenant, call, config};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

#[derive(Deserialize)]
struct Log {
    line: String,
    wait_ms: u64,
}

#[derive(Deserialize)]
struct Wait {
    ms: u64,
}

#[derive(Deserialize)]
struct Chain {
    to: String,
    path: String,
}

#[derive(Deserialize)]
struct Endless {
    to: String,
}

async fn wait(ms: u64) {
    wasip3::clocks::monotonic_clock::wait_for(ms * 1_000_000).await;
}

/// Who the host says is asking.
async fn whoami(
    caller: Option<Caller>,
    RequestId(request_id): RequestId,
    Tenant(tenant): Tenant,
) -> Json<Value> {
    let user = caller.map(|caller| {
        json!({"user": caller.user, "username": caller.username, "roles": caller.roles, "via": caller.via})
    });
    Json(json!({"caller": user, "request_id": request_id, "tenant": tenant}))
}

/// Which trace the request is part of.
async fn trace(headers: axum::http::HeaderMap) -> Json<Value> {
    let trace = headers.get("traceparent").map(|trace| trace.to_str());
    Json(json!(trace.and_then(std::result::Result::ok)))
}

/// Logs before and after waiting, so that several requests of one instance overlap.
async fn log(Query(log): Query<Log>) -> &'static str {
    println!("before {}", log.line);
    wait(log.wait_ms).await;
    println!("after {}", log.line);
    "logged"
}

async fn sleep(Query(sleep): Query<Wait>) -> &'static str {
    wait(sleep.ms).await;
    "rested"
}

/// Forwards to another component without passing anything on by hand.
async fn chain(Query(chain): Query<Chain>) -> Result<Response> {
    let request = Request::get(chain.path)
        .body(Body::empty())
        .map_err(Error::internal)?;
    call(&chain.to, request).await
}

/// Hands a body on to another component, and its answer back.
async fn pass(Query(chain): Query<Chain>, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let mut passed = Request::post(chain.path);
    if let Some(content_type) = parts.headers.get("content-type") {
        passed = passed.header("content-type", content_type);
    }
    call(&chain.to, passed.body(body).map_err(Error::internal)?).await
}

/// Asks another component for what it is asked for, by whichever method, and hands back its answer.
async fn relay(Query(chain): Query<Chain>, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let mut passed = Request::builder().method(parts.method).uri(chain.path);
    for name in ["content-type", "idempotency-key"] {
        if let Some(value) = parts.headers.get(name) {
            passed = passed.header(name, value);
        }
    }
    call(&chain.to, passed.body(body).map_err(Error::internal)?).await
}

/// Forwards with a caller of its own making.
async fn forge(Query(chain): Query<Chain>) -> Result<Response> {
    let address = format!("http://{}.spin.internal{}", chain.to, chain.path);
    let request = Request::get(address).header("sbd-caller", "eyJ1c2VyIjoidXNyX3Jvb3QifQ.AAAA");
    let request = request.body(Body::empty()).map_err(Error::internal)?;
    let request = wasip3::http_compat::http_into_wasi_request(request).map_err(Error::internal)?;
    let response = wasip3::http::client::send(request)
        .await
        .map_err(Error::internal)?;
    let response =
        wasip3::http_compat::http_from_wasi_response(response).map_err(Error::internal)?;
    Ok(response.map(Body::new))
}

/// Calls itself by way of the host, without end.
async fn endless(Query(endless): Query<Endless>) -> Result<Response> {
    let path = format!("/probe/endless?to={}", endless.to);
    let request = Request::get(path)
        .body(Body::empty())
        .map_err(Error::internal)?;
    call(&endless.to, request).await
}

/// Keeps asking for memory.
async fn hoard() -> String {
    let mut hoard = Vec::new();
    while hoard.len() < 1024 {
        hoard.push(vec![1_u8; 1 << 20]);
    }
    format!("{} MiB", hoard.len())
}

/// One event, and then none for as long as somebody listens.
struct Events {
    said: bool,
    next: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.said, true) {
            return self.next.as_mut().poll(cx).map(|()| None);
        }
        let first = Bytes::from_static(b"data: hello\n\n");
        Poll::Ready(Some(Ok(Frame::data(first))))
    }
}

async fn events() -> impl IntoResponse {
    let body = Body::new(Events {
        said: false,
        next: Box::pin(wait(60_000)),
    });
    ([("content-type", "text/event-stream")], body)
}

async fn echo(body: Bytes) -> Bytes {
    body
}

async fn variable() -> Result<String> {
    Ok(config::get("greeting")?.unwrap_or_default())
}

#[allow(clippy::panic, reason = "what the host does about it is tested")]
async fn trap() -> Result<Answer> {
    panic!("on purpose");
}

async fn spin() -> &'static str {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
        if n == u64::MAX {
            return "done";
        }
    }
}

/// A body that says one thing, and then its instance is lost.
struct Breaking(bool);

impl http_body::Body for Breaking {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.0, true) {
            std::process::abort();
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"begun")))))
    }
}

async fn break_off() -> Body {
    Body::new(Breaking(false))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::{any, get, post};
    Router::new()
        .route("/probe/whoami", get(whoami))
        .route("/probe/trace", get(trace))
        .route("/probe/log", get(log))
        .route("/probe/sleep", get(sleep))
        .route("/probe/chain", get(chain).post(pass))
        .route("/probe/relay", any(relay))
        .route("/probe/forge", get(forge))
        .route("/probe/endless", get(endless))
        .route("/probe/hoard", get(hoard))
        .route("/probe/events", get(events))
        .route("/probe/echo", post(echo))
        .route("/probe/variable", get(variable))
        .route("/probe/trap", get(trap))
        .route("/probe/break", get(break_off))
        .route("/probe/loop", get(spin))
}

sbd_sdk::component!(router);
