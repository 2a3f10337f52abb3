//! `POST /api/v1/realtime/tickets`: a ticket for whoever is signed in.

use super::LISTEN;
use crate::description::Error;
use http::{HeaderValue, Method, Response, StatusCode, header};
use jiff::Timestamp;
use sbd_contract::ErrorBody;
use sbd_gateway::{HostRequest, Refusal, Tickets};
use sbd_runtime::{Body, body};
use serde::Serialize;
use utoipa::ToSchema;

/// What lets one connection in.
#[derive(Serialize, ToSchema)]
struct RealtimeTicket {
    /// To be sent as `?ticket=`.
    ticket: String,
    /// Until when it can be used.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Issues a ticket, by which a page connects without a token in its address.
///
/// It is good for one connection within half a minute, of a page of the same origin if a page has asked for
/// it.
#[utoipa::path(
    post,
    path = "/api/v1/realtime/tickets",
    operation_id = "issueRealtimeTicket",
    tag = "realtime",
    responses(
        (status = 201, description = "The ticket", body = RealtimeTicket),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 403, description = "The token lacks the permission", body = ErrorBody),
        (status = "default", response = Error),
    ),
    security(("bearer" = []), ("cookie" = [])),
    extensions(
        ("x-sbd-permission" = json!(LISTEN)),
        ("x-sbd-effect" = json!("read")),
    ),
)]
pub(super) fn issue(tickets: &Tickets, request: &HostRequest) -> Result<Response<Body>, Refusal> {
    if request.request.method() != Method::POST {
        return Err(Refusal::method_not_allowed("POST"));
    }
    let nobody = "Tickets are for those who are signed in; send an access token.";
    let caller = request.permitted(LISTEN, nobody)?;
    let origin = request.request.headers().get(header::ORIGIN);
    let ticket = tickets.issue(&request.tenant, caller, origin);
    let ticket = ticket.ok_or_else(Refusal::internal)?;
    let expires_at = Timestamp::now() + Tickets::GOOD_FOR;
    let answer = serde_json::to_vec(&RealtimeTicket {
        ticket,
        expires_at: format!("{expires_at:.3}"),
    });
    let answer = answer.map_err(|_| Refusal::internal())?;
    let mut response = Response::new(body::full(answer));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
