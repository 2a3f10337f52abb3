//! What the host asks a component at a path under `/-/`, and what it takes for an answer.

use crate::InvokeError;
use crate::body::{self, Body};
use crate::requests::Call;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde::Serialize;

/// Largest answer, where a question does not say otherwise.
const LARGEST: usize = 64 << 10;

/// A question of the host.
#[derive(Debug)]
pub struct Question {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Bytes>,
    largest: usize,
}

/// A component's whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

// === impl Question ===

impl Question {
    /// What is at this path?
    pub fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: None,
            largest: LARGEST,
        }
    }

    /// Do something about this.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn post(path: &str, about: &impl Serialize) -> Result<Self, InvokeError> {
        let json = serde_json::to_vec(about);
        let json = json.map_err(|error| InvokeError::Unusable(error.to_string()))?;
        Ok(Self::post_json(path, json.into()))
    }

    /// Do something about this, which is JSON already.
    pub fn post_json(path: &str, json: Bytes) -> Self {
        Self {
            method: Method::POST,
            body: Some(json),
            ..Self::get(path)
        }
    }

    /// The same with a further header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same with room for an answer of so many bytes.
    #[must_use]
    pub fn with_room(self, largest: usize) -> Self {
        Self { largest, ..self }
    }

    /// Puts it to the component of a call by whatever sends requests there.
    ///
    /// # Errors
    /// When there is no answer, or one that breaks off or is too large: [`InvokeError::Unusable`].
    pub async fn put<F>(
        self,
        call: Call,
        send: impl FnOnce(Call, Request<Body>) -> F,
    ) -> Result<Reply, InvokeError>
    where
        F: Future<Output = Result<Response<Body>, InvokeError>>,
    {
        let unusable = |reason: String| InvokeError::Unusable(reason);
        let largest = self.largest;
        let request = self.request(&call.component)?;
        let (head, body) = send(call, request).await?.into_parts();
        let body = Limited::new(body, largest).collect().await;
        Ok(Reply {
            status: head.status,
            body: body
                .map_err(|error| unusable(error.to_string()))?
                .to_bytes(),
        })
    }

    /// As the component receives it.
    pub(crate) fn request(self, component: &str) -> Result<Request<Body>, InvokeError> {
        let address = format!("http://{component}.spin.internal{}", self.path);
        let mut request = Request::builder().method(self.method).uri(address);
        let body = match self.body {
            None => body::empty(),
            Some(json) => {
                let kind = HeaderValue::from_static("application/json");
                request = request.header(header::CONTENT_TYPE, kind);
                body::full(json)
            }
        };
        let request = request.body(body);
        let mut request = request.map_err(|error| InvokeError::Unusable(error.to_string()))?;
        request.headers_mut().extend(self.headers);
        Ok(request)
    }
}
