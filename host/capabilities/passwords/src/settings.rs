//! How passwords are hashed from now on.

use crate::error::UnknownAlgorithm;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// A password hashing algorithm. Hashes of either are always verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Argon2id (RFC 9106).
    #[default]
    Argon2id,
    /// bcrypt, for who must stay with it: passwords end at 72 bytes.
    Bcrypt,
}

/// How passwords are hashed from now on. A hash made otherwise is replaced at the next good
/// verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Memory of one Argon2id hash in KiB, at most 65536. 19456 (19 MiB), with the two settings
    /// below, is what the OWASP password storage cheat sheet asks for.
    pub argon2_memory_kib: u32,
    /// Passes over that memory, 1 to 10; 2 by OWASP.
    pub argon2_iterations: u32,
    /// Lanes; 1 by OWASP.
    pub argon2_parallelism: u32,
    /// Base-2 logarithm of bcrypt's rounds, 4 to 14. OWASP asks for 10 or more; 12 is what most
    /// libraries take.
    pub bcrypt_cost: u32,
    /// How many hashes are computed at the same time, 1 or more; one core, where there are several, is left to all
    /// else: whoever reads is not to wait for those who sign in.
    pub concurrent: usize,
    /// How many callers may wait for their turn beyond those; the next one is told `busy`.
    pub waiting: usize,
}

// === impl Algorithm ===

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        match name {
            "argon2id" => Ok(Self::Argon2id),
            "bcrypt" => Ok(Self::Bcrypt),
            _ => Err(UnknownAlgorithm(name.to_owned())),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argon2id => "argon2id",
            Self::Bcrypt => "bcrypt",
        })
    }
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            algorithm: Algorithm::default(),
            argon2_memory_kib: 19 * 1024,
            argon2_iterations: 2,
            argon2_parallelism: 1,
            bcrypt_cost: 12,
            concurrent: cores.saturating_sub(1).max(1),
            waiting: 64,
        }
    }
}
