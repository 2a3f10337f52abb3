//! The form of answers: as everywhere, one body for errors, and a request id.

use crate::Error;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use sbd_contract::Refusal;
use sbd_registry::Actor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Largest body of a request.
const LARGEST: usize = 64 * 1024;

/// So much of an archive is sent at once.
const CHUNK: usize = 64 * 1024;

/// Most items of a page.
const LARGEST_PAGE: u32 = 1000;

/// An error on its way out; its body is written once the request has its id.
#[derive(Clone, Debug)]
pub(crate) struct Failure(pub(crate) Error);

/// JSON that was understood.
pub(crate) struct Body<T>(pub(crate) T);

/// Who asks.
pub(crate) struct By(pub(crate) Actor);

/// Which page of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// Which page, from 1.
    page: Option<u32>,
    /// How many a page, up to 1000; 100 when left out.
    per_page: Option<u32>,
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) page: u32,
    pub(crate) per_page: u32,
    pub(crate) total: usize,
}

/// A query whose fields were understood.
pub(crate) struct Fields<T>(pub(crate) T);

// === impl Paging ===

impl Paging {
    /// Page, and items a page.
    pub(crate) fn checked(self) -> Result<(u32, u32), Failure> {
        let (page, per_page) = (self.page.unwrap_or(1), self.per_page.unwrap_or(100));
        if page == 0 || !(1..=LARGEST_PAGE).contains(&per_page) {
            let message = format!("pages count from 1 and hold 1 to {LARGEST_PAGE} items");
            return Err(Failure(Error::invalid(message)));
        }
        Ok((page, per_page))
    }
}

/// How many entries of a list that goes on: 1 to 1000, 100 when left out.
pub(crate) fn most(asked: Option<u32>) -> Result<u32, Failure> {
    let most = asked.unwrap_or(100);
    if !(1..=LARGEST_PAGE).contains(&most) {
        let message = format!("`most` is 1 to {LARGEST_PAGE}");
        return Err(Failure(Error::invalid(message)));
    }
    Ok(most)
}

// === impl Failure ===

impl Failure {
    pub(crate) fn not_found() -> Self {
        Self(Error::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "nothing answers at this path; /admin/api/v1/openapi.json lists those that exist",
        ))
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self(Error::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "this path does not answer this method; see /admin/api/v1/openapi.json",
        ))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Error {
            status,
            code,
            message,
        } = self.0;
        Refusal::new(status, code, message).into_response()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// An archive as an answer.
pub(crate) fn archive(file: File) -> Result<impl IntoResponse, Failure> {
    let length = file
        .metadata()
        .map_err(|error| Error::unavailable(format!("the archive cannot be read: {error}")))?;
    let archive = ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK);
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::CONTENT_LENGTH, length.len().to_string()),
    ];
    Ok((headers, axum::body::Body::from_stream(archive)))
}

/// Gives an answer its id, and an error its body.
pub(crate) fn with_request_id(response: Response) -> Response {
    let id = format!("req_{}", uuid::Uuid::now_v7().simple());
    let (mut response, _) = Refusal::complete(response, &id);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let bytes = axum::body::to_bytes(request.into_body(), LARGEST).await;
        let bytes: Bytes = bytes.map_err(|_| {
            Failure(Error::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "BODY_TOO_LARGE",
                format!("the body could not be read, or is larger than {LARGEST} bytes"),
            ))
        })?;
        let parsed = serde_json::from_slice(&bytes);
        let parsed = parsed.map_err(|error| {
            let message = format!("the body is not the JSON that is expected: {error}");
            if error.is_data() {
                Failure(Error::invalid(message))
            } else {
                Failure(Error::new(
                    StatusCode::BAD_REQUEST,
                    "MALFORMED_REQUEST",
                    message,
                ))
            }
        })?;
        Ok(Self(parsed))
    }
}

impl<T: DeserializeOwned + Send, S: Sync + Send> FromRequestParts<S> for Fields<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(fields) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error| Failure(Error::invalid(error.body_text())))?;
        Ok(Self(fields))
    }
}

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let actor = parts.extensions.get::<Actor>().cloned();
        // Whoever serves the API says who asks; that nobody did is no client's fault.
        actor
            .map(Self)
            .ok_or_else(|| Failure(Error::unavailable("nobody said who asks")))
    }
}
