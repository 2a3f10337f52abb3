//! `POST /api/v1/realtime/tickets`: a ticket for whoever is signed in.

use http::{HeaderValue, Method, Response, StatusCode, header};
use jiff::Timestamp;
use sbd_gateway::{HostRequest, Refusal, Tickets};
use sbd_runtime::{Body, body};
use serde_json::json;

/// Answers a ticket, which no cache may keep.
pub(super) fn issue(tickets: &Tickets, request: &HostRequest) -> Result<Response<Body>, Refusal> {
    if request.request.method() != Method::POST {
        return Err(Refusal::method_not_allowed("POST"));
    }
    let caller = request.caller.as_ref().ok_or_else(|| {
        Refusal::unauthenticated("Tickets are for those who are signed in; send an access token.")
    })?;
    let origin = request.request.headers().get(header::ORIGIN);
    let ticket = tickets.issue(&request.tenant, caller, origin);
    let ticket = ticket.ok_or_else(Refusal::internal)?;
    let expires_at = Timestamp::now() + Tickets::GOOD_FOR;
    let answer = json!({"ticket": ticket, "expires_at": format!("{expires_at:.3}")});
    let mut response = Response::new(body::full(answer.to_string()));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
