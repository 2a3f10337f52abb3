//! Why a call was refused.

use sbd_vectors_search::Refused;

/// Why a call was refused. Nothing was changed in any of these cases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something about the call is wrong, or what it is about is not there.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The component may not keep more; the limit's name.
    #[error("the limit `{0}` is reached; delete something or raise it in the manifest")]
    Quota(&'static str),
    /// There is no room left.
    #[error("no room left for this tenant's vectors; delete something or raise its storage limit")]
    Full,
    /// Too many are searching.
    #[error("too many searches wait already; try again in a moment")]
    Busy,
    /// The storage could not answer.
    #[error("the storage could not answer: {0}")]
    Unavailable(String),
}

// === impl Error ===

impl From<sbd_storage::Error> for Error {
    fn from(error: sbd_storage::Error) -> Self {
        match error {
            sbd_storage::Error::Full => Self::Full,
            sbd_storage::Error::Quota(limit) => Self::Quota(limit),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<sbd_storage::rusqlite::Error> for Error {
    fn from(error: sbd_storage::rusqlite::Error) -> Self {
        sbd_storage::Error::from(error).into()
    }
}

impl From<sbd_storage::rusqlite::types::FromSqlError> for Error {
    fn from(error: sbd_storage::rusqlite::types::FromSqlError) -> Self {
        sbd_storage::rusqlite::Error::from(error).into()
    }
}
