//! Small values that may be forgotten at any time: counters, throttles, answers worth keeping.

use crate::Error;
use crate::bindings::cache as host;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The value under a key, unless it has expired or was never a `T`.
///
/// # Errors
/// When the key is not 1 to 512 bytes, or the cache does not answer.
pub async fn get<T: DeserializeOwned>(key: &str) -> crate::Result<Option<T>> {
    let value = host::get(key.to_owned()).await.map_err(refused)?;
    Ok(value.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Stores a value as JSON for 1 ms to 30 days.
///
/// # Errors
/// When key (1 to 512 bytes), value (1 MiB) or time to live are out of bounds.
pub async fn set<T: Serialize>(key: &str, value: &T, ttl: Duration) -> crate::Result<()> {
    let value = serde_json::to_vec(value).map_err(Error::internal)?;
    host::set(key.to_owned(), value, milliseconds(ttl))
        .await
        .map_err(refused)
}

/// Forgets a key; says whether it was there.
///
/// # Errors
/// When the key is not 1 to 512 bytes, or the cache does not answer.
pub async fn delete(key: &str) -> crate::Result<bool> {
    host::delete(key.to_owned()).await.map_err(refused)
}

/// Adds to a counter and returns its new value. One that is not there starts at 0 and lives for
/// `ttl`; one that is there keeps its own time.
///
/// # Errors
/// When what is there is no counter, or the cache does not answer.
pub async fn increment(key: &str, by: i64, ttl: Duration) -> crate::Result<i64> {
    host::increment(key.to_owned(), by, milliseconds(ttl))
        .await
        .map_err(refused)
}

/// Stores a value only if the present one equals `expected` (`None`: if there is none); says
/// whether it was stored.
///
/// # Errors
/// When key, value or time to live are out of bounds, or the cache does not answer.
pub async fn compare_and_set<T: Serialize>(
    key: &str,
    expected: Option<&T>,
    value: &T,
    ttl: Duration,
) -> crate::Result<bool> {
    let expected = expected
        .map(serde_json::to_vec)
        .transpose()
        .map_err(Error::internal)?;
    let value = serde_json::to_vec(value).map_err(Error::internal)?;
    host::compare_and_set(key.to_owned(), expected, value, milliseconds(ttl))
        .await
        .map_err(refused)
}

fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Unavailable(cause) => Error::overloaded(
            "the cache does not answer just now; try again in a moment",
            1,
        )
        .caused_by(format_args!("cache unavailable: {cause}")),
        host::Error::Invalid(cause)
        | host::Error::NotACounter(cause)
        | host::Error::Limit(cause)
        | host::Error::Other(cause) => Error::internal(cause),
    }
}
