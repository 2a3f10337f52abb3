//! What goes wrong, as OpenAI tells it.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sbd_sdk::inference::Error as ModelError;
use sbd_sdk::openapi::{Description, Input};
use sbd_sdk::{Error, Json};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: StatusCode,
    /// OpenAI's word for its kind.
    kind: &'static str,
    message: String,
    /// The field that is wrong.
    param: Option<String>,
    code: Option<&'static str>,
}

/// A JSON body, as OpenAI's clients send it: fields that are not known here are left out.
pub(crate) struct Asked<T>(pub(crate) T);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

// === impl Failure ===

impl Failure {
    /// 400: something about the request is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            message: message.into(),
            param: None,
            code: None,
        }
    }

    /// 400: this field is wrong.
    pub(crate) fn field(name: &str, message: impl Into<String>) -> Self {
        Self {
            param: Some(name.to_owned()),
            ..Self::invalid(message)
        }
    }

    /// 400: this field asks for what cannot be done here.
    pub(crate) fn unsupported(name: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some("unsupported_value"),
            ..Self::field(name, message)
        }
    }

    /// The body, or what is sent in a stream that has begun.
    pub(crate) fn body(&self) -> Value {
        json!({"error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }})
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        let invalid = Self::invalid(error.to_string());
        match error {
            ModelError::Invalid(_) => invalid,
            ModelError::NoModel(_) => Self {
                status: StatusCode::NOT_FOUND,
                param: Some("model".to_owned()),
                code: Some("model_not_found"),
                ..invalid
            },
            ModelError::Busy(_) => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                kind: "rate_limit_error",
                code: Some("rate_limit_exceeded"),
                ..invalid
            },
            ModelError::Limit(_) => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..invalid
            },
            ModelError::Unavailable(_) => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                kind: "server_error",
                code: Some("model_unavailable"),
                ..invalid
            },
            ModelError::Other(_) => Self {
                status: StatusCode::BAD_GATEWAY,
                kind: "server_error",
                ..invalid
            },
        }
    }
}

/// A refusal of the body.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let detail = error.details().first();
        let message = detail.map_or(error.message(), |detail| &detail.message);
        Self {
            status: match error.status() {
                StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
                status => status,
            },
            param: detail.map(|detail| detail.field.clone()),
            ..Self::invalid(message)
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let again = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        if again.contains(&self.status) {
            let seconds = HeaderValue::from_static("5");
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let Json(body) = Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

impl<T: ToSchema> Input for Asked<T> {
    fn describe(description: &mut Description) {
        description.request_body::<T>();
        description.refuses_first(StatusCode::BAD_REQUEST, "a field is wrong");
    }
}
