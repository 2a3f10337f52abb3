//! Why a model does not answer.

use crate::gguf::first_line;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// When memory that others use may be free again.
const AGAIN: Duration = Duration::from_secs(2);

/// Why a model does not answer. Every text tells what to do, or what there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such model.
    #[error("{0}")]
    NoModel(String),
    /// The files of a model are not what they should be.
    #[error("{0}")]
    Model(String),
    /// Something about the request is wrong.
    #[error("{0}")]
    Request(String),
    /// There is not enough memory for it; the text has the figures.
    #[error("{0}")]
    Memory(String),
    /// There is not enough memory for it while others use it.
    #[error("{0}")]
    Busy(String),
    /// The engine went wrong.
    #[error("{0}")]
    Failed(String),
}

/// What comes of it.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn model(text: impl Into<String>) -> Self {
        Self::Model(text.into())
    }

    pub(crate) fn request(text: impl Into<String>) -> Self {
        Self::Request(text.into())
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Failed(format!(
            "the model cannot be computed: {}",
            first_line(&error)
        ))
    }
}

impl From<Error> for sbd_inference::model::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NoModel(text) => Self::NoModel(text),
            Error::Request(text) => Self::Invalid(text),
            Error::Busy(text) => Self::Busy(text),
            Error::Model(text) | Error::Memory(text) | Error::Failed(text) => Self::Other(text),
        }
    }
}

impl From<Error> for sbd_inference::Failure {
    fn from(error: Error) -> Self {
        let again = matches!(error, Error::Busy(_)).then_some(AGAIN);
        Self {
            error: error.into(),
            again,
        }
    }
}

/// Whatever libraries do with strange files, it ends here.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        let text = text.and_then(|text| text.lines().next());
        let text = text.unwrap_or("without a word");
        Err(Error::Failed(format!(
            "the model broke off ({text}); its files may be damaged: fetch or add it again"
        )))
    })
}
