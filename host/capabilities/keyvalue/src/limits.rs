//! What a component may ask for at most. The numbers are this project's own choice: small values
//! are what buckets are for, and one call must not occupy much of the host's memory.

use crate::Error;

/// Longest key in bytes; a key has at least one.
pub const MAX_KEY_BYTES: usize = 1024;
/// Largest value in bytes (1 MiB).
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// Most keys in one batch call.
pub const MAX_BATCH_KEYS: usize = 1000;
/// Most bytes of keys and values together in one batch call or its answer (16 MiB).
pub const MAX_BATCH_BYTES: usize = 16 << 20;
/// Keys in one page of `list-keys`.
pub const PAGE_KEYS: usize = 1000;
/// Bucket handles that one instance may hold at once.
pub const MAX_OPEN_BUCKETS: usize = 256;
/// Compare-and-swap handles that one instance may hold at once. Each keeps the value it read.
pub const MAX_OPEN_SWAPS: usize = 64;

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

/// Refuses a batch of too many keys, or with a wrong one.
pub(crate) fn check_keys<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Error> {
    if keys.len() > MAX_BATCH_KEYS {
        return Err(Error::Invalid(format!(
            "a batch has at most {MAX_BATCH_KEYS} keys, this one has {}; split it",
            keys.len()
        )));
    }
    for key in keys {
        check_key(key)?;
    }
    Ok(())
}

/// Refuses a batch of too many bytes, or with a wrong key or value.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_pairs(pairs: &[(String, Vec<u8>)]) -> Result<(), Error> {
    check_keys(pairs.iter().map(|(key, _)| key.as_str()))?;
    let mut bytes = 0;
    for (key, value) in pairs {
        check_value(value)?;
        bytes += key.len() + value.len();
    }
    if bytes > MAX_BATCH_BYTES {
        return Err(batch_too_large());
    }
    Ok(())
}

pub(crate) fn batch_too_large() -> Error {
    Error::Invalid(format!(
        "keys and values of a batch have at most {MAX_BATCH_BYTES} bytes together; split it"
    ))
}
