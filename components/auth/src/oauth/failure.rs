//! What goes wrong, as OAuth says it (RFC 6749, 5.2): a word for programs, and a sentence for people.

use super::grants::GrantId;
use crate::sessions::Revoked;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sbd_sdk::documents::DocumentsError;
use sbd_sdk::{Error, NoStore};
use serde_json::json;
use std::borrow::Cow;

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) description: Cow<'static, str>,
    /// Grants that ended with it.
    ended: Vec<GrantId>,
    retry_after: Option<HeaderValue>,
    /// Whether the client is told that it shows by `Basic` who it is.
    challenges: bool,
}

// === impl Failure ===

impl Failure {
    /// 400 with one of the words that OAuth has.
    pub(crate) fn new(code: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            description: description.into(),
            ended: Vec::new(),
            retry_after: None,
            challenges: false,
        }
    }

    /// What cannot be read.
    pub(crate) fn request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_request", description)
    }

    /// What was granted once and is not, or no longer, or not to this client. It does not say which.
    pub(crate) fn grant() -> Self {
        Self::new(
            "invalid_grant",
            "this is not known, was used, has run out, or is another client's; have the user consent again",
        )
    }

    /// 401: whoever asks is no client, or does not show that it is this one. It does not say which.
    pub(crate) fn client() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            ..Self::new(
                "invalid_client",
                "no client has this `client_id` and `client_secret`; send both in the body or by `Authorization: Basic`, or of a public client the first alone",
            )
        }
    }

    /// The same to a client that shows by the header `Authorization` who it is (RFC 6749, 5.2).
    pub(crate) fn challenging(self) -> Self {
        Self {
            challenges: true,
            ..self
        }
    }

    /// 403: it is not to be had here.
    pub(crate) fn denied(description: &'static str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            ..Self::new("access_denied", description)
        }
    }

    /// The same, and these grants ended with it.
    pub(crate) fn ending(self, ended: Vec<GrantId>) -> Self {
        Self { ended, ..self }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Some(cause) = error.cause() {
            eprintln!("{cause}");
        }
        let status = error.status();
        let code = match status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
            true => "server_error",
            false if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                "invalid_request"
            }
            false => "temporarily_unavailable",
        };
        let description = error.message().to_owned();
        let answer = error.into_parts("");
        Self {
            status,
            retry_after: answer.headers().get(header::RETRY_AFTER).cloned(),
            ..Self::new(code, description)
        }
    }
}

impl From<DocumentsError> for Failure {
    fn from(error: DocumentsError) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({"error": self.code, "error_description": self.description});
        let answer = (
            self.status,
            Revoked(self.ended),
            NoStore,
            sbd_sdk::Json(body),
        );
        let mut answer = answer.into_response();
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if self.challenges {
            let basic = HeaderValue::from_static("Basic realm=\"clients\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        answer
    }
}
