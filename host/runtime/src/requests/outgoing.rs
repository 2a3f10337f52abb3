//! A guest's outgoing HTTP: to another component in process, or to a granted host.

use crate::InvokeError;
use crate::body::{Body, BodyError};
use crate::limits::Limit;
use crate::requests::egress::{ConnectError, Egress, target};
use crate::requests::running::{Current, OnRoute, RequestContext, RunningRequest};
use crate::requests::trace;
use crate::reserved::is_reserved;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use sbd_contract::{Refusal, header};
use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi_http::{RequestOptions, WasiHttpHooks};

/// Waiting longer than this for an outside answer is the guest's to ask for.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(60);

/// The domain under which components reach each other, as in Spin.
const INTERNAL: &str = ".spin.internal";

/// The application itself, as in Spin; a request that names no host means it too.
pub(crate) const MYSELF: &str = "self.alt";

/// What grants requests to the application itself, in `allowed_outbound_hosts`. No host, as in Spin.
const MYSELF_GRANTED: &str = "self";

/// The hooks of one instance.
pub(crate) struct Outgoing {
    pub(crate) tenant: Arc<str>,
    pub(crate) egress: Arc<Egress>,
    pub(crate) current: Current,
    /// Largest body of an answer from outside.
    pub(crate) largest: u64,
}

/// Who answers a request that does not leave the process.
enum Callee {
    Component(Arc<str>),
    /// Whatever is on the application's own route.
    Myself,
}

/// A guest's bodies come to the host in pieces of at most so many bytes. It holds one or two of each
/// body, and nobody waits long while one is copied.
const PIECE: usize = 64 << 10;

type Sent = (
    Response<Body>,
    Box<dyn Future<Output = Result<(), BodyError>> + Send>,
);

// === impl Outgoing ===

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<Body>,
        options: Option<RequestOptions>,
        transferred: Box<dyn Future<Output = Result<(), BodyError>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, BodyError>> + Send> {
        drop(transferred);
        let running = self.current.get();
        let host = request
            .uri()
            .host()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let host = host.trim_end_matches('.');
        let callee = match host.strip_suffix(INTERNAL) {
            Some(component) => Some(Callee::Component(Arc::from(component))),
            None => (host == MYSELF).then_some(Callee::Myself),
        };
        let response: Box<dyn Future<Output = _> + Send> = match callee {
            Some(callee) => Box::new(self.call_inside(callee, running, request)),
            None => Box::new(self.call_host(running, request, options)),
        };
        Box::new(async move {
            let response = Box::into_pin(response).await?;
            let done: Box<dyn Future<Output = _> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, done))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }
}

impl Outgoing {
    /// Local service chaining: no socket, the caller carried along.
    fn call_inside(
        &self,
        callee: Callee,
        running: Arc<RunningRequest>,
        mut request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, BodyError>> + Send + 'static {
        let tenant = Arc::clone(&self.tenant);
        let allowed = &self.egress.allowed;
        // Whichever scheme a toolchain fills in, nothing is encrypted on this way.
        let granted = match &callee {
            Callee::Component(id) => allowed.allows_component(id),
            Callee::Myself => allowed.allows_self("http") || allowed.allows_self("https"),
        };
        if !granted {
            let line = match &callee {
                Callee::Component(id) => {
                    allowed.line_to_add("http", &format!("{id}{INTERNAL}"), None)
                }
                Callee::Myself => allowed.line_to_add("http", MYSELF_GRANTED, None),
            };
            running.log_refusal(&line);
        }
        async move {
            if !granted {
                return Err(BodyError::HttpRequestDenied);
            }
            if is_reserved(request.uri().path()) {
                return Err(BodyError::HttpRequestDenied);
            }
            let context = &running.context;
            // The application that the request from outside arrived at.
            let neighbours = context.chain.neighbours();
            let neighbours = neighbours.ok_or(BodyError::DestinationUnavailable)?;
            // What the guest passed on must be ours; without it the running request's caller goes along. Either way
            // the callee learns who calls.
            let principal = match request.headers().get(header::CALLER) {
                Some(sealed) => {
                    let opened = neighbours.open(sealed, &tenant).map_err(|error| {
                        running.log_forgery(&error);
                        BodyError::HttpRequestDenied
                    })?;
                    Some(Arc::new(opened))
                }
                None => context.principal.clone(),
            };
            let principal = principal.map(|who| who.called_via(running.component()));
            header::drop_all(request.headers_mut());
            trace::pass_on(context.trace.as_ref(), request.headers_mut());
            let depth = context.depth + 1;
            if depth > context.chain.deepest {
                running.refuse(Limit::CallDepth);
                return Err(BodyError::LoopDetected);
            }
            if !context.chain.take_call() {
                running.refuse(Limit::Calls);
                return Err(BodyError::ConnectionLimitReached);
            }
            let request_id = Arc::clone(&context.request_id);
            let component = match callee {
                Callee::Component(id) => id,
                Callee::Myself => match neighbours.on_route(request.uri().path()) {
                    Some(OnRoute::Component(id)) => id,
                    Some(OnRoute::Static(answer)) => return Ok(answer),
                    None => return Ok(refused(Refusal::not_found("page"), &request_id)),
                },
            };
            let next = RequestContext {
                request_id: Arc::clone(&request_id),
                class: context.class,
                event: context.event.clone(),
                trace: trace::of(request.headers()),
                principal,
                depth,
                chain: Arc::clone(&context.chain),
            };
            let answer = neighbours.call(tenant, &component, next, request).await;
            answer.or_else(|error| match error.refusal() {
                // The answer that anybody would get.
                Some(refusal) => Ok(refused(refusal, &request_id)),
                None => Err(error.into()),
            })
        }
    }

