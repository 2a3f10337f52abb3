//! Hashing passwords, in the host.

use crate::Error;
use crate::bindings::passwords as host;

pub use host::Verdict;

/// Hashes a password of 1 to 1024 bytes.
///
/// # Errors
/// `VALIDATION_ERROR` for a password out of bounds, `OVERLOADED` when too many are being hashed.
pub async fn hash(password: &str) -> crate::Result<String> {
    host::hash(password.to_owned()).await.map_err(refused)
}

/// How hard a new password is to guess, from 0, at once, to 4, not at all, for somebody who knows these texts about its
/// owner, at most ten of 256 bytes. It knows the passwords that people take most, names, words, dates and the
/// keyboard.
///
/// # Errors
/// `VALIDATION_ERROR` for what is out of bounds, `OVERLOADED` when too many are being hashed.
pub async fn strength(password: &str, known: &[&str]) -> crate::Result<u8> {
    let known = known.iter().map(|&text| text.to_owned()).collect();
    host::strength(password.to_owned(), known)
        .await
        .map_err(refused)
}

/// Compares a password with a hash. With no hash it takes as long and says no: for the account
/// that does not exist.
///
/// # Errors
/// `VALIDATION_ERROR` for a password out of bounds, `OVERLOADED` when too many are being hashed.
pub async fn verify(password: &str, hash: Option<&str>) -> crate::Result<Verdict> {
    host::verify(password.to_owned(), hash.map(str::to_owned))
        .await
        .map_err(refused)
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Invalid(cause) => Error::validation("password", cause),
        host::Error::Busy => Error::overloaded(
            "too many people are signing in just now; try again in a moment",
            1,
        ),
        host::Error::Unavailable(cause) | host::Error::Limit(cause) | host::Error::Other(cause) => {
            Error::internal(cause)
        }
    }
}
