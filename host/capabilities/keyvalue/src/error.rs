//! Why an operation on a bucket was refused.

use sbd_storage::rusqlite;

/// Why an operation on a bucket was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The manifest does not grant this bucket.
    #[error(
        "component `{component}` may not open the bucket `{bucket}`; \
         add it to `key_value_stores` under `[component.{component}]` of the manifest"
    )]
    AccessDenied {
        /// Who asked.
        component: String,
        /// For what.
        bucket: String,
    },
    /// There is no such bucket. The embedded backend has every bucket that is granted.
    #[error("there is no bucket `{0}`; name one of those that the operator has set up")]
    NoSuchStore(String),
    /// A key, value, cursor or batch is out of bounds.
    #[error("{0}")]
    Invalid(String),
    /// The value under the key is not a counter.
    #[error(
        "the value of `{0}` is not a counter (8 bytes, little-endian); \
         increment only keys that nothing else sets"
    )]
    NotACounter(String),
    /// The counter would leave the range of 64 bits.
    #[error("the counter `{0}` would leave the range of 64 bits; set it anew")]
    Overflow(String),
    /// The instance holds too many handles.
    #[error("at most {0} handles of this kind may be open at once; drop those no longer needed")]
    TooManyHandles(usize),
    /// The running request may not have more.
    #[error(transparent)]
    OverLimit(#[from] sbd_metering::OverLimit),
    /// Storage refused.
    #[error(transparent)]
    Storage(#[from] sbd_storage::Error),
}

// === impl Error ===

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}
