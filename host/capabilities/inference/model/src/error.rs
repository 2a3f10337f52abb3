//! Why there is no answer.

use http::StatusCode;
use sbd_contract::Refusal;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something about the call is wrong; the text says what to write instead.
    #[error("{0}")]
    Invalid(String),
    /// There is no such model, or no default one; the text names the command that adds one.
    #[error("{0}")]
    NoModel(String),
    /// Too many wait already; the text says when to come again.
    #[error("{0}")]
    Busy(String),
    /// The request may have no more; the text names the limit.
    #[error("{0}")]
    Limit(String),
    /// The backend is not there, or did not answer in time; the same call may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// Anything else; the text says what to do.
    #[error("{0}")]
    Other(String),
}

/// What whoever asked a component is told, where it says nothing better itself.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::validation("request", text),
            Error::NoModel(text) => Self::new(StatusCode::CONFLICT, "NO_MODEL", text),
            Error::Busy(text) => Self::overloaded(text, 5),
            Error::Unavailable(cause) => Self::overloaded(
                "the model does not answer just now; try again in a moment",
                5,
            )
            .caused_by(cause),
            Error::Limit(cause) | Error::Other(cause) => Self::internal(cause),
        }
    }
}
