//! What a variable may be called.

use crate::Error;

/// Longest name in bytes; this project's own choice, so that no message grows without bound.
const MAX_NAME_BYTES: usize = 256;

/// Accepts the names that Spin accepts, which have a single environment variable each: lower-case
/// ASCII letters and digits, single underscores between them, a letter first.
///
/// # Errors
/// [`Error::InvalidName`].
pub fn check_name(name: &str) -> Result<(), Error> {
    let of_parts = name.split('_').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    });
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
    if of_parts && starts && name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    Err(Error::InvalidName(
        name.chars().take(MAX_NAME_BYTES).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAME_BYTES, check_name};

    #[test]
    fn good_names() {
        for name in ["a", "api_key", "a1", "a_1_b", &"a".repeat(MAX_NAME_BYTES)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn bad_names() {
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for name in [
            "", "_", "_a", "a_", "a__b", "1a", "A", "aB", "a-b", "a.b", "ä", "a b", &long,
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
