//! Why nothing was read.

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something about the call is wrong, or the image cannot be read.
    #[error("{0}")]
    Invalid(String),
    /// There is no engine, or a language is missing.
    #[error("{0}")]
    NotInstalled(String),
    /// Too many wait already.
    #[error("too many images wait to be read; try again in a few minutes")]
    Busy,
    /// It took too long, or the engine broke down.
    #[error("{0}")]
    Unavailable(String),
}
