//! Why nothing was published.

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something about the call is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The channel is another component's.
    #[error("{0}")]
    NotYours(String),
    /// The channels could not be reached. Those of this process always can.
    #[error("the channels could not be reached: {0}; the same call may succeed later")]
    Unavailable(String),
}