    /// A host outside, if granted.
    fn call_host(
        &self,
        running: Arc<RunningRequest>,
        mut request: Request<Body>,
        options: Option<RequestOptions>,
    ) -> impl Future<Output = Result<Response<Body>, BodyError>> + Send + 'static {
        let (scheme, host, port) = target(request.uri());
        let granted = self.egress.allowed.allows(scheme, host, port);
        if host.eq_ignore_ascii_case(MYSELF_GRANTED) {
            running.log_misaddressed(&format!(
                "`{MYSELF_GRANTED}` grants, and is no host; send the request to {scheme}://{MYSELF}/..., or to a path alone"
            ));
        } else if !granted {
            let port = request.uri().port_u16();
            running.log_refusal(&self.egress.allowed.line_to_add(scheme, host, port));
        }
        let egress = Arc::clone(&self.egress);
        let largest = self.largest;
        async move {
            if !granted {
                return Err(BodyError::HttpRequestDenied);
            }
            running
                .count_outbound()
                .map_err(|_| BodyError::ConnectionLimitReached)?;
            let Ok(permit) = Arc::clone(&egress.in_flight).try_acquire_owned() else {
                running.refuse(Limit::OutboundInFlight);
                return Err(BodyError::ConnectionLimitReached);
            };
            // Who asks, and for whom, is nobody's business outside.
            header::drop_all(request.headers_mut());
            let patience = options
                .and_then(|options| options.first_byte_timeout)
                .unwrap_or(FIRST_BYTE_TIMEOUT);
            let sent = tokio::time::timeout(patience, egress.client().request(request)).await;
            let response = sent
                .map_err(|_| BodyError::ConnectionReadTimeout)?
                .map_err(|error| explain(&running, &egress, &error))?;
            if response.body().size_hint().lower() > largest {
                running.refuse(Limit::OutboundResponse);
                return Err(BodyError::HttpResponseBodySize(Some(largest)));
            }
            let received = |body| Received {
                body,
                left: largest,
                largest,
                running,
                _permit: permit,
            };
            Ok(response.map(|body| received(body).boxed_unsync()))
        }
    }
}

/// What the guest learns of a request that got no answer. The operator learns the line to add.
fn explain(
    running: &RunningRequest,
    egress: &Egress,
    error: &hyper_util::client::legacy::Error,
) -> BodyError {
    let mut source = error.source();
    while let Some(cause) = source {
        match cause.downcast_ref::<ConnectError>() {
            Some(ConnectError::Private {
                address,
                scheme,
                port,
                host,
            }) => {
                let literal = match address {
                    std::net::IpAddr::V4(address) => address.to_string(),
                    std::net::IpAddr::V6(address) => format!("[{address}]"),
                };
                let line = egress.allowed.line_to_add(scheme, &literal, Some(*port));
                running.log_refusal(&format!(
                    "{line} ({host} is at {address}, inside this host's own network, which needs a grant by address)"
                ));
                return BodyError::HttpRequestDenied;
            }
            Some(ConnectError::Name(..)) => return BodyError::DestinationNotFound,
            Some(ConnectError::Timeout) => return BodyError::ConnectionTimeout,
            Some(ConnectError::Io(_)) => return BodyError::ConnectionRefused,
            None => source = cause.source(),
        }
    }
    if error.is_connect() {
        BodyError::ConnectionRefused
    } else {
        BodyError::HttpProtocolError
    }
}

/// The body of an answer from outside: not larger than allowed. It keeps its place among the
/// requests under way until it ends.
struct Received {
    body: hyper::body::Incoming,
    left: u64,
    largest: u64,
    running: Arc<RunningRequest>,
    _permit: OwnedSemaphorePermit,
}

// === impl Received ===

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(BodyError::Hyper(error)))),
            None => return Poll::Ready(None),
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.running.refuse(Limit::OutboundResponse);
                let largest = Some(self.largest);
                Poll::Ready(Some(Err(BodyError::HttpResponseBodySize(largest))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl From<InvokeError> for BodyError {
    /// What a component learns of another one's failure.
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::UnknownComponent(_) => Self::DestinationNotFound,
            InvokeError::Overloaded { .. } | InvokeError::OverLimit(_) => {
                Self::ConnectionLimitReached
            }
            InvokeError::Timeout { .. } => Self::HttpResponseTimeout,
            InvokeError::BodyTooLarge => Self::HttpRequestBodySize(None),
            InvokeError::CannotStart(_) => Self::DestinationUnavailable,
            _ => Self::ConnectionTerminated,
        }
    }
}

fn refused(refusal: Refusal, request_id: &str) -> Response<Body> {
    refusal.into_parts(request_id).map(crate::body::full)
}

/// The scheme of a request that came in on a socket or from another component.
pub(crate) const INTERNAL_SCHEME: Scheme = Scheme::HTTP;
