//! Asks another component by the 0.2 client, which knows no tasks, while it answers several users.
//!
//! Stopped by the host, which finds out for whom: the other component sees who really asks.

use axum::Router;
use axum::extract::Query;
use sbd_sdk::{Error, Json, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

/// Requests that this instance is answering.
static AT_ONCE: AtomicU32 = AtomicU32::new(0);

#[derive(Deserialize)]
struct Wait {
    ms: u64,
}

fn failed(error: impl Debug) -> Error {
    Error::internal(format!("{error:?}"))
}

/// Who the victim thinks is asking.
fn ask() -> Result<Value> {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some("victim.spin.internal"));
    let _ = request.set_path_with_query(Some("/probe/whoami"));
    let coming = handle(request, None).map_err(failed)?;
    coming.subscribe().block();
    let Some(Ok(Ok(response))) = coming.get() else {
        return Err(failed("no answer"));
    };
    let body = response.consume().map_err(failed)?;
    let stream = body.stream().map_err(failed)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    serde_json::from_slice(&bytes).map_err(Error::internal)
}

async fn run(Query(wait): Query<Wait>) -> Result<Json<Value>> {
    let at_once = AT_ONCE.fetch_add(1, Ordering::Relaxed) + 1;
    wasip3::clocks::monotonic_clock::wait_for(wait.ms * 1_000_000).await;
    let seen = ask();
    AT_ONCE.fetch_sub(1, Ordering::Relaxed);
    Ok(Json(json!({"at_once": at_once, "seen": seen?})))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/mistaken-caller/ok", get(async || "ok"))
        .route("/mistaken-caller/run", get(run))
}

sbd_sdk::component!(router);
