//! Why a call of the blobs was refused.

use sbd_storage::rusqlite;
use std::io;
use std::sync::Arc;

/// Why a call was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something about the call is wrong.
    #[error("{0}")]
    Invalid(String),
    /// There is no blob of that name.
    #[error("there is no blob `{0}`; list what there is")]
    NotFound(String),
    /// There was a blob with that content, and is none any more.
    #[error("the blob `{0}` is another one now; read it from its beginning")]
    Replaced(String),
    /// Nothing of that id is being put.
    #[error("nothing of that id is being put: it was finished, given up or forgotten; begin again")]
    NotBegun,
    /// Too many are being put at once.
    #[error("{0} blobs are being put already; finish or abandon some first")]
    TooMany(usize),
    /// A blob is in the index, and its content is not on the disk.
    #[error("the content of the blob `{0}` is not on the disk; restore it from a backup")]
    Lost(String),
    /// The disk, or what the tenant may keep, is full.
    #[error("no room left for this tenant's data; delete something or raise its storage limit")]
    Full,
    /// The system refused.
    #[error("a blob could not be written or read: {0}; the same call may succeed later")]
    Io(Arc<io::Error>),
    /// The index refused: what the component may keep is full, or it cannot be reached.
    #[error(transparent)]
    Storage(#[from] sbd_storage::Error),
}

// === impl Error ===

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(Arc::new(error)),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}
