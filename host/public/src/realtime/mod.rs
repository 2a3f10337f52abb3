//! `GET /api/v1/realtime`: what is said in channels, to whoever is connected. `docs/streams.md` says what
//! passes.
//!
//! The files: `asking` (what a request says), `session` (who listens where, and what they are told; the
//! same for both ways), `joining` (who may be in a channel), `connections` (those that are open, and what
//! ends them), `about` (messages about the stream itself), `pace` (how often somebody may say something),
//! `socket` and `sse` (the two ways), `tickets` (access for browsers).

mod about;
mod asking;
mod connections;
mod joining;
mod pace;
mod session;
pub mod socket;
mod sse;
mod tickets;

use crate::description::Error;
use asking::Asked;
use connections::Connections;
use http::{Method, Response};
use sbd_contract::ErrorBody;
use sbd_gateway::{HostRequest, HostRoute, Refusal, Tickets};
use sbd_registry::Tenants;
use sbd_runtime::{Body, Runtime};
use session::Session;
use std::sync::Arc;
use std::time::Duration;
use utoipa::OpenApi;

/// What a token needs to listen. What is said in a user's own channel is of all that they have.
const LISTEN: &str = "realtime:read";
const PATH: &str = "/api/v1/realtime";
const TICKETS: &str = "/api/v1/realtime/tickets";

/// Whoever beats faster does little else.
const FASTEST_HEARTBEAT: Duration = Duration::from_millis(100);

/// What an operator sets.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often those who are connected are told that they still are. A WebSocket that does not answer
    /// twice is gone.
    pub heartbeat: Duration,
}

/// What all connections share.
struct Realtime {
    runtime: Runtime,
    connections: Arc<Connections>,
    heartbeat: Duration,
}

/// What the routes say of themselves.
#[derive(OpenApi)]
#[openapi(
    paths(connect, tickets::issue),
    tags((name = "realtime", description = "What is said in channels, to whoever is connected"))
)]
pub(crate) struct Description;

/// The routes of real time.
pub(crate) fn routes(runtime: &Runtime, tenants: &Tenants, settings: Settings) -> Vec<HostRoute> {
    let connections = Connections::new();
    let ended = Arc::clone(&connections);
    runtime
        .application()
        .on_revoked(move |tenant, sessions| ended.sign_out(tenant, sessions));
    tokio::spawn(Connections::watch(
        Arc::downgrade(&connections),
        tenants.clone(),
    ));
    let realtime = Arc::new(Realtime {
        runtime: runtime.clone(),
        connections,
        heartbeat: settings.heartbeat.max(FASTEST_HEARTBEAT),
    });
    let given = Tickets::default();
    let taken = given.clone();
    let connect = move |request| connect(Arc::clone(&realtime), request);
    let issue = move |request| std::future::ready(tickets::issue(&given, &request));
    vec![
        HostRoute::new(PATH, connect).taking(&taken),
        HostRoute::new(TICKETS, issue).largest_body(1024),
    ]
}

/// Tells what is said in channels, as it is said.
///
/// A request to upgrade to a WebSocket gets one, any other Server-Sent Events. `docs/streams.md` says what
/// passes, and how to come back without missing anything. A WebSocket may also say who asks by its
/// sub-protocols `sbd.v1` and `bearer.{token}`.
#[utoipa::path(
    get,
    path = "/api/v1/realtime",
    operation_id = "connectRealtime",
    tag = "realtime",
    params(
        ("channels" = Option<String>, Query, description = "The channels to join at once, 100 at most, with commas between"),
        ("last_event_id" = Option<String>, Query, description = "The last id that one was told, to hear what was said since"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same, as browsers send it; it goes before `last_event_id`"),
    ),
    responses(
        (status = 101, description = "A WebSocket, each message one text frame"),
        (status = 200, description = "Messages, for as long as one is connected", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A field that nobody knows, too many channels, or no WebSocket as it should be", body = ErrorBody),
        (status = 401, description = "Not signed in, or the ticket is used or too old", body = ErrorBody),
        (status = 403, description = "Not a user, or the token lacks the permission", body = ErrorBody),
        (status = 429, description = "The caller has too many streams open", body = ErrorBody),
        (status = 503, description = "So many are connected that there is no room for another", body = ErrorBody),
        (status = "default", response = Error),
    ),
    security(("bearer" = []), ("cookie" = []), ("ticket" = [])),
    extensions(("x-sbd-permission" = json!(LISTEN))),
)]
async fn connect(
    realtime: Arc<Realtime>,
    mut request: HostRequest,
) -> Result<Response<Body>, Refusal> {
    if request.request.method() != Method::GET {
        return Err(Refusal::method_not_allowed("GET"));
    }
    let asked = Asked::read(&request.request)?;
    let upgrade = request.upgrade.take();
    let websocket = upgrade.filter(|upgrade| upgrade.is_to("websocket"));
    match websocket {
        Some(upgrade) => {
            let handshake = socket::Handshake::read(request.request.headers())?;
            let session = Session::open(&realtime, request, asked).await?;
            handshake.accept(upgrade, session)
        }
        None => {
            let session = Session::open(&realtime, request, asked).await?;
            Ok(sse::answer(session))
        }
    }
}
