//! Why a call about tasks was refused.

use sbd_storage::rusqlite;

/// Why a call about tasks was refused. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The component does not offer to work on such a task.
    #[error("{0}")]
    UnknownTask(String),
    /// Something about the call is wrong.
    #[error("{0}")]
    Invalid(String),
    /// A component has too much to do already.
    #[error("{0}")]
    Limit(String),
    /// It could not be seen to that somebody works on them.
    #[error("{0}; the same call may succeed later")]
    Unavailable(String),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] sbd_storage::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}
