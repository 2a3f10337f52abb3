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

// === impl Error ===

impl Error {
    /// The limit on what a component may keep that refused a write, if that is why.
    pub fn over_quota(&self) -> Option<&'static str> {
        match self {
            Self::Storage(sbd_storage::Error::Quota(limit)) => Some(limit),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}
