//! Components without wasm: what the gateway promises does not depend on what runs behind it.

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use sbd_gateway::{Components, RevocationListener};
use sbd_runtime::{Body, Call, InvokeError, Limit, Offered, body};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// Three components: `auth`, `echo` (says what it got, misbehaves on request) and `other`.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<State>);

pub(crate) struct State {
    listener: Mutex<Option<RevocationListener>>,
    /// How often `/-/authenticate` was asked.
    pub(crate) asked: AtomicUsize,
    /// Requests that reached `echo` or `other`.
    pub(crate) reached: AtomicUsize,
    /// Answers of `/-/authenticate` wait for a permit each.
    pub(crate) gate: Semaphore,
    /// Told when `/-/authenticate` is waiting at the gate, and when `/echo/wait` began.
    pub(crate) arrived: Notify,
    /// Lets `/echo/wait` go on.
    pub(crate) release: Notify,
    /// Counts `/echo/wait` requests that were dropped unfinished.
    pub(crate) dropped: Arc<AtomicUsize>,
    /// What components offer.
    pub(crate) offers: Mutex<HashMap<String, Arc<Offered>>>,
    /// The features that are off.
    pub(crate) off: Mutex<BTreeSet<Arc<str>>>,
    /// The sessions that have ended.
    ended: Mutex<BTreeSet<String>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            listener: Mutex::default(),
            asked: AtomicUsize::default(),
            reached: AtomicUsize::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            arrived: Notify::default(),
            release: Notify::default(),
            dropped: Arc::default(),
            offers: Mutex::default(),
            off: Mutex::default(),
            ended: Mutex::default(),
        }
    }
}

impl std::ops::Deref for Fake {
    type Target = State;
    fn deref(&self) -> &State {
        &self.0
    }
}

impl Components for Fake {
    async fn invoke(
        &self,
        call: Call,
        request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        let path = request.uri().path().to_owned();
        match &*call.component {
            "auth" if path == "/-/authenticate" => self.authenticate(request).await,
            // For pages of everybody, and for clients of its own.
            "auth" if path == "/api/v1/auth/for-everybody" => {
                let shown = request.headers().get("authorization");
                let shown = shown.map(|shown| shown.to_str().unwrap());
                let mut answer = answer(200, &json!({ "shown": shown }));
                let anybody = http::HeaderValue::from_static("*");
                answer
                    .headers_mut()
                    .insert("access-control-allow-origin", anybody);
                Ok(answer)
            }
            "auth" if path.starts_with("/.well-known") => Ok(answer(200, &json!({}))),
            "auth" => self.logout(&call).await,
            "echo" => self.echo(call, &path, request).await,
            "other" => {
                self.reached.fetch_add(1, Ordering::SeqCst);
                Ok(answer(200, &json!({ "component": "other", "path": path })))
            }
            unknown => Err(InvokeError::UnknownComponent(unknown.to_owned())),
        }
    }

    fn offer(&self, component: &str) -> Option<Arc<Offered>> {
        self.offers.lock().unwrap().get(component).cloned()
    }

    fn on_revoked(&self, listener: RevocationListener) {
        *self.listener.lock().unwrap() = Some(listener);
    }

    fn switched_off(&self, _: &str) -> BTreeSet<Arc<str>> {
        self.off.lock().unwrap().clone()
    }

    fn features_at(&self, component: &str, _: &str) -> Vec<Arc<str>> {
        vec![Arc::from(component)]
    }

    fn health(&self, _: Option<&str>) -> Value {
        json!({ "echo": "fine" })
    }
}

