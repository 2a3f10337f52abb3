//! The one form of error: a code, a sentence that says what to do next, and the request's id.

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use utoipa::ToSchema;

/// An answer that says no, as every component and the host say it.
///
/// Made by the constructors, one a status. The message is one sentence for the person at the other
/// end and says what to do next; never put a secret or an internal detail into it.
///
/// As an axum response it has no body yet: whoever knows the request's id gives it one by
/// [`Refusal::complete`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    details: Vec<Detail>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
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

// === impl Refusal ===

impl Refusal {
    /// A refusal that none of the others is.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// 400 `MALFORMED_REQUEST`: the request cannot be read at all.
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED_REQUEST", message)
    }

    /// 401 `UNAUTHENTICATED`: nobody is signed in.
    pub fn unauthenticated() -> Self {
        Self::unauthorized(
            "UNAUTHENTICATED",
            "sign in first and send the access token as `Authorization: Bearer ...`",
        )
    }

    /// 401 `INVALID_CREDENTIALS`: who signs in is not who they say they are.
    pub fn invalid_credentials(message: impl Into<Cow<'static, str>>) -> Self {
        Self::unauthorized("INVALID_CREDENTIALS", message)
    }

    /// 401 `TOKEN_INVALID`: a token that is not, or no longer, accepted.
    pub fn token_invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::unauthorized("TOKEN_INVALID", message)
    }

    /// 401 `TOKEN_EXPIRED`: a token that was good and has run out.
    pub fn token_expired(message: impl Into<Cow<'static, str>>) -> Self {
        Self::unauthorized("TOKEN_EXPIRED", message)
    }

    fn unauthorized(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403 `FORBIDDEN`: known, and not allowed.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    /// 403 `FORBIDDEN`: without the permission that an operation needs. It is also said in the words of RFC 6750, 3.1, by
    /// which programs know what more to ask their user for.
    pub fn lacks_permission(permission: &str) -> Self {
        let refusal = Self::forbidden(format!(
            "this needs the permission `{permission}`; use a token that has it, or ask an administrator for it"
        ));
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{permission}\"");
        match HeaderValue::try_from(challenge) {
            Ok(challenge) => refusal.with_header(header::WWW_AUTHENTICATE, challenge),
            Err(_) => refusal,
        }
    }

    /// 404 `NOT_FOUND`. `what` is a noun: `Refusal::not_found("family")`. Also for what is there and
    /// must not be seen by this caller.
    pub fn not_found(what: &str) -> Self {
        let message = format!("there is no such {what}; check the address, or list what there is");
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// 404 `FEATURE_DISABLED`: there, and switched off for this tenant or user.
    pub fn feature_disabled(feature: &str) -> Self {
        let message =
            format!("the feature `{feature}` is switched off here; ask the operator for it");
        Self::new(StatusCode::NOT_FOUND, "FEATURE_DISABLED", message)
    }

    /// 405 `METHOD_NOT_ALLOWED`. Who answers adds `Allow`.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "this address does not know the method; use one of the `Allow` header",
        )
    }

    /// 409 `CONFLICT`: it does not go with what is there already.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    /// 412 `PRECONDITION_FAILED`: it has changed since the caller read it.
    pub fn precondition_failed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "PRECONDITION_FAILED",
            "it has changed since you read it; read it again and repeat the change with the new `ETag`",
        )
    }

    /// 413 `BODY_TOO_LARGE`.
    pub fn body_too_large(message: impl Into<Cow<'static, str>>) -> Self {
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
        let mut refusal = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "VALIDATION_ERROR",
            "some values are not accepted; correct the fields in `details`",
        );
        refusal.0.details = details;
        refusal
    }

    /// 422 `IDEMPOTENCY_KEY_REUSED`: the key came before, with another request.
    pub fn idempotency_key_reused() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "IDEMPOTENCY_KEY_REUSED",
            "this Idempotency-Key was used for another request; send a new key",
        )
    }

    /// 429 `RATE_LIMITED`, with `Retry-After` in whole seconds.
    pub fn rate_limited(message: impl Into<Cow<'static, str>>, retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message)
            .with_retry(retry_after_seconds)
    }

    /// 500 `INTERNAL`. `cause` is for the log of who completes the answer, never for the caller.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let mut refusal = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "something went wrong on our side; try again, and name the request_id if it stays",
        );
        refusal.0.cause = Some(cause.to_string());
        refusal
    }

    /// 503 `OVERLOADED`, with `Retry-After` in whole seconds.
    pub fn overloaded(message: impl Into<Cow<'static, str>>, retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", message)
            .with_retry(retry_after_seconds)
    }

    /// 507 `STORAGE_FULL`.
    pub fn storage_full() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "STORAGE_FULL",
            "there is no room left to store this; delete something or ask the operator for room, then try again",
        )
    }

    /// The same with one more header in its answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The same with one more wrong field.
    #[must_use]
    pub fn with_detail(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.details.push(Detail {
            field: field.into(),
            message: message.into(),
        });
        self
    }

    /// The same with what is behind it, for the log of who completes the answer.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    fn with_retry(self, seconds: u64) -> Self {
        // Never "try again in 0 s".
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

    /// The sentence of the answer.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The fields that are wrong.
    pub fn details(&self) -> &[Detail] {
        &self.0.details
    }

    /// What is behind it, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Status and headers of the answer, and its body in the standard form.
    pub fn into_parts(self, request_id: &str) -> http::Response<Vec<u8>> {
        let inner = *self.0;
        let body = ErrorBody {
            error: ErrorContent {
                code: inner.code.to_owned(),
                message: inner.message.into_owned(),
                details: inner.details,
                request_id: request_id.to_owned(),
            },
        };
        // Texts always serialise; an empty body would still carry the status.
        let mut response = http::Response::new(serde_json::to_vec(&body).unwrap_or_default());
        *response.status_mut() = inner.status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response.headers_mut().extend(inner.headers);
        response
    }

    /// Gives an answer its body, if it is a refusal; answers what was behind it.
    pub fn complete(response: Response, request_id: &str) -> (Response, Option<String>) {
        let (mut head, body) = response.into_parts();
        let Some(mut refusal) = head.extensions.remove::<Self>() else {
            return (Response::from_parts(head, body), None);
        };
        let cause = refusal.0.cause.take();
        // What was added on the way out stays, like `Allow`.
        let added = std::mem::take(&mut head.headers);
        let mut response = refusal.into_parts(request_id).map(Body::from);
        for (name, value) in added.iter() {
            if !response.headers().contains_key(name) && *name != header::CONTENT_LENGTH {
                response.headers_mut().append(name, value.clone());
            }
        }
        (response, cause)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::{Value, json};

    fn body(refusal: Refusal) -> Value {
        serde_json::from_slice(refusal.into_parts("req_1").body()).unwrap()
    }

    #[test]
    fn it_has_one_form() {
        assert_eq!(
            body(Refusal::not_found("family")),
            json!({"error": {
                "code": "NOT_FOUND",
                "message": "there is no such family; check the address, or list what there is",
                "request_id": "req_1",
            }})
        );
        let taken = Refusal::conflict("taken").with_detail("email", "is taken");
        assert_eq!(
            body(taken)["error"]["details"],
            json!([{"field": "email", "message": "is taken"}])
        );
    }

    #[test]
    fn a_permission_that_is_lacking_is_named_for_programs_as_well() {
        let refusal = Refusal::lacks_permission("notes:read");
        let response = refusal.into_parts("req_1");
        assert_eq!(
            response.headers()[header::WWW_AUTHENTICATE],
            "Bearer error=\"insufficient_scope\", scope=\"notes:read\""
        );
        assert_eq!(response.status(), 403);
    }

    #[test]
    fn what_is_behind_it_stays_inside() {
        let refusal = Refusal::internal("the password was hunter2");
        let (response, cause) = Refusal::complete(refusal.clone().into_response(), "req_1");
        assert_eq!(cause.as_deref(), Some("the password was hunter2"));
        assert_eq!(response.status(), 500);
        assert!(!body(refusal).to_string().contains("hunter2"));
    }

    #[test]
    fn what_is_no_refusal_stays_as_it_is() {
        let (response, cause) = Refusal::complete((StatusCode::OK, "so").into_response(), "req_1");
        assert_eq!((response.status(), cause), (StatusCode::OK, None));
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
    }

    #[test]
    fn a_wait_is_never_no_time() {
        let response = Refusal::overloaded("busy", 0).into_parts("req_1");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
