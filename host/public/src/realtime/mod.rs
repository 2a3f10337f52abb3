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

use asking::Asked;
use connections::Connections;
use http::{Method, Response};
use sbd_gateway::{HostRequest, HostRoute, Refusal, Tickets};
use sbd_registry::Tenants;
use sbd_runtime::{Body, Runtime};
use session::Session;
use std::sync::Arc;
use std::time::Duration;

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