impl Fake {
    /// Makes the auth component's answers wait for `release_auth`.
    pub(crate) fn hold_auth(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn release_auth(&self) {
        self.gate.add_permits(100);
    }

    /// Ends a session.
    pub(crate) fn revoke(&self, session: &str) {
        self.ended.lock().unwrap().insert(session.to_owned());
        self.take_from(session);
    }

    /// Takes something from a session, or a token, that goes on.
    pub(crate) fn take_from(&self, session: &str) {
        let listener = self.listener.lock().unwrap();
        listener.as_ref().unwrap()("default", &[session.to_owned()]);
    }

    /// Whoever begins to serve this offers that.
    pub(crate) fn offers(&self, component: &str, document: &Value) {
        let offered = Offered::read(document.to_string().into()).unwrap();
        let mut offers = self.offers.lock().unwrap();
        offers.insert(component.to_owned(), Arc::new(offered));
    }

    /// Tokens are `{user}.{session}.{role}[.{seconds to live}[.{who acts in the user's place}]]`, where a session may be
    /// a program's `ptk_...`, or a word for what is wrong.
    async fn authenticate(&self, request: Request<Body>) -> Result<Response<Body>, InvokeError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.arrived.notify_one();
        let _permit = self.gate.acquire().await.unwrap();
        assert_eq!(request.method(), "POST");
        let question = request.into_body().collect().await.unwrap().to_bytes();
        let question: Value = serde_json::from_slice(&question).unwrap();
        let token = question["token"]["token"].as_str().unwrap();
        let refused =
            |code: &str| answer(401, &json!({ "error": { "code": code, "message": "no" } }));
        match token {
            "expired" => return Ok(refused("TOKEN_EXPIRED")),
            "forged" => return Ok(refused("TOKEN_INVALID")),
            "nonsense" => return Ok(answer(200, &json!({ "who": "knows" }))),
            "overloaded" => {
                return Err(InvokeError::Overloaded {
                    retry_after: Duration::from_secs(2),
                    limit: Limit::Concurrency,
                });
            }
            _ => {}
        }
        let parts: Vec<&str> = token.split('.').collect();
        let session = match parts[1].starts_with("ptk_") {
            true => parts[1].to_owned(),
            false => format!("ses_{}", parts[1]),
        };
        if self.ended.lock().unwrap().contains(&session) {
            return Ok(refused("TOKEN_INVALID"));
        }
        let lives = parts.get(3).map_or(900, |seconds| seconds.parse().unwrap());
        let expires_at = jiff::Timestamp::now() + Duration::from_secs(lives);
        Ok(answer(
            200,
            &json!({
                "user": format!("usr_{}", parts[0]),
                "session": session,
                "username": parts[0],
                "roles": [parts[2]],
                "scopes": if parts[2] == "admin" { json!(["*", "admin:*"]) } else { json!(["*"]) },
                "impersonated_by": parts.get(4),
                "expires_at": expires_at.to_string(),
            }),
        ))
    }

    async fn logout(&self, call: &Call) -> Result<Response<Body>, InvokeError> {
        let session = call
            .principal
            .as_ref()
            .and_then(|caller| caller.session.clone());
        self.revoke(&session.unwrap());
        Ok(answer(200, &json!({})))
    }

    async fn echo(
        &self,
        call: Call,
        path: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        self.reached.fetch_add(1, Ordering::SeqCst);
        match path {
            "/echo/panic" => panic!("on purpose"),
            "/echo/wait" => {
                let mut guard = DropGuard(Some(Arc::clone(&self.dropped)));
                self.arrived.notify_one();
                self.release.notified().await;
                guard.0 = None;
            }
            "/echo/endless" => {
                let part = || {
                    let part = hyper::body::Bytes::from_static(&[b'x'; 1 << 16]);
                    Ok::<_, body::BodyError>(http_body::Frame::data(part))
                };
                let mut guard = DropGuard(Some(Arc::clone(&self.dropped)));
                let parts = futures::stream::repeat_with(move || {
                    let _ = &mut guard;
                    part()
                });
                return Ok(Response::new(
                    http_body_util::StreamBody::new(parts).boxed_unsync(),
                ));
            }
            "/echo/trap" => return Err(InvokeError::Trapped),
            "/echo/full" => return Err(InvokeError::StorageFull),
            "/echo/cannot-start" => return Err(InvokeError::CannotStart("secret path".to_owned())),
            "/echo/guest-error" => return Err(InvokeError::Guest("secret".to_owned())),
            "/echo/timeout" => {
                return Err(InvokeError::Timeout {
                    after: Duration::from_secs(3),
                    limit: Limit::CpuTime,
                });
            }
            "/echo/overloaded" => {
                let retry_after = Duration::from_millis(1500);
                return Err(InvokeError::Overloaded {
                    retry_after,
                    limit: Limit::Concurrency,
                });
            }
            "/echo/own-500" => {
                let mut response = Response::new(body::full("my own words"));
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return Ok(response);
            }
            _ => {}
        }
        Ok(self.describe(call, request).await)
    }

    async fn describe(&self, call: Call, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else {
            return answer(500, &json!({ "guest": "the body failed" }));
        };
        let headers: HashMap<&str, &str> = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let cookies = head.headers.get_all("cookie").into_iter().count();
        let mut response = answer(
            200,
            &json!({
                "method": head.method.as_str(),
                "uri": head.uri.to_string(),
                "path": head.uri.path(),
                "headers": headers,
                "cookies": cookies,
                "body": body.to_bytes().len(),
                "component": &*call.component,
                "tenant": &*call.tenant,
                "request_id": &*call.request_id,
                "caller": call.principal.map(|caller| caller.username.clone()),
            }),
        );
        for name in ["sbd-caller", "sbd-revoked", "sbd-anything"] {
            response
                .headers_mut()
                .insert(name, http::HeaderValue::from_static("secret"));
        }
        response
            .headers_mut()
            .insert("vary", http::HeaderValue::from_static("accept"));
        response
            .headers_mut()
            .insert("x-guest", http::HeaderValue::from_static("stays"));
        response
    }
}

struct DropGuard(Option<Arc<AtomicUsize>>);

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(dropped) = &self.0 {
            dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn answer(status: u16, json: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body::full(json.to_string()))
        .unwrap()
}
