//! Makes the host hold what its own memory may not: headers, bodies that nobody takes, names without
//! end, and everything in one call.
//!
//! Stopped by `handles`, each of which holds little, and by `capability_bytes`.

use axum::Json;
use axum::Router;
use sbd_sdk::Query;
use serde::Deserialize;
use std::mem::forget;
use wasip2::http::types as old;
use wasip3::http::types as new;

const MEBIBYTE: usize = 1 << 20;

#[derive(Deserialize)]
struct Size {
    bytes: usize,
}

/// Headers as large as they may be, over and over.
async fn headers() -> String {
    let value = vec![b'x'; 1000];
    for headers in 0..1_000_000 {
        let fields = new::Fields::new();
        while fields.append(&format!("x-{headers}"), &value).is_ok() {}
        forget(fields);
    }
    "all".to_owned()
}

/// Answers that never go out, each with as much body as it takes.
async fn bodies() -> String {
    let bytes = vec![b'x'; MEBIBYTE];
    for _ in 0..1_000_000 {
        let response = old::OutgoingResponse::new(old::Fields::new());
        let body = response.body();
        let stream = body.as_ref().ok().and_then(|body| body.write().ok());
        while let Some(stream) = &stream {
            let most = stream.check_write().unwrap_or_default();
            let most = usize::try_from(most).unwrap_or_default().min(MEBIBYTE);
            if most == 0 || stream.write(&bytes[..most]).is_err() {
                break;
            }
        }
        forget((response, body, stream));
    }
    "all".to_owned()
}

/// Whether requests take a method and an authority of so many bytes, in both versions.
async fn names(Query(size): Query<Size>) -> Json<[bool; 4]> {
    let long = "x".repeat(size.bytes);
    let (request, _) = new::Request::new(new::Fields::new(), None, none(), None);
    let mut taken = [
        request
            .set_method(&new::Method::Other(long.clone()))
            .is_ok(),
        request.set_authority(Some(&long)).is_ok(),
        false,
        false,
    ];
    let request = old::OutgoingRequest::new(old::Fields::new());
    taken[2] = request
        .set_method(&old::Method::Other(long.clone()))
        .is_ok();
    taken[3] = request.set_authority(Some(&long)).is_ok();
    Json(taken)
}

/// No trailers.
fn none() -> wasip3::wit_bindgen::FutureReader<Result<Option<new::Fields>, new::ErrorCode>> {
    wasip3::wit_future::new(|| Ok(None)).1
}

/// All of it in one call.
async fn call(Query(size): Query<Size>) -> String {
    let value = vec![b'x'; size.bytes];
    format!("{:?}", new::Fields::new().append("x", &value))
}

/// A line of so many bytes, written at once.
async fn line(Query(size): Query<Size>) -> String {
    let line = vec![b'x'; size.bytes];
    format!("{:?}", wasip2::cli::stdout::get_stdout().write(&line))
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/borrower/ok", get(async || "ok"))
        .route("/borrower/headers", get(headers))
        .route("/borrower/bodies", get(bodies))
        .route("/borrower/names", get(names))
        .route("/borrower/call", get(call))
        .route("/borrower/line", get(line))
}

sbd_sdk::component!(router);
