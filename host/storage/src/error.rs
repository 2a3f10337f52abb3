//! Why storage refused.

use crate::Quota;
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a read or write did not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk is full, or the database has reached the size allowed to it.
    #[error("no room left for this tenant's data; delete something or raise its storage limit")]
    Full,
    /// The owner of a table may not keep more; the limit's name.
    #[error(
        "the limit `{0}` of this component is reached; delete something or raise it in the manifest"
    )]
    Quota(&'static str),
    /// The database has been closed.
    #[error("the database is closed; the server is stopping")]
    Closed,
    /// The job panicked; it was rolled back.
    #[error("a storage job panicked and was rolled back; this is a bug worth reporting")]
    Panicked,
    /// A constraint (unique, primary key, check) was violated.
    #[error("constraint violated: {0}")]
    Constraint(Arc<rusqlite::Error>),
    /// The statement was interrupted, for example by its time limit.
    #[error("the query was interrupted because it ran too long; narrow it or add an index")]
    Interrupted,
    /// The file is not what was written to it.
    #[error(
        "the database {} is damaged: {reason}; stop the server, move the data directory away and put the newest backup in its place: `sbd backup verify FILE` says whether one is whole, `sbd backup restore FILE` restores it", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// So much was written during a copy that it would have been in the way.
    #[error(
        "more was written while the database was copied than its log may hold; try again at a calmer time"
    )]
    Outrun,
    /// Anything else SQLite said.
    #[error("SQLite: {0}")]
    Sqlite(Arc<rusqlite::Error>),
    /// A database's file or its folder cannot be used.
    #[error("cannot open {}: {error}; {}", path.display(), way_out(error))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: Arc<std::io::Error>,
    },
    /// A file cannot be used.
    #[error("database file: {0}; check that the data directory exists and is writable")]
    Io(Arc<std::io::Error>),
}

// === impl Error ===

impl Error {
    pub(crate) fn damaged(path: &Path, reason: impl Into<Arc<str>>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// What the system said of a file, which is named.
    pub(crate) fn file(path: &Path, error: std::io::Error) -> Self {
        match Self::from(error) {
            Self::Io(error) => Self::File {
                path: path.to_owned(),
                error,
            },
            other => other,
        }
    }

    /// An error met in this file, which is named where that helps.
    pub(crate) fn at(path: &Path, error: Self) -> Self {
        match error {
            Self::Sqlite(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                ) =>
            {
                Self::damaged(path, error.to_string())
            }
            other => other,
        }
    }
}

fn way_out(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "it belongs to another user or is protected: run sbd as its owner, or give the whole data directory to the user that runs sbd"
        }
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "the disk can only be read: choose another data directory with --data-dir"
        }
        _ => "move away what is in its place, or choose another data directory with --data-dir",
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        if let rusqlite::Error::SqliteFailure(_, Some(message)) = &error
            && let Some(limit) = Quota::named_in(message)
        {
            return Self::Quota(limit);
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ConstraintViolation) => Self::Constraint(Arc::new(error)),
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted,
            _ => Self::Sqlite(Arc::new(error)),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(Arc::new(error)),
        }
    }
}
