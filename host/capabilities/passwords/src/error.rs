//! Why a password was not hashed or compared.

/// Why a password was not hashed or compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The password is empty or too long.
    #[error("{0}")]
    Invalid(String),
    /// Too many callers wait already.
    #[error("too many passwords are being hashed; try again in a few seconds")]
    Busy,
    /// The operation failed for a reason outside the caller's hands.
    #[error("the password could not be hashed: {0}; the same call may succeed later")]
    Unavailable(String),
    /// No password can be hashed with these settings.
    #[error("passwords cannot be hashed with these settings: {0}; choose others")]
    Settings(String),
}

/// A name that is not a password algorithm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a password algorithm; use `argon2id` or `bcrypt`")]
pub struct UnknownAlgorithm(pub(crate) String);
