//! The one form of error: a code, a sentence that says what to do next, and the request's id.

use crate::context;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An answer that says no, as every component and the host say it.
///
/// Made by the constructors below, one a status. The message is one sentence for the person at the
/// other end and says what to do next; never put a secret or an internal detail into it.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Vec<Detail>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// One field that is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ErrorDetail)]
pub struct Detail {
    /// The path of the field, for example `members[2].role`.
    #[schema(example = "email")]
    pub field: String,
    /// What is wrong with it and what is right.
    pub message: String,
}

/// The body of every error answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorContent,
}

/// What went wrong.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorContent {
    /// A stable word for programs.
    #[schema(example = "VALIDATION_ERROR")]
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// The fields that are wrong, if it is about fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// The id of the request, to be named when asking for help.
    #[schema(example = "req_019a2f3c8b7e7c2d9f00112233445566")]
    pub request_id: String,
}

// === impl Error ===

impl Error {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
        }))
    }

    /// 400 `MALFORMED_REQUEST`: the request cannot be read at all.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED_REQUEST", message)
    }

    /// 401 `UNAUTHENTICATED`: nobody is signed in.
    pub fn unauthenticated() -> Self {
        let message = "sign in first and send the access token as `Authorization: Bearer ...`";
        Self::unauthorized("UNAUTHENTICATED", message)
    }

    /// 401 `INVALID_CREDENTIALS`: who signs in is not who they say they are.
    pub fn invalid_credentials(message: impl Into<String>) -> Self {
        Self::unauthorized("INVALID_CREDENTIALS", message)
    }

    /// 401 `TOKEN_INVALID`: a token that is not, or no longer, accepted.
    pub fn token_invalid(message: impl Into<String>) -> Self {
        Self::unauthorized("TOKEN_INVALID", message)
    }

    /// 401 `TOKEN_EXPIRED`: a token that was good and has run out.
    pub fn token_expired(message: impl Into<String>) -> Self {
        Self::unauthorized("TOKEN_EXPIRED", message)
    }

    fn unauthorized(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403 `FORBIDDEN`: known, and not allowed.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    /// 404 `NOT_FOUND`. `what` is a noun: `Error::not_found("family")`. Also for what is there and
    /// must not be seen by this caller.
    pub fn not_found(what: &str) -> Self {
        let message = format!("there is no such {what}; check the address, or list what there is");
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// 404 `FEATURE_DISABLED`: there, and switched off for this tenant or user.
    pub fn feature_disabled(feature: &str) -> Self {
        let message =
            format!("The feature `{feature}` is switched off here; ask the operator for it.");
        Self::new(StatusCode::NOT_FOUND, "FEATURE_DISABLED", message)
    }

    /// 405 `METHOD_NOT_ALLOWED`. The router adds `Allow`.
    pub fn method_not_allowed() -> Self {
        let message = "this address does not know the method; use one of the `Allow` header";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            message,
        )
    }

    /// 409 `CONFLICT`: it does not go with what is there already.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    /// 412 `PRECONDITION_FAILED`: it has changed since the caller read it.
    pub fn precondition_failed() -> Self {
        let message = "it has changed since you read it; read it again and repeat the change with the new `ETag`";
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "PRECONDITION_FAILED",
            message,
        )
    }

    /// 413 `BODY_TOO_LARGE`.
    pub fn body_too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message)
    }

    /// 415 `UNSUPPORTED_MEDIA_TYPE`. `wanted` is the media type to send.
    pub fn unsupported_media_type(wanted: &str) -> Self {
        let message = format!("send the body with `Content-Type: {wanted}`");
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            message,
        )
    }

    /// 422 `VALIDATION_ERROR` about one field.
    pub fn validation(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::validation_all(vec![Detail {
            field: field.into(),
            message: message.into(),
        }])
    }

    /// 422 `VALIDATION_ERROR` about several fields at once.
    pub fn validation_all(details: Vec<Detail>) -> Self {
        let message = "some values are not accepted; correct the fields in `details`";
        let mut error = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "VALIDATION_ERROR",
            message,
        );
        error.0.details = details;
        error
    }

    /// 422 `IDEMPOTENCY_KEY_REUSED`: the key came before, with another request.
    pub fn idempotency_key_reused() -> Self {
        let message = "this Idempotency-Key was used for another request; send a new key";
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "IDEMPOTENCY_KEY_REUSED",
            message,
        )
    }

    /// 429 `RATE_LIMITED`, with `Retry-After` in whole seconds.
    pub fn rate_limited(message: impl Into<String>, retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message)
            .with_retry(retry_after_seconds)
    }

    /// 500 `INTERNAL`. `cause` goes to the log with the request's id, never to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        eprintln!("internal error: {cause}");
        let message =
            "something went wrong on our side; try again, and name the request_id if it stays";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message)
    }

    /// 503 `OVERLOADED`, with `Retry-After` in whole seconds.
    pub fn overloaded(message: impl Into<String>, retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", message)
            .with_retry(retry_after_seconds)
    }

    /// 507 `STORAGE_FULL`.
    pub fn storage_full() -> Self {
        let message = "there is no room left to store this; delete something or ask the operator for room, then try again";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "STORAGE_FULL", message)
    }

    /// The same error with one more header in its answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The same error with one more wrong field.
    #[must_use]
    pub fn with_detail(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.details.push(Detail {
            field: field.into(),
            message: message.into(),
        });
        self
    }

    fn with_retry(self, seconds: u64) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code of the answer.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The fields that are wrong.
    pub fn details(&self) -> &[Detail] {
        &self.0.details
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl std::error::Error for Error {}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let inner = *self.0;
        let body = ErrorBody {
            error: ErrorContent {
                code: inner.code.to_owned(),
                message: inner.message,
                details: inner.details,
                request_id: context::request_id(),
            },
        };
        let mut response = (inner.status, axum::Json(body)).into_response();
        response.headers_mut().extend(inner.headers);
        response
    }
}
