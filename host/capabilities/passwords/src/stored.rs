//! One hash: making it, reading it, comparing with it. Slow on purpose; never on an async thread.

use crate::{Algorithm, Error, Settings};
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier, Version};

/// bcrypt ignores what follows.
const BCRYPT_MAX_BYTES: usize = 72;
/// Bounds on what a stored hash may cost to verify, because the hash comes from the guest: the
/// larger of RFC 9106's recommendations that fits a small host (64 MiB), and a second of bcrypt.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
const MAX_ITERATIONS: u32 = 10;
const BCRYPT_COST: std::ops::RangeInclusive<u32> = 4..=14;
/// The least that Argon2 takes.
const MIN_SALT_BYTES: usize = 8;

/// A hash that can be compared with, at a bounded cost.
pub(crate) enum Stored {
    Argon2 {
        hash: Box<PasswordHash>,
        params: Params,
    },
    Bcrypt {
        text: String,
        cost: u32,
    },
}

/// Hashes with today's algorithm and parameters.
pub(crate) fn hash(settings: &Settings, password: &str) -> Result<String, Error> {
    match settings.algorithm {
        Algorithm::Argon2id => {
            let hashing = Argon2::new(
                argon2::Algorithm::Argon2id,
                Version::V0x13,
                argon2_params(settings)?,
            );
            let hash: Result<PasswordHash, _> = hashing.hash_password(password.as_bytes());
            Ok(hash.map_err(unavailable)?.to_string())
        }
        Algorithm::Bcrypt if password.len() > BCRYPT_MAX_BYTES => Err(Error::Invalid(format!(
            "a password has at most {BCRYPT_MAX_BYTES} bytes with bcrypt; this one has {}",
            password.len()
        ))),
        Algorithm::Bcrypt => bcrypt::hash(password, settings.bcrypt_cost).map_err(unavailable),
    }
}

fn argon2_params(settings: &Settings) -> Result<Params, Error> {
    Params::new(
        settings.argon2_memory_kib,
        settings.argon2_iterations,
        settings.argon2_parallelism,
        Some(Params::DEFAULT_OUTPUT_LEN),
    )
    .map_err(|error| Error::Settings(error.to_string()))
}

fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(error.to_string())
}

// === impl Stored ===

impl Stored {
    /// Reads a hash; `None` when it is not one or would cost too much.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if let Ok(parts) = text.parse::<bcrypt::HashParts>() {
            let (text, cost) = (text.to_owned(), parts.get_cost());
            return BCRYPT_COST
                .contains(&cost)
                .then_some(Self::Bcrypt { text, cost });
        }
        let hash = PasswordHash::new(text).ok()?;
        argon2::Algorithm::new(hash.algorithm).ok()?;
        hash.version.map(Version::try_from).transpose().ok()?;
        let params = Params::try_from(&hash).ok()?;
        let complete = hash.hash.is_some()
            && hash
                .salt
                .as_ref()
                .is_some_and(|salt| salt.len() >= MIN_SALT_BYTES);
        let bounded = params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_ITERATIONS;
        let hash = Box::new(hash);
        (complete && bounded).then_some(Self::Argon2 { hash, params })
    }

    /// Whether it is the hash of this password.
    pub(crate) fn matches(&self, password: &str) -> Result<bool, Error> {
        match self {
            Self::Argon2 { hash, .. } => {
                match Argon2::default().verify_password(password.as_bytes(), &**hash) {
                    Ok(()) => Ok(true),
                    Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                    Err(error) => Err(unavailable(error)),
                }
            }
            // `verify` cuts the password off: a longer one takes as long, and is not the one.
            Self::Bcrypt { text, .. } => {
                let same = bcrypt::verify(password, text).map_err(unavailable)?;
                Ok(same && password.len() <= BCRYPT_MAX_BYTES)
            }
        }
    }

    /// Whether it was made with today's algorithm and parameters.
    pub(crate) fn is_current(&self, settings: &Settings) -> bool {
        match (self, settings.algorithm) {
            (Self::Argon2 { hash, params }, Algorithm::Argon2id) => {
                hash.algorithm == argon2::ARGON2ID_IDENT
                    && hash.version == Some(Version::V0x13.into())
                    && argon2_params(settings).is_ok_and(|today| *params == today)
            }
            (Self::Bcrypt { cost, .. }, Algorithm::Bcrypt) => *cost == settings.bcrypt_cost,
            _ => false,
        }
    }
}
