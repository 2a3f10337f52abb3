//! The request path: one stack, read from top to bottom. A layer stands where it does because of
//! what must have happened above it; the comments say what.

use crate::arriving::Arriving;
use crate::builtin::Builtin;
use crate::components::Components;
use crate::cors;
use crate::error::Refusal;
use crate::gateway::Edge;
use crate::headers;
use crate::rate::{Allowance, Payer, client_address};
use crate::record::{Record, Tracked};
use crate::request_body::{Fate, metered};
use crate::request_id::RequestId;
use crate::routes::{StaticResponse, Target};
use crate::server::Peer;
use crate::version;
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use sbd_runtime::{Body, Call, Class, body, is_reserved};
use sbd_telemetry::metrics::{LIMIT_EXCEEDED, tenant_label};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What is known of a request on its way down.
struct Exchange<'a> {
    request_id: &'a Arc<str>,
    peer: &'a Peer,
    client: IpAddr,
    tenant: Arc<str>,
    record: &'a mut Record,
    allowance: Option<Allowance>,
}

/// Answers one request from outside.
///
/// What few requests take is boxed on this path: a future is copied whole on its way to the
/// connection, and its size is that of everything it might wait for.
pub(crate) async fn answer<C: Components>(
    edge: Arc<Edge<C>>,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Response<Tracked> {
    // Request id. First, so that everything below can name the request.
    let id = RequestId::new();
    let is_head = request.method() == Method::HEAD;

    // Access log and metrics. Above all that can refuse, so that every request counts.
    let mut record =
        edge.lasting
            .series
            .begin(request.method(), request.uri(), Arc::clone(&id.text));

    // Panics. Below the record, so that they are counted; above the rest, so that none ends the
    // connection and the requests that share it.
    let below = AssertUnwindSafe(inside(&edge, &peer, &id.text, &mut record, request));
    let mut response = match below.catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(
                request_id = &*id.text,
                "the gateway panicked; this is a bug, please report it"
            );
            Refusal::internal().into_response(&id.text)
        }
    };

    // On the way out, whoever answered: nothing internal leaves, and every answer has its id.
    headers::drop_internal(response.headers_mut());
    headers::finish(response.headers_mut(), id.header);
    if is_head {
        response = without_body(response);
    }
    record.answered(response.status());
    response.map(|body| Tracked::new(body, record))
}

async fn inside<C: Components>(
    edge: &Edge<C>,
    peer: &Peer,
    request_id: &Arc<str>,
    record: &mut Record,
    request: Request<Incoming>,
) -> Response<Body> {
    let (mut parts, incoming) = request.into_parts();
    let incoming = Arriving::new(&parts, incoming);

    // Reserved headers from outside go before anybody could read them.
    headers::drop_reserved(&mut parts.headers);

    // Addresses that nobody below should have to think about.
    if let Err(refusal) = acceptable(&parts, edge.lasting.max_uri_bytes) {
        return refusal.into_response(request_id);
    }

    // Tenant. Above all that has data: users, routes and limits are the tenant's.
    let tenant = match edge.lasting.tenants.resolve(&parts) {
        Ok(tenant) => tenant,
        Err(refusal) => return refusal.into_response(request_id),
    };
    record.tenant(&tenant);
    let mut exchange = Exchange {
        request_id,
        peer,
        client: client_address(
            peer.address.ip(),
            &parts.headers,
            &edge.lasting.trusted_proxies,
        ),
        tenant,
        record,
        allowance: None,
    };

    // The platform's own pages. Above routing and limits: a probe must be answered when the
    // components are not. Those that ask components charge the address themselves.
    if let Some(builtin) = Builtin::at(parts.uri.path(), &edge.yields) {
        exchange.record.route(&Arc::from(builtin.label()));
        let answer = Box::pin(own_page(edge, &exchange, builtin, &parts)).await;
        return answer.unwrap_or_else(|refusal| refusal.into_response(request_id));
    }

    // What host and components say to each other is not there for anybody else.
    if is_reserved(parts.uri.path()) {
        return Refusal::not_found().into_response(request_id);
    }

    // Cross-origin rules. A preflight carries no credentials and must not reach a guest; and the
    // refusals from below need these headers too, or a page could not read them.
    let mut extra = None;
    if let Some(cors) = &edge.cors {
        let headers = Box::pin(cors.headers(&parts)).await;
        if cors::is_preflight(&parts) {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = headers;
            return response;
        }
        extra = Some(headers);
    }

    // Everything that has a route. Errors become bodies here and nowhere else.
    let answer = routed(edge, &mut exchange, parts, incoming).await;
    let mut response = answer.unwrap_or_else(|refusal| refusal.into_response(request_id));
    if let Some(extra) = extra {
        cors::add(response.headers_mut(), extra);
    }
    if let Some(allowance) = exchange.allowance {
        allowance.describe(response.headers_mut());
    }
    response
}

