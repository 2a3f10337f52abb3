//! Passwords that were stolen elsewhere and stand in lists that everybody has who tries some.
//!
//! Of a list of 4.2 million passwords of ten characters or more those are kept that could be chosen here at all, 63 782:
//! of each the beginning of its digest. Of 67 000 good passwords one is taken for one of them by chance. What the list is of, and by what it is made,
//! `data/README.md` says.

use sha2::{Digest as _, Sha256};

/// The first bytes of each digest, sorted.
const LISTED: &[u8] = include_bytes!("../data/breached.bin");
const BYTES: usize = 4;

/// Whether a password stands in the list.
pub(crate) fn contains(password: &str) -> bool {
    let digest = Sha256::digest(password);
    let (listed, _) = LISTED.as_chunks::<BYTES>();
    digest
        .first_chunk()
        .is_some_and(|beginning| listed.binary_search(beginning).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stolen_is_known_and_nothing_else() {
        for stolen in ["phJf6uZ9dWA-#x_", "debbie67EccDXq6NT.I", "_Reventon366276"] {
            assert!(contains(stolen), "{stolen}");
        }
        for other in ["", "Correct-horse-7", "phJf6uZ9dWA-#x-", "_reventon366276"] {
            assert!(!contains(other), "{other}");
        }
        let (listed, rest) = LISTED.as_chunks::<BYTES>();
        assert!(rest.is_empty() && listed.is_sorted() && listed.len() > 60_000);
    }
}
