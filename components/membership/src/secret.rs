//! What is told to one alone, by mail or in a link, and kept as a digest.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sbd_sdk::{Error, Result};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A text that nobody guesses.
///
/// # Errors
/// When there is nothing random.
pub fn new() -> Result<String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(secret))
}

/// What is kept of it.
pub fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

/// Whether this is the secret of which that was kept, if anything was.
pub fn is(secret: &str, kept: Option<&str>) -> bool {
    let kept = kept.unwrap_or_default();
    // In the same time, wherever they differ.
    !kept.is_empty() && bool::from(kept.as_bytes().ct_eq(digest(secret).as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_digest_alone() {
        let (one, other) = (new().unwrap(), new().unwrap());
        assert_ne!(one, other);
        let kept = digest(&one);
        assert!(is(&one, Some(&kept)));
        assert!(!is(&other, Some(&kept)) && !is(&kept, Some(&kept)));
        assert!(!is("", None) && !is("", Some("")) && !is(&one, None));
    }
}
