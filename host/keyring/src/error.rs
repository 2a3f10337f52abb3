//! Why keys could not be had.

use std::path::{Path, PathBuf};

/// Why keys could not be had. No message shows key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// Making a key or using one failed.
    #[error("{0} failed; the same call may succeed later")]
    Unavailable(&'static str),
}

// === impl Error ===

impl Error {
    /// What a guest is told of it, which is not where files lie.
    pub fn for_guests(&self) -> String {
        match self {
            Self::Unavailable(_) => self.to_string(),
            _ => {
                "the tenant's keys cannot be used; the host's operator must look at them".to_owned()
            }
        }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::File { path, cause }
    }

    pub(crate) fn damaged(path: &Path, cause: &'static str) -> Self {
        let path = path.to_owned();
        Self::Damaged { path, cause }
    }
}
