//! Why something could not be sealed or opened.

/// Why something could not be sealed or opened. No message shows a key or a plain text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plain text, the context or the purpose is out of bounds.
    #[error("{0}")]
    Invalid(String),
    /// The keyring does not answer.
    #[error(transparent)]
    Keyring(#[from] sbd_keyring::Error),
}
