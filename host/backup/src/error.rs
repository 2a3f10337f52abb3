//! Why a backup could not be made or read.

use std::io;
use std::path::Path;

/// Why a backup could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A database cannot be copied.
    #[error("{0}")]
    Storage(#[from] sbd_storage::Error),
    /// The registry cannot be read.
    #[error("{0}")]
    Registry(#[from] sbd_registry::Error),
    /// A file cannot be read or written.
    #[error("{0}")]
    Io(String),
    /// The file is no backup, or not what was written.
    #[error("this backup cannot be trusted: {0}; take another one")]
    Damaged(String),
    /// It was made by a newer version.
    #[error("this backup was made by a newer sbd ({0}); read it with that version")]
    Newer(String),
    /// The key does not open it, or one is needed, or none.
    #[error("{0}")]
    Key(String),
}

// === impl Error ===

impl Error {
    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::Io(format!("cannot {what} {}: {error}", path.display()))
    }

    pub(crate) fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged(reason.into())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}
