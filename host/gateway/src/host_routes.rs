//! Routes that the host answers itself, below everything that a component's route has above it.

use crate::components::Components;
use crate::error::{GatewayError, Refusal};
use crate::gateway::Edge;
use crate::routes::{RequestLimits, Route};
use crate::tickets::Tickets;
use crate::upgrade::Upgrade;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use sbd_runtime::{Authenticated, Body, body};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a token needs to see how the host is.
const HEALTH: &str = "admin:host:read";

/// What a handler answers with.
type Answer = Result<Response<Body>, Refusal>;

type Handler = dyn Fn(HostRequest) -> BoxFuture<'static, Answer> + Send + Sync;

/// A route that the host answers, as whoever builds the gateway registers it.
///
/// Its pattern is written like a route of the manifest and is as exact. An application with a route
/// for the same paths is refused, unless this one yields.
#[derive(Clone)]
pub struct HostRoute {
    pub(crate) pattern: Arc<str>,
    pub(crate) yields: bool,
    pub(crate) limits: RequestLimits,
    pub(crate) tickets: Option<Tickets>,
    pub(crate) document: Option<Bytes>,
    pub(crate) answers: HostAnswers,
}

/// Who answers for the host.
#[derive(Clone)]
pub(crate) enum HostAnswers {
    /// `/openapi.json`
    OpenApi,
    /// `/health`
    Health,
    Registered(Arc<Handler>),
}

/// A request to the host: whom it is from is known, and that they may send it.
#[non_exhaustive]
pub struct HostRequest {
    /// The tenant whose data is meant.
    pub tenant: Arc<str>,
    /// `req_...`
    pub request_id: Arc<str>,
    /// Who asks; `None` is anybody.
    pub caller: Option<Arc<Authenticated>>,
    /// The client's address, as trusted proxies say.
    pub client: IpAddr,
    /// What each `:name` of the pattern stands for, percent-encoded as it was sent.
    pub params: Vec<(String, String)>,
    /// What `/...` stands for, with its leading slash; else empty.
    pub rest: String,
    /// Method, address, headers and body. The body ends in an error where it is too long.
    pub request: Request<Body>,
    /// There if the client wants to speak another protocol on this connection.
    pub upgrade: Option<Upgrade>,
    /// Cancelled when the server stops: an answer that lasts may say so and end. Events are ended then,
    /// other answers of unknown length cut after three seconds.
    pub stopping: CancellationToken,
}

// === impl HostRoute ===

impl HostRoute {
    /// Requests on `pattern` go to `handler`, whatever their method. A body may be as long as one
    /// for a component of which the manifest says nothing.
    pub fn new<H, F>(pattern: &str, handler: H) -> Self
    where
        H: Fn(HostRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, Refusal>> + Send + 'static,
    {
        let handler = move |request| -> BoxFuture<'static, Answer> { Box::pin(handler(request)) };
        Self {
            pattern: Arc::from(pattern),
            yields: false,
            limits: RequestLimits::default(),
            tickets: None,
            document: None,
            answers: HostAnswers::Registered(Arc::new(handler)),
        }
    }

    /// An application with a route for the same paths keeps them.
    #[must_use]
    pub fn yielding(mut self) -> Self {
        self.yields = true;
        self
    }

    /// Bytes of the longest body; more is answered 413.
    #[must_use]
    pub fn largest_body(mut self, bytes: u64) -> Self {
        self.limits.body = bytes;
        self
    }

    /// One of these as `?ticket=` says who asks, too.
    #[must_use]
    pub fn taking(mut self, tickets: &Tickets) -> Self {
        self.tickets = Some(tickets.clone());
        self
    }

    /// `/openapi.json` shows what this OpenAPI document says of the route. Routes may share one.
    #[must_use]
    pub fn described_by(mut self, document: &Bytes) -> Self {
        self.document = Some(document.clone());
        self
    }

    /// Why it cannot be served.
    pub(crate) fn wrong(&self, reason: String) -> GatewayError {
        GatewayError::HostRoute {
            route: self.pattern.to_string(),
            reason,
        }
    }

    /// The application's route is for the same paths.
    pub(crate) fn taken_by(&self, application: &Route) -> GatewayError {
        GatewayError::HostsRoute {
            route: application.pattern.to_string(),
            component: application.component().map(str::to_owned),
            hosts: self.pattern.to_string(),
        }
    }

    /// Those of the gateway. A Spin application may have pages of these names.
    pub(crate) fn own() -> [Self; 2] {
        let own = |pattern, answers| Self {
            pattern: Arc::from(pattern),
            yields: true,
            limits: RequestLimits::default(),
            tickets: None,
            document: None,
            answers,
        };
        [
            own("/openapi.json", HostAnswers::OpenApi),
            own("/health", HostAnswers::Health),
        ]
    }
}

impl fmt::Debug for HostRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostRoute")
            .field("pattern", &self.pattern)
            .field("yields", &self.yields)
            .finish_non_exhaustive()
    }
}

// === impl HostRequest ===

impl HostRequest {
    /// What `:name` of the pattern stands for.
    pub fn param(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Who asks, if they may: the same as an operation of a component is asked for.
    ///
    /// # Errors
    /// 401 with this sentence for anybody, 403 for who lacks the permission; to be passed on.
    pub fn permitted(
        &self,
        permission: &str,
        anonymous: &'static str,
    ) -> Result<&Arc<Authenticated>, Refusal> {
        let caller = self.caller.as_ref();
        let caller = caller.ok_or_else(|| Refusal::unauthenticated(anonymous))?;
        match caller.scopes.allow(permission) {
            true => Ok(caller),
            false => Err(Refusal::lacks_permission(permission)),
        }
    }

    /// The whole body; empty when it was taken before.
    ///
    /// # Errors
    /// When it is too long or broke off; to be passed on.
    pub async fn bytes(&mut self) -> Result<Bytes, Refusal> {
        let body = std::mem::replace(self.request.body_mut(), body::empty());
        // Which of both it was, the request path has seen.
        let whole = body.collect().await.map_err(|_| Refusal::broken_body())?;
        Ok(whole.to_bytes())
    }
}

// === impl HostAnswers ===

impl HostAnswers {
    pub(crate) async fn answer<C: Components>(
        &self,
        edge: &Edge<C>,
        request: HostRequest,
    ) -> Answer {
        match self {
            Self::OpenApi => {
                read_only(request.request.method())?;
                Ok(edge.openapi(&request.tenant).await)
            }
            Self::Health => {
                read_only(request.request.method())?;
                administrator(request.caller.as_deref())?;
                Ok(edge.health_in_detail(&request.tenant))
            }
            Self::Registered(handler) => handler(request).await,
        }
    }
}

/// Lets those pass that change nothing.
pub(crate) fn read_only(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Refusal::method_not_allowed("GET, HEAD")),
    }
}

/// Lets administrators pass.
fn administrator(caller: Option<&Authenticated>) -> Result<(), Refusal> {
    let caller = caller.ok_or_else(|| {
        Refusal::unauthenticated("This is for administrators; log in as one. /healthz is open.")
    })?;
    if caller.has_role("admin") && caller.scopes.allow(HEALTH) {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "This is for administrators, and for tokens that hold `admin:host:read`; /healthz and /readyz are open.",
    ))
}
