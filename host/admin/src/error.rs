//! Why an act was refused.

use http::StatusCode;
use sbd_registry::Error as Registry;

/// Why an act was refused, as the API says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

// === impl Error ===

impl Error {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "VALIDATION_ERROR",
            message,
        )
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    /// For an application that cannot be served as it is.
    pub(crate) fn unusable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "NOT_DEPLOYABLE", message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Registry> for Error {
    fn from(error: Registry) -> Self {
        let message = error.to_string();
        let (status, code) = match error {
            Registry::Name(_) | Registry::Host(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR")
            }
            Registry::Unknown { .. } => (StatusCode::NOT_FOUND, "UNKNOWN_TENANT"),
            Registry::UnknownVersion { .. } => (StatusCode::NOT_FOUND, "UNKNOWN_VERSION"),
            Registry::UnknownOperator { .. } => (StatusCode::NOT_FOUND, "UNKNOWN_OPERATOR"),
            Registry::Damaged { .. } => (StatusCode::CONFLICT, "DAMAGED"),
            Registry::OperatorName(_) | Registry::Expiry(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR")
            }
            Registry::OperatorTaken(_) => (StatusCode::CONFLICT, "TAKEN"),
            Registry::Token | Registry::TokenExpired { .. } => {
                (StatusCode::UNAUTHORIZED, "TOKEN_INVALID")
            }
            Registry::Taken(_) | Registry::HostTaken { .. } => (StatusCode::CONFLICT, "TAKEN"),
            Registry::Default | Registry::Deleting(_) => (StatusCode::CONFLICT, "CONFLICT"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        };
        Self::new(status, code, message)
    }
}

impl From<sbd_runtime::Error> for Error {
    fn from(error: sbd_runtime::Error) -> Self {
        match error {
            sbd_runtime::Error::Archive(_) => Self::invalid(error.to_string()),
            error => Self::unavailable(error.to_string()),
        }
    }
}
