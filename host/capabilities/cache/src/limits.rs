//! What a component may ask for at most, as `wit/cache.wit` promises.

use crate::Error;
use std::time::Duration;

/// Longest key in bytes; a key has at least one.
pub const MAX_KEY_BYTES: usize = 512;
/// Largest value in bytes (1 MiB).
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// Longest time to live: 30 days.
pub const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Refuses an empty or over-long key.
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(Error::Invalid(format!(
            "a key has 1 to {MAX_KEY_BYTES} bytes, this one has {}; shorten it",
            key.len()
        )));
    }
    Ok(())
}

/// Refuses an over-large value.
pub(crate) fn check_value(value: &[u8]) -> Result<(), Error> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::Invalid(format!(
            "a value has at most {MAX_VALUE_BYTES} bytes, this one has {}; split it",
            value.len()
        )));
    }
    Ok(())
}

/// Refuses a time to live of nothing or of more than [`MAX_TTL`].
pub(crate) fn check_ttl(ttl_ms: u64) -> Result<Duration, Error> {
    let ttl = Duration::from_millis(ttl_ms);
    if ttl.is_zero() || ttl > MAX_TTL {
        return Err(Error::Invalid(format!(
            "a time to live has 1 to {} milliseconds (30 days), not {ttl_ms}; choose another",
            MAX_TTL.as_millis()
        )));
    }
    Ok(ttl)
}