async fn routed<C: Components>(
    edge: &Edge<C>,
    exchange: &mut Exchange<'_>,
    mut parts: Parts,
    incoming: Arriving,
) -> Result<Response<Body>, Refusal> {
    // Version by `Accept`. Before routing, which knows versions by path only.
    if let Some(uri) = version::select(&parts) {
        parts.uri = uri;
    }

    // Route. Before authentication: what does not exist costs the auth component nothing.
    let uri = parts.uri.clone();
    let matched = edge
        .routes
        .find(uri.path())
        .ok_or_else(Refusal::not_found)?;
    exchange.record.route(&matched.route.pattern);
    let (component, limits, spin_headers) = match &matched.route.target {
        Target::Static(answer) => return static_response(answer, &parts.method),
        Target::Component {
            id,
            limits,
            spin_headers,
        } => (id, limits, *spin_headers),
    };
    exchange.record.component(component);

    // Head limit. Before the head is looked at any closer.
    if head_bytes(&parts) > limits.headers {
        exceeded(exchange, component, "request_headers");
        return Err(Refusal::headers_too_large(limits.headers));
    }

    // Authenticate. Before the rate limit, which is the user's. A token that is not known is
    // charged to the address, or guessing tokens would be free.
    let address = Payer::address(&exchange.tenant, exchange.client);
    let admit = || edge.charge(&address);
    let caller = edge
        .authenticator
        .authenticate(
            &edge.components,
            &exchange.tenant,
            exchange.request_id,
            &parts.headers,
            admit,
        )
        .await?;
    if edge.authenticator.is_on() {
        // A guest gets to know who calls (`sbd-caller`), never the secret that proves it.
        parts.headers.remove(header::AUTHORIZATION);
    }

    // Rate limit. Before anything that costs: no body is read and no instance taken.
    if let Some(limiter) = &edge.limiter {
        let user = caller.as_ref().and_then(|caller| caller.user.clone());
        let payer = user.map_or(address, |user| Payer::user(&exchange.tenant, user));
        let (allowance, admitted) = limiter.take(&payer);
        exchange.allowance = Some(allowance);
        admitted?;
        exchange.record.place(limiter.enter(payer).await?);
    }

    // Body limit. At once if the length is announced, else while it streams.
    if incoming.size_hint().lower() > limits.body {
        exceeded(exchange, component, "request_body");
        return Err(Refusal::body_too_large(limits.body));
    }
    let (body, watch) = metered(incoming, limits.body);
    if spin_headers {
        headers::add_spin(&mut parts.headers, &uri, &matched, &exchange.peer.header);
    }

    // The component. How long it may take is the runtime's to watch over, as every limit on guests.
    let call = Call {
        tenant: Arc::clone(&exchange.tenant),
        component: Arc::clone(component),
        request_id: Arc::clone(exchange.request_id),
        class: Class::Public,
        principal: caller,
    };
    let answer = edge
        .components
        .invoke(call, Request::from_parts(parts, body))
        .await;

    // A guest cannot know what a body that failed under it means to the client; we do.
    match watch.fate() {
        Fate::Intact => {
            answer.map_err(|error| Refusal::from_component(&error, component, exchange.request_id))
        }
        Fate::TooLarge => {
            exceeded(exchange, component, "request_body");
            Err(Refusal::body_too_large(limits.body))
        }
        Fate::Broken => Err(Refusal::broken_body()),
    }
}

