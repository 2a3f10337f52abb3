//! The admin listener: what operators and their monitoring read, on an address of its own that
//! need not be reachable from outside.

use crate::components::Components;
use crate::credentials::Brought;
use crate::error::Refusal;
use crate::gateway::Edge;
use crate::headers;
use crate::health::plain;
use crate::lingering_body::LingeringBody;
use crate::rate::Payer;
use crate::request_id::RequestId;
use crate::sender::Sender;
use crate::server::Peer;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sbd_registry::Actor;
use sbd_runtime::{Body, body};
use std::sync::Arc;

/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where the admin API begins.
const API: &str = "/admin/";

/// How tokens of operators begin, which are no users' access tokens.
const OPERATOR_TOKEN: &str = "sbd_op_";
/// What an administrator's token needs here.
const OPERATE: &str = "admin:host:operate";

/// What the admin listener serves beside the gateway's own pages.
pub trait AdminPages: Clone + Send + Sync + 'static {
    /// The metrics, as text.
    fn metrics(&self) -> String;

    /// Whose token this is, which begins with `sbd_op_`.
    ///
    /// # Errors
    /// Why it is refused, as a sentence.
    fn operator(&self, token: &str) -> impl Future<Output = Result<String, String>> + Send;

    /// The admin API's answer to somebody who may ask.
    fn api(
        &self,
        actor: Actor,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Answers one request on the admin listener.
pub(crate) async fn answer<C: Components>(
    edge: Arc<Edge<C>>,
    pages: impl AdminPages,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Response<Body> {
    let id = RequestId::new();
    let (mut parts, incoming) = request.into_parts();
    let incoming = LingeringBody::new(&parts, incoming);
    let sender = match Sender::of(&parts, &peer, &edge.lasting.trusted_proxies) {
        Ok(sender) => sender,
        Err(refusal) => return finished(refusal.into_response(&id.text), id),
    };
    sender.correct(&mut parts);
    let incoming = incoming.map_err(body::BodyError::from).boxed_unsync();
    let request = Request::from_parts(parts, incoming);
    let path = request.uri().path();
    if path.starts_with(API) {
        let admitted = administrator(&edge, &pages, &sender, &id.text, request.headers()).await;
        return match admitted {
            Ok(actor) => pages.api(actor, request).await,
            Err(refusal) => finished(refusal.into_response(&id.text), id),
        };
    }
    let known = ["/metrics", "/healthz", "/readyz"].contains(&path);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let answer = match path {
        _ if known && !reads => Err(Refusal::method_not_allowed("GET, HEAD")),
        "/metrics" => Ok(metrics(pages.metrics())),
        "/healthz" => Ok(plain("ok\n")),
        "/readyz" => edge.lasting.health.ready().map(|()| plain("ready\n")),
        _ => Err(Refusal::not_found()),
    };
    let response = answer.unwrap_or_else(|refusal| refusal.into_response(&id.text));
    finished(response, id)
}

/// Lets operators pass, and administrators of the default tenant: it is the operator's own.
async fn administrator<C: Components>(
    edge: &Edge<C>,
    pages: &impl AdminPages,
    sender: &Sender,
    request_id: &Arc<str>,
    headers: &HeaderMap,
) -> Result<Actor, Refusal> {
    let tenant = edge.lasting.tenants.default_tenant();
    let address = Payer::address(&tenant, sender.client);
    let admit = || edge.charge(&address);
    if let Some(token) = operator_token(headers) {
        admit()?;
        let operator = pages.operator(token).await;
        return operator
            .map(Actor::Operator)
            .map_err(Refusal::token_invalid);
    }
    // A cookie goes to every port of a host, and says nothing here.
    let brought = Brought {
        headers,
        ticketed: None,
        site: None,
        clients: false,
    };
    let caller = edge
        .authenticator
        .authenticate(
            &edge.components,
            &tenant,
            request_id,
            &brought,
            sender.client,
            admit,
        )
        .await?
        .ok_or_else(|| {
            Refusal::unauthenticated(
                "This is for administrators; send an operator's token, or an administrator's access token, as bearer token.",
            )
        })?;
    // Whoever operates the host may do everything: a token for some of administration is not enough.
    let may = caller.has_role("admin") && caller.scopes.allow(OPERATE);
    match &caller.user {
        Some(user) if may => Ok(Actor::User(user.to_string())),
        _ => Err(Refusal::forbidden(
            "This is for administrators, and for tokens that hold `admin:host:operate`.",
        )),
    }
}

fn operator_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(OPERATOR_TOKEN)).then_some(token)
}

fn finished(mut response: Response<Body>, id: RequestId) -> Response<Body> {
    headers::finish(response.headers_mut(), id.header);
    response
}

fn metrics(text: String) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
    response
}
