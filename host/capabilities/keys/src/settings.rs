//! With what tokens are signed from now on.

use crate::error::UnknownAlgorithm;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A signature algorithm, by its name in RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519.
    #[default]
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA of 2048 bits, PKCS #1 v1.5, SHA-256: for readers of tokens that know nothing else.
    #[serde(rename = "RS256")]
    Rs256,
    /// HMAC with SHA-256. Only the host can verify: there is no public key.
    #[serde(rename = "HS256")]
    Hs256,
}

/// With what tokens are signed from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The algorithm of new keys. A tenant whose key has another one gets a new key; tokens signed
    /// with the old key stay good.
    pub algorithm: Algorithm,
}

// === impl Algorithm ===

impl Algorithm {
    /// The name, as it stands in a token's header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        [Self::EdDsa, Self::Rs256, Self::Hs256]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
