//! Why keys could not be used.

use std::path::{Path, PathBuf};

/// Why keys could not be used. No message shows key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The claims, the purpose or the time to live is out of bounds.
    #[error("{0}")]
    Invalid(String),
    /// A name that cannot be a file's.
    #[error("`{0}` cannot name keys; use 1 to 63 characters of `a-z0-9-`")]
    Name(String),
    /// A key file could not be read or written.
    #[error("the key file {} could not be used: {cause}; check that it is there, that its owner runs this program, and that the disk has room", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A key file does not hold what it should.
    #[error("the key file {} is damaged: {cause}; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// Making a key or signing with one failed.
    #[error("{0} failed; the same call may succeed later")]
    Unavailable(&'static str),
}

/// A name that is not a signature algorithm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a token algorithm; use `EdDSA`, `RS256` or `HS256`")]
pub struct UnknownAlgorithm(pub(crate) String);

// === impl Error ===

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::File { path, cause }
    }

    pub(crate) fn damaged(path: &Path, cause: &'static str) -> Self {
        let path = path.to_owned();
        Self::Damaged { path, cause }
    }
}
