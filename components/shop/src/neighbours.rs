//! Asking other components: what they answer, or why they would not.

use axum::body::Body;
use axum::extract::Request;
use http::{Method, StatusCode, header};
use sbd_sdk::{Error, ErrorBody, Result, call, from_json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of an answer at most.
const LONGEST: usize = 1 << 20;

/// Why a neighbour would not. Kept with what was not done because of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    status: u16,
    pub(crate) code: String,
    message: String,
}

/// What a neighbour says no with, that is passed on as it is.
const PASSED_ON: [&str; 13] = [
    "ACCOUNT_CLOSED",
    "ACCOUNT_FROZEN",
    "CONFLICT",
    "FEATURE_DISABLED",
    "FORBIDDEN",
    "HOLDS_OPEN",
    "IDEMPOTENCY_KEY_REUSED",
    "INSUFFICIENT_BALANCE",
    "LIMIT_EXCEEDED",
    "NOT_APPROVED",
    "NOT_DELIVERED",
    "NOT_FOUND",
    "STOPPED",
];

/// Asks a component for something, for whoever is being answered.
pub(crate) async fn ask<T: DeserializeOwned>(
    component: &str,
    method: Method,
    path: &str,
    key: Option<&str>,
    body: Option<Value>,
) -> Result<T> {
    let mut request = Request::builder().method(method).uri(path);
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = request.body(body).map_err(Error::internal)?;
    read(component, call(component, request).await?).await
}

async fn read<T: DeserializeOwned>(component: &str, answer: http::Response<Body>) -> Result<T> {
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), LONGEST).await;
    let body = body.map_err(Error::internal)?;
    if status.is_success() {
        return from_json(&body).map_err(Error::internal);
    }
    let said = serde_json::from_slice::<ErrorBody>(&body).ok();
    let Some(said) = said.map(|body| body.error) else {
        let message = format!("component `{component}` answered {status}");
        return Err(Error::internal(message));
    };
    match (&*said.code, status) {
        ("VALIDATION_ERROR", _) => Err(Error::validation_all(said.details)),
        (_, StatusCode::SERVICE_UNAVAILABLE) => Err(busy()),
        _ => Err(Refusal::new(status, &said.code, &said.message).error()),
    }
}

/// What to say when it is not known whether something was done: whoever sends the same again finds out.
pub(crate) fn busy() -> Error {
    Error::overloaded(
        "the tokens could not be moved just now; send the same request again in a moment",
        1,
    )
}

// === impl Refusal ===

impl Refusal {
    fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self {
            status: status.as_u16(),
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// Why a neighbour would not, if that is what happened: otherwise it is not known whether it did. One that
    /// is switched off may be on again.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        let is_no = error.status().is_client_error() && error.code() != "FEATURE_DISABLED";
        is_no.then(|| {
            let message = match error.details() {
                [detail] => format!("`{}`: {}", detail.field, detail.message),
                _ => error.message().to_owned(),
            };
            Self::new(error.status(), error.code(), &message)
        })
    }

    /// What nobody came to say why.
    pub(crate) fn given_up() -> Self {
        let message =
            "the order was given up before anything was paid; order anew, with another key";
        Self::new(StatusCode::CONFLICT, "STOPPED", message)
    }

    /// What the buyer took back.
    pub(crate) fn canceled() -> Self {
        let message = "the order was canceled before anything was paid";
        Self::new(StatusCode::CONFLICT, "STOPPED", message)
    }

    /// What somebody decides on, and has not approved.
    pub(crate) fn not_approved(message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "NOT_APPROVED", message)
    }

    /// What could not be handed over, and why.
    pub(crate) fn not_delivered(message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "NOT_DELIVERED", message)
    }

    /// What was said.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// As it is answered.
    pub(crate) fn error(&self) -> Error {
        let status = StatusCode::from_u16(self.status).ok();
        let code = PASSED_ON.iter().find(|code| **code == self.code);
        match (status, code) {
            (Some(status), Some(code)) => Error::new(status, code, self.message.clone()),
            (Some(status), None) if status.is_client_error() => {
                Error::conflict(self.message.clone())
            }
            _ => Error::internal(format_args!(
                "a component answered {} {}",
                self.status, self.code
            )),
        }
    }
}
