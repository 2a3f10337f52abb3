//! Why an operation on documents was refused.

use crate::limits::advice;
use sbd_documents_query::{Failed, Invalid, TooLong};

/// Why an operation was refused. Nothing was written in any of these cases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The collection is not declared.
    #[error(
        "collection `{collection}` is not declared; add to spin.toml:\n[component.{}.tool.sbd.collections.{}]",
        key(component),
        key(collection)
    )]
    UnknownCollection {
        /// The component that asked.
        component: String,
        /// The collection.
        collection: String,
    },
    /// A filter, update, sort, projection, pipeline, cursor or document is wrong.
    #[error("{0}")]
    Invalid(String),
    /// A unique index, or `_id`, holds these values already.
    #[error("another document has the same values in `{0}`; choose others, or update that one")]
    Duplicate(String),
    /// The precondition of a step of a transaction, counted from 0, did not hold.
    #[error("the precondition of operation {0} did not hold; read again and repeat")]
    PreconditionFailed(u32),
    /// This one of [`crate::Limits`] was exceeded; `held` and `pipeline` stand for what one operation
    /// may hold in memory.
    #[error("the limit `{0}` is exceeded; {advice}", advice = advice(.0))]
    Limit(&'static str),
    /// The component may not keep more; the limit's name.
    #[error("the limit `{0}` is reached; delete something or raise it in the manifest")]
    Quota(&'static str),
    /// There is no room left.
    #[error("no room left for this tenant's data; delete something or raise its storage limit")]
    Full,
    /// The storage could not answer.
    #[error("the storage could not answer: {0}")]
    Unavailable(String),
}

/// A name as a key of TOML.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

// === impl Error ===

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid.to_string())
    }
}

impl From<TooLong> for Error {
    fn from(_: TooLong) -> Self {
        Self::Limit("query_time")
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Invalid(invalid) => invalid.into(),
            Failed::TooLong(too_long) => too_long.into(),
        }
    }
}

impl From<sbd_storage::Error> for Error {
    fn from(error: sbd_storage::Error) -> Self {
        match error {
            sbd_storage::Error::Full => Self::Full,
            sbd_storage::Error::Quota(limit) => Self::Quota(limit),
            sbd_storage::Error::Interrupted => Self::Limit("query_time"),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<sbd_storage::rusqlite::Error> for Error {
    fn from(error: sbd_storage::rusqlite::Error) -> Self {
        sbd_storage::Error::from(error).into()
    }
}
