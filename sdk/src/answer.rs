//! Answers as values: what can be kept and given again; and answers whose types say what they are.

use crate::openapi::Body;
use crate::{Error, etag};
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::marker::PhantomData;

/// A status, some headers and a JSON body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    /// The JSON text as it was first sent, so that a repeated answer is the same to the byte.
    body: Option<String>,
}

// === impl Answer ===

impl Answer {
    /// 200 with a body.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn ok<T: Serialize>(body: &T) -> crate::Result<Self> {
        Self::with_body(StatusCode::OK, body)
    }

    /// 201 with the address of what was made, and a body.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn created<T: Serialize>(location: &str, body: &T) -> crate::Result<Self> {
        Ok(Self::with_body(StatusCode::CREATED, body)?.header(header::LOCATION, location))
    }

    /// 204: done, nothing to say.
    pub fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    fn empty(status: StatusCode) -> Self {
        Self {
            status: status.as_u16(),
            headers: Vec::new(),
            body: None,
        }
    }

    fn with_body<T: Serialize>(status: StatusCode, body: &T) -> crate::Result<Self> {
        let body = serde_json::to_string(body).map_err(Error::internal)?;
        Ok(Self {
            body: Some(body),
            ..Self::empty(status)
        })
    }

    /// The same answer with the entity tag of a version.
    #[must_use]
    pub fn etag(self, version: u64) -> Self {
        let tag = etag::of(version);
        self.header(header::ETAG, tag.to_str().unwrap_or_default())
    }

    /// The same answer, never to be kept by a cache: for answers with secrets.
    #[must_use]
    pub fn no_store(self) -> Self {
        self.header(header::CACHE_CONTROL, "no-store")
    }

    /// The same answer with one more header. A value that no header can hold is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers
            .push((name.as_str().to_owned(), value.to_owned()));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = match self.body {
            Some(json) => {
                let mut response = (status, json).into_response();
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
            None => status.into_response(),
        };
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// 201 with the address of what was made and a body, a [`Tagged`] one if it has a version. It can be
/// kept for repeats ([`crate::Idempotency`]).
#[derive(Debug, PartialEq, Eq)]
pub struct Created<T> {
    answer: Answer,
    of: PhantomData<fn() -> T>,
}

/// 200 with a body and its version as `ETag`. To who has that version already (`If-None-Match`) the
/// answer is 304.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged<T> {
    /// The version.
    pub version: u64,
    /// The body.
    pub body: T,
}

/// 204: done, nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoContent;

/// Before an answer, `(NoStore, Json(tokens))`: never to be kept by a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoStore;

// === impl Created ===

impl<T: Body> Created<T> {
    /// What was made, and where it is.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn at(location: &str, body: &T) -> crate::Result<Self> {
        let answer = Answer {
            body: Some(body.json()?),
            ..Answer::empty(StatusCode::CREATED)
        };
        let answer = answer.header(header::LOCATION, location);
        Ok(match body.version() {
            Some(version) => answer.etag(version),
            None => answer,
        }
        .into())
    }
}

impl<T> Clone for Created<T> {
    fn clone(&self) -> Self {
        self.answer.clone().into()
    }
}

impl<T> From<Answer> for Created<T> {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            of: PhantomData,
        }
    }
}

impl<T> From<Created<T>> for Answer {
    fn from(created: Created<T>) -> Self {
        created.answer
    }
}

impl<T> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        self.answer.into_response()
    }
}

// === impl Tagged ===

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = [(header::ETAG, etag::of(self.version))];
        (tag, crate::Json(self.body)).into_response()
    }
}

// === impl NoContent ===

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

// === impl NoStore ===

impl IntoResponseParts for NoStore {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        let never = HeaderValue::from_static("no-store");
        parts.headers_mut().insert(header::CACHE_CONTROL, never);
        Ok(parts)
    }
}
