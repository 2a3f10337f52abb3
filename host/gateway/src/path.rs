//! The request path: one stack, read from top to bottom. A layer stands where it does because of
//! what must have happened above it; the comments say what.

use crate::builtin::Builtin;
use crate::challenge::{METADATA, Protected};
use crate::components::Components;
use crate::cors;
use crate::credentials::{self, Brought};
use crate::error::Refusal;
use crate::gateway::{Edge, Lasting};
use crate::headers;
use crate::host_routes::{HostRequest, read_only};
use crate::lingering_body::LingeringBody;
use crate::rate::{Allowance, Payer};
use crate::record::{Record, Tracked};
use crate::request_body::{Fate, Watch, metered};
use crate::request_id::RequestId;
use crate::routes::{Asked, RequestLimits, StaticResponse, Target};
use crate::sender::Sender;
use crate::server::Peer;
use crate::stream_kind::is_events;
use crate::upgrade::Upgrade;
use crate::version;
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use sbd_runtime::{Body, Call, Class, body, is_reserved};
use sbd_telemetry::metrics::{LIMIT_EXCEEDED, tenant_label};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What is known of a request on its way down.
struct Exchange<'a> {
    request_id: &'a Arc<str>,
    sender: Sender,
    tenant: Arc<str>,
    head_bytes: u64,
    record: &'a mut Record,
    told: &'a mut Told,
}

/// What is learned on the way down, and told on the way up.
#[derive(Default)]
struct Told {
    allowance: Allowance,
    /// What was asked for, if it has a route.
    protected: Option<Protected>,
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

    let (parts, incoming) = request.into_parts();
    let incoming = LingeringBody::new(&parts, incoming);

    // Cross-origin rules. Above all that refuses or fails, or a page could not read why.
    let rules = match &edge.cors {
        Some(cors) => Some(Box::pin(cors.headers(&parts)).await),
        None => None,
    };

