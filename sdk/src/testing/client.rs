//! Who asks a component under test, and what is answered.

use super::App;
use super::app::TENANT;
use super::tasks;
use crate::{Principal, header};
use axum::body::Body;
use axum::extract::Request;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use std::ops::Index;

/// Somebody who asks.
#[derive(Clone)]
pub struct Client<'a> {
    app: &'a App,
    principal: Option<Principal>,
    headers: HeaderMap,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
    body: Value,
}

const REQUEST_ID: &str = "req_019a2f3c8b7e7c2d9f00112233445566";

// === impl Client ===

impl<'a> Client<'a> {
    pub(super) fn new(app: &'a App, principal: Option<Principal>) -> Self {
        Self {
            app,
            principal,
            headers: HeaderMap::new(),
        }
    }

    /// The same with one more header.
    #[must_use]
    #[track_caller]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        let name = HeaderName::try_from(name).expect("a header's name");
        with.headers.append(
            name,
            HeaderValue::try_from(value).expect("a header's value"),
        );
        with
    }

    /// `GET`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None)
    }

    /// `POST` with a JSON body.
    #[track_caller]
    pub fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body))
    }

    /// `PUT` with a JSON body.
    #[track_caller]
    pub fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, Some(body))
    }

    /// `PATCH` with a JSON body.
    #[track_caller]
    pub fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, Some(body))
    }

    /// `DELETE`.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None)
    }

    /// An event, as the host delivers it.
    #[track_caller]
    pub fn event(&self, kind: &str, data: Value) -> Reply {
        let time = self.app.now().to_string();
        self.with_header("ce-specversion", "1.0")
            .with_header("ce-id", "evt_019a2f3c8b7e7c2d9f00112233445566")
            .with_header("ce-type", kind)
            .with_header("ce-source", "/components/test")
            .with_header("ce-time", &time)
            .post(crate::path::EVENTS, data)
    }

    /// Queued work about this, as the host sends it for the first time.
    #[track_caller]
    pub fn task(&self, name: &str, data: Value) -> Reply {
        let work = json!({"id": tasks::SENT, "attempt": 1, "data": data, "results": []});
        self.post(&format!("{}{name}", crate::path::TASKS), work)
    }

    /// A tick that is due now, as the host sends it.
    #[track_caller]
    pub fn tick(&self, schedule: &str) -> Reply {
        let path = format!("{}{schedule}", crate::path::SCHEDULES);
        let tick = json!({"id": tasks::SENT, "attempt": 1, "due": self.app.now()});
        self.post(&path, tick)
    }

    /// Any request.
    #[track_caller]
    pub fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        match body {
            Some(body) => self.upload(method.as_str(), path, "application/json", body.to_string()),
            None => self.ask(method, path, None, Body::empty()),
        }
    }

    /// Any request with any body.
    #[track_caller]
    pub fn upload(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: impl Into<Body>,
    ) -> Reply {
        let method = method.parse().expect("a method like `PUT`");
        self.ask(method, path, Some(content_type), body.into())
    }

    #[track_caller]
    fn ask(&self, method: Method, path: &str, content_type: Option<&str>, body: Body) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::REQUEST_ID, REQUEST_ID)
            .header(header::TENANT, TENANT);
        if let Some(content_type) = content_type {
            request = request.header(http::header::CONTENT_TYPE, content_type);
        }
        if let Some(claims) = self.principal.as_ref().and_then(Principal::claims) {
            request = request.header(header::CALLER, format!("{claims}.seal"));
        }
        let mut request = request.body(body).expect("a path like `/api/v1/notes`");
        request.headers_mut().extend(self.headers.clone());
        self.app.run(async {
            let (head, body) = self.app.app().respond(request).await.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await;
            Reply::new(head, &body.expect("a whole body"))
        })
    }
}

// === impl Reply ===

impl Reply {
    fn new(head: http::response::Parts, bytes: &[u8]) -> Self {
        let text = || String::from_utf8_lossy(bytes).into_owned().into();
        let body = match bytes {
            [] => Value::Null,
            body => serde_json::from_slice(body).unwrap_or_else(|_| text()),
        };
        Self {
            status: head.status,
            headers: head.headers,
            bytes: bytes.to_vec(),
            body,
        }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// A header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body: JSON, or a text where it is none; null without one.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// The body to the byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A text in the body.
    #[track_caller]
    pub fn text(&self, field: &str) -> &str {
        let text = self.body[field].as_str();
        text.unwrap_or_else(|| panic!("`{field}` is no text in {}", self.body))
    }

    /// The same, if it has this status.
    #[track_caller]
    pub fn assert_status(self, status: u16) -> Self {
        assert_eq!(self.status(), status, "{}", self.body);
        self
    }

    /// The same, if it is a refusal of this status and code in the standard form.
    #[track_caller]
    pub fn assert_refused(self, status: u16, code: &str) -> Self {
        assert_eq!(self.status(), status, "{}", self.body);
        let error = &self.body["error"];
        assert_eq!(error["code"], code, "{}", self.body);
        assert_eq!(error["request_id"], REQUEST_ID, "{}", self.body);
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.len() > 10, "{}", self.body);
        self
    }
}

impl Index<&str> for Reply {
    type Output = Value;

    fn index(&self, field: &str) -> &Value {
        &self.body[field]
    }
}
