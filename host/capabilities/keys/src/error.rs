//! Why keys could not be used.

/// Why keys could not be used. No message shows key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The claims, the purpose or the time to live is out of bounds.
    #[error("{0}")]
    Invalid(String),
    /// The keyring does not answer.
    #[error(transparent)]
    Keyring(#[from] sbd_keyring::Error),
}

/// A name that is not a signature algorithm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a token algorithm; use `EdDSA`, `RS256` or `HS256`")]
pub struct UnknownAlgorithm(pub(crate) String);