    // Panics. Below the record, so that they are counted; above the rest, so that none ends the
    // connection and the requests that share it.
    let below = inside(&edge, &peer, &id.text, &mut record, parts, incoming);
    let mut response = match AssertUnwindSafe(below).catch_unwind().await {
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
    record.mark(response.headers_mut());
    if let Some(rules) = rules {
        cors::add(response.headers_mut(), rules);
    }
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
    parts: Parts,
    incoming: LingeringBody,
) -> Response<Body> {
    // Errors become bodies here and nowhere else.
    let mut told = Told::default();
    let answer = addressed(edge, peer, request_id, record, &mut told, parts, incoming).await;
    let mut response = answer.unwrap_or_else(|refusal| refusal.into_response(request_id));
    told.allowance.describe(response.headers_mut());
    if let Some(protected) = told.protected
        && response.status() == StatusCode::UNAUTHORIZED
        && edge.is_for_clients(METADATA)
    {
        protected.tell(response.headers_mut());
    }
    response
}

async fn addressed<C: Components>(
    edge: &Edge<C>,
    peer: &Peer,
    request_id: &Arc<str>,
    record: &mut Record,
    told: &mut Told,
    mut parts: Parts,
    incoming: LingeringBody,
) -> Result<Response<Body>, Refusal> {
    let lasting = &edge.lasting;

    // Heads that nobody below should have to think about.
    let head_bytes = head_bytes(&parts);
    acceptable(&parts, head_bytes, lasting)?;

    // Sender. Above all that tells clients or hosts apart; from here on the head says what is true, and
    // reserved headers from outside are gone.
    let sender = Sender::of(&parts, peer, &lasting.trusted_proxies)?;
    sender.correct(&mut parts);

    // A preflight carries no credentials. It is answered by the rules alone, and reaches nobody; but for the clients of
    // whoever has some, from wherever they are.
    if let Some(cors) = &edge.cors
        && cors::is_preflight(&parts)
        && (cors.allows(&parts.headers) || !edge.is_for_clients(parts.uri.path()))
    {
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }

    // Tenant. Above all that has data: users, routes and limits are the tenant's.
    let tenant = lasting
        .tenants
        .resolve(sender.authority.as_ref(), &parts.headers)?;
    record.tenant(&tenant);

    // The platform's own pages. Above routing and limits: a probe must be answered when the
    // components are not.
    if let Some(builtin) = Builtin::at(parts.uri.path(), &edge.yields) {
        record.route(&Arc::from(builtin.label()));
        return builtin.page(edge, &parts);
    }

    // What host and components say to each other is not there for anybody else.
    if is_reserved(parts.uri.path()) {
        return Err(Refusal::not_found());
    }

    // Everything that has a route.
    told.protected = Protected::by(&sender, &parts.uri);
    let exchange = Exchange {
        request_id,
        sender,
        tenant,
        head_bytes,
        record,
        told,
    };
    routed(edge, exchange, parts, incoming).await
}

async fn routed<C: Components>(
    edge: &Edge<C>,
    exchange: Exchange<'_>,
    mut parts: Parts,
    incoming: LingeringBody,
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
    let (asked, limits) = match &matched.route.target {
        Target::Static(answer) => return static_response(answer, &parts.method),
        Target::Asked(asked, limits) => (asked, *limits),
    };
    if let Asked::Component { id, .. } = asked {
        exchange.record.component(id);
    }

    // Head limit. Before the head is looked at any closer.
    if exchange.head_bytes > limits.headers {
        exceeded(&exchange, "request_headers");
        return Err(Refusal::headers_too_large(limits.headers));
    }

    // Authenticate. Before the rate limit, which is the user's. A token that is not known is
    // charged to the address, or guessing tokens would be free.
    let has_clients = edge.has_clients(&matched.route.target);
    let address = Payer::address(&exchange.tenant, exchange.sender.client);
    let admit = || edge.charge(&address);
    let brought = Brought {
        headers: &parts.headers,
        ticketed: asked.tickets().map(|tickets| (tickets, parts.uri.query())),
        site: Some(exchange.sender.site(&parts)),
        clients: has_clients,
    };
    let caller = edge
        .authenticator
        .authenticate(
            &edge.components,
            &exchange.tenant,
            exchange.request_id,
            &brought,
            exchange.sender.client,
            admit,
        )
        .await?;
    let by = caller
        .as_ref()
        .and_then(|caller| caller.impersonated_by.as_ref());
    exchange.record.impersonated_by(by);
    if edge.authenticator.is_on() {
        // A guest gets to know who calls (`sbd-caller`), never the secret that proves it.
        credentials::remove(&mut parts.headers, has_clients);
    }

    // Rate limits. Before anything that costs: no body is read and no instance taken. The narrower first: what they
    // refuse is not taken from the others.
    let user = caller.as_ref().and_then(|caller| caller.user.clone());
    let payer = user.map_or(address, |user| Payer::user(&exchange.tenant, user));
    if let Some(class) = edge.classes.find(matched.route.component(), uri.path()) {
        exchange.told.allowance.take(class, &payer)?;
    }
    if let Some(limiter) = &edge.limiter {
        if let Some(program) = caller.as_ref().and_then(|caller| caller.program()) {
            let program = Payer::program(&exchange.tenant, Arc::clone(program));
            exchange
                .told
                .allowance
                .take(limiter.of(&program), &program)?;
        }
        exchange.told.allowance.take(limiter.of(&payer), &payer)?;
        let place = limiter.enter(payer.clone(), &edge.lasting.open).await?;
        exchange.record.place(place);
    }

    // Body limit. At once if the length is announced, else while it streams.
    if incoming.size_hint().lower() > limits.body {
        exceeded(&exchange, "request_body");
        return Err(Refusal::body_too_large(limits.body));
    }
    let (body, watch) = metered(incoming, limits.body);

    let answer = match asked {
        // The component. How long it may take is the runtime's to watch over, as every limit on
        // guests.
        Asked::Component { id, spin_headers } => {
            if *spin_headers {
                headers::add_spin(&mut parts.headers, &uri, &matched, &exchange.sender);
            }
            let call = Call {
                tenant: Arc::clone(&exchange.tenant),
                component: Arc::clone(id),
                request_id: Arc::clone(exchange.request_id),
                class: Class::Public,
                principal: caller,
            };
            let answer = edge
                .components
                .invoke(call, Request::from_parts(parts, body))
                .await;
            arrived(&exchange, &watch, limits)?;
            answer.map_err(|error| Refusal::from_component(&error, id, exchange.request_id))
        }
        // The host. It alone may take the connection over.
        Asked::Host { answers, .. } => {
            let request = HostRequest {
                tenant: Arc::clone(&exchange.tenant),
                request_id: Arc::clone(exchange.request_id),
                caller,
                client: exchange.sender.client,
                params: matched.owned_params(),
                rest: matched.rest.to_owned(),
                upgrade: Upgrade::wanted(&mut parts, &body, &edge.lasting.upgrades, payer),
                request: Request::from_parts(parts, body),
                stopping: edge.lasting.stopping.clone(),
            };
            let answer = Box::pin(answers.answer(edge, request)).await;
            arrived(&exchange, &watch, limits)?;
            answer
        }
    }?;

    // What lasts. It must not keep its sender's other requests waiting.
    if is_events(answer.headers()) {
        exchange.record.lasts(&edge.lasting.open)?;
    }
    Ok(answer)
}

/// Whoever answers cannot know what a body that failed under them means to the client; we do.
fn arrived(exchange: &Exchange<'_>, watch: &Watch, limits: RequestLimits) -> Result<(), Refusal> {
    match watch.fate() {
        Fate::Intact => Ok(()),
        Fate::TooLarge => {
            exceeded(exchange, "request_body");
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
fn exceeded(exchange: &Exchange<'_>, limit: &'static str) {
    let tenant = &*exchange.tenant;
    let component = exchange.record.answerer();
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
        "a request is larger than allowed"
    );
}

/// Requests that are HTTP but for which no path exists at all, or that are too large for any.
fn acceptable(parts: &Parts, head_bytes: u64, lasting: &Lasting) -> Result<(), Refusal> {
    let path = parts.uri.path_and_query();
    if path.is_some_and(|path| path.as_str().len() > lasting.max_uri_bytes) {
        return Err(Refusal::uri_too_long(lasting.max_uri_bytes));
    }
    let largest = lasting.limits.header_bytes;
    if head_bytes > largest as u64 {
        return Err(Refusal::head_too_large(largest));
    }
    if !parts.uri.path().starts_with('/') {
        return Err(Refusal::malformed(
            "The request names no path; ask for one that begins with /.",
        ));
    }
    Ok(())
}

fn static_response(answer: &StaticResponse, method: &Method) -> Result<Response<Body>, Refusal> {
    read_only(method)?;
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
