//! Why the collections refuse.

use crate::Error;
use crate::bindings::documents as host;

/// Why the collections refused. `From` makes it an [`crate::Error`] with a status; match on it
/// first where the domain has its own answer, for example to a duplicate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentsError {
    /// The manifest does not declare the collection; the text names the line to add.
    #[error("unknown collection: {0}")]
    UnknownCollection(String),
    /// A filter, an update or a document is wrong.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A unique index or the `_id` holds these values already; the text names the index.
    #[error("duplicate: {0}")]
    Duplicate(String),
    /// The operation of this number, counted from 0, did not find what it expected; nothing of
    /// the transaction was done.
    #[error("the precondition of step {0} does not hold")]
    PreconditionFailed(u32),
    /// A limit was exceeded; the text names it.
    #[error("limit exceeded: {0}")]
    Limit(String),
    /// No room left.
    #[error("no room left")]
    Full,
    /// No answer now; the same call may succeed later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Anything else; the text says what to do.
    #[error("{0}")]
    Other(String),
    /// A document does not have the form of its Rust type.
    #[error("a document has another form than its type: {0}")]
    Form(String),
}

// === impl DocumentsError ===

impl From<host::Error> for DocumentsError {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::UnknownCollection(text) => Self::UnknownCollection(text),
            host::Error::Invalid(text) => Self::Invalid(text),
            host::Error::Duplicate(text) => Self::Duplicate(text),
            host::Error::PreconditionFailed(step) => Self::PreconditionFailed(step),
            host::Error::Limit(text) => Self::Limit(text),
            host::Error::Full => Self::Full,
            host::Error::Unavailable(text) => Self::Unavailable(text),
            host::Error::Other(text) => Self::Other(text),
        }
    }
}

impl From<DocumentsError> for Error {
    fn from(error: DocumentsError) -> Self {
        match error {
            DocumentsError::Duplicate(_) => {
                Self::conflict("this is there already; use another value, or change what is there")
            }
            DocumentsError::PreconditionFailed(_) => {
                Self::conflict("it changed while this was being done; read it again and repeat")
            }
            DocumentsError::Full => Self::storage_full(),
            DocumentsError::Unavailable(cause) => Self::overloaded(
                "the storage does not answer just now; try again in a moment",
                1,
            )
            .caused_by(format_args!("documents unavailable: {cause}")),
            other => Self::internal(other),
        }
    }
}