/// About what a request's head takes on the wire.
fn head_bytes(parts: &Parts) -> u64 {
    let path = parts
        .uri
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    let headers = parts.headers.iter();
    let headers: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    (path + headers) as u64
}

/// Tells operators of a limit that is kept here, as the runtime tells of its own.
fn exceeded(exchange: &Exchange<'_>, component: &str, limit: &'static str) {
    let tenant = &*exchange.tenant;
    metrics::counter!(
        LIMIT_EXCEEDED,
        "tenant" => tenant_label(&exchange.tenant).to_string(),
        "component" => component.to_owned(),
        "limit" => limit,
    )
    .increment(1);
    let request_id = &**exchange.request_id;
    tracing::info!(
        tenant,
        component,
        limit,
        request_id,
        "a request is larger than its component allows"
    );
}

/// Requests that are HTTP but for which no path exists at all.
fn acceptable(parts: &Parts, longest: usize) -> Result<(), Refusal> {
    let length = parts
        .uri
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    if length > longest {
        return Err(Refusal::uri_too_long(longest));
    }
    if !parts.uri.path().starts_with('/') {
        return Err(Refusal::malformed(
            "The request names no path; ask for one that begins with /.",
        ));
    }
    Ok(())
}

async fn own_page<C: Components>(
    edge: &Edge<C>,
    exchange: &Exchange<'_>,
    builtin: Builtin,
    parts: &Parts,
) -> Result<Response<Body>, Refusal> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Refusal::method_not_allowed("GET, HEAD"));
    }
    match builtin {
        Builtin::Home => Ok(edge.home.page(&parts.headers)),
        Builtin::Docs => edge
            .lasting
            .docs
            .file(parts.uri.path())
            .ok_or_else(Refusal::not_found),
        Builtin::OpenApi => {
            charge_address(edge, exchange)?;
            Ok(edge.openapi(&exchange.tenant).await)
        }
        Builtin::Healthz => Ok(crate::health::plain("ok\n")),
        Builtin::Readyz => edge
            .lasting
            .health
            .ready()
            .map(|()| crate::health::plain("ready\n")),
        Builtin::Health => {
            administrator(edge, exchange, parts).await?;
            Ok(edge.health_in_detail())
        }
    }
}

/// Takes one request from the bucket of the client's address.
fn charge_address<C: Components>(edge: &Edge<C>, exchange: &Exchange<'_>) -> Result<(), Refusal> {
    edge.charge(&Payer::address(&exchange.tenant, exchange.client))
}

/// Lets administrators pass.
async fn administrator<C: Components>(
    edge: &Edge<C>,
    exchange: &Exchange<'_>,
    parts: &Parts,
) -> Result<(), Refusal> {
    let caller = edge
        .authenticator
        .authenticate(
            &edge.components,
            &exchange.tenant,
            exchange.request_id,
            &parts.headers,
            || charge_address(edge, exchange),
        )
        .await?
        .ok_or_else(|| {
            Refusal::unauthenticated("This is for administrators; log in as one. /healthz is open.")
        })?;
    if caller.has_role("admin") {
        Ok(())
    } else {
        Err(Refusal::forbidden(
            "This is for administrators; /healthz and /readyz are open.",
        ))
    }
}

fn static_response(answer: &StaticResponse, method: &Method) -> Result<Response<Body>, Refusal> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Refusal::method_not_allowed("GET, HEAD"));
    }
    let mut response = Response::new(body::full(answer.body.clone()));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers.clone();
    Ok(response)
}

/// The answer to HEAD: the length of what GET would bring, not the bytes. HTTP/2 does not leave
/// them out by itself.
fn without_body(mut response: Response<Body>) -> Response<Body> {
    let length = response
        .body()
        .size_hint()
        .exact()
        .filter(|length| *length > 0);
    if let (Some(length), false) = (
        length,
        response.headers().contains_key(header::CONTENT_LENGTH),
    ) {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| body::empty())
}
