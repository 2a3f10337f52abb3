//! Requests to other components and to hosts outside, in a test.

use super::App;
use super::app::TENANT;
use super::world::{World, present};
use crate::{Principal, context, header};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use wasip3::http::types::ErrorCode;

/// What answers.
pub(super) type Answers = dyn Fn(&Call) -> (u16, Value);

/// What the component asks of somebody else.
#[derive(Clone, Debug)]
pub struct Call {
    /// The component, or the host outside.
    pub to: String,
    /// The method.
    pub method: Method,
    /// The path, with its query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON, or a text where it is none; null without one.
    pub body: Value,
}

pub(crate) async fn send(request: Request) -> Result<Response, ErrorCode> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let authority = head
        .uri
        .authority()
        .map_or("", |authority| authority.as_str());
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let component = authority.strip_suffix(".spin.internal");
    let to = component.unwrap_or(authority).to_owned();
    let world = present("outgoing requests");
    let neighbour = world.neighbours.borrow().get(&to).cloned();
    if let Some(neighbour) = neighbour.filter(|_| component.is_some()) {
        require_reach(&world, &to);
        return Ok(ask(
            &world,
            &neighbour,
            Request::from_parts(head, body.into()),
        ));
    }
    let call = Call {
        to,
        path: path.to_owned(),
        method: head.method,
        headers: head.headers,
        body: match &*body {
            [] => Value::Null,
            body => serde_json::from_slice(body)
                .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into()),
        },
    };
    let answers = world.answers.borrow();
    let Some(answers) = &*answers else {
        return Err(ErrorCode::HttpRequestDenied);
    };
    let (status, body) = answers(&call);
    let status = StatusCode::from_u16(status).expect("a status");
    if body.is_null() {
        return Ok(status.into_response());
    }
    let json = [(http::header::CONTENT_TYPE, "application/json")];
    Ok((status, json, Body::from(body.to_string())).into_response())
}

/// What the component asks of a neighbour: for the caller that it passes on, by itself.
fn ask(world: &World, neighbour: &App, mut request: Request) -> Response {
    let passed_on = request.headers().get(header::CALLER).cloned();
    let current = context::current();
    let sealed = passed_on.or_else(|| current.as_ref()?.sealed_caller.clone());
    let principal = sealed.as_ref().and_then(Principal::from_header);
    let name = world.name.borrow();
    let name = name.as_deref().unwrap_or("test");
    let headers = request.headers_mut();
    header::drop_all(headers);
    headers.insert(header::TENANT, HeaderValue::from_static(TENANT));
    if let Ok(id) = HeaderValue::try_from(context::request_id()) {
        headers.insert(header::REQUEST_ID, id);
    }
    if let Some(claims) = principal.and_then(|who| who.called_via(name).claims()) {
        let sealed = HeaderValue::try_from(format!("{claims}.seal"));
        headers.insert(header::CALLER, sealed.expect("claims in ASCII"));
    }
    neighbour.run(async {
        let (head, body) = neighbour.app().respond(request).await.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a whole body");
        Response::from_parts(head, body.into())
    })
}

/// What the manifest does not let the component call, it does not call in a test either.
fn require_reach(world: &World, component: &str) {
    if let Some(reaches) = &*world.reaches.borrow() {
        assert!(
            reaches.allows_component(component),
            "the component calls `{component}`; add to its spin.toml: {}",
            reaches.line_to_add("http", &format!("{component}.spin.internal"), None)
        );
    }
}
