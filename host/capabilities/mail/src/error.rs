//! Why a mail was not sent.

use sbd_mail_templates::Invalid;
use std::io;
use std::path::Path;

/// Why a mail was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address, header or template is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The mail server will never take it.
    #[error("the mail server will not take it: {0}")]
    Refused(String),
    /// A limit was exceeded.
    #[error("{0}")]
    Limit(String),
    /// The mail server, or the disk, would not take it now.
    #[error("{0}; the same mail may be sent later")]
    Unavailable(String),
}

// === impl Error ===

impl Error {
    /// What went wrong with a file.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Self::Unavailable(format!("{}: {error}", path.display()))
    }
}

impl From<Invalid> for Error {
    fn from(Invalid(message): Invalid) -> Self {
        Self::Invalid(message)
    }
}
