//! One signing key.

use crate::token::MAX_TTL;
use crate::{Algorithm, Settings};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair, UnparsedPublicKey,
};
use rsa::pkcs8::EncodePrivateKey as _;
use sbd_keyring::{Error, Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// NIST SP 800-57 holds 2048 bits good until 2030; a larger key makes every signature dearer.
const RSA_BITS: usize = 2048;

/// A key as the file keeps it. It does not print.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    kid: String,
    algorithm: Algorithm,
    /// PKCS #8 (HS256: the 32 bytes of the key), base64url.
    private: String,
    /// When the last token signed with it has run out, in Unix seconds; none while it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retire_at: Option<i64>,
}

/// A key, ready to sign and verify.
pub struct Key {
    pub(crate) kid: String,
    pub(crate) retire_at: Option<i64>,
    material: Material,
}

enum Material {
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Hs256(hmac::Key),
}

// === impl StoredKey ===

impl StoredKey {
    /// RSA takes a second.
    fn generate(algorithm: Algorithm) -> Result<Self, Error> {
        const FAILED: Error = Error::Unavailable("making a key");
        let random = SystemRandom::new();
        let private = match algorithm {
            Algorithm::EdDsa => {
                let document = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| FAILED)?;
                BASE64.encode(document)
            }
            // ring makes no RSA keys. The crate `rsa` only generates: its private operations leak
            // time (RUSTSEC-2023-0071), so ring signs.
            Algorithm::Rs256 => {
                let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, RSA_BITS);
                let document = key.map_err(|_| FAILED)?.to_pkcs8_der();
                BASE64.encode(document.map_err(|_| FAILED)?.as_bytes())
            }
            Algorithm::Hs256 => {
                let mut bytes = [0; 32];
                random.fill(&mut bytes).map_err(|_| FAILED)?;
                BASE64.encode(bytes)
            }
        };
        Ok(Self {
            kid: format!("key_{}", uuid::Uuid::now_v7().simple()),
            algorithm,
            private,
            retire_at: None,
        })
    }

    fn open(&self) -> Option<Key> {
        let private = BASE64.decode(&self.private).ok()?;
        let material = match self.algorithm {
            Algorithm::EdDsa => Material::EdDsa(Ed25519KeyPair::from_pkcs8(&private).ok()?),
            Algorithm::Rs256 => Material::Rs256(RsaKeyPair::from_pkcs8(&private).ok()?),
            Algorithm::Hs256 if private.len() == 32 => {
                Material::Hs256(hmac::Key::new(hmac::HMAC_SHA256, &private))
            }
            Algorithm::Hs256 => return None,
        };
        Some(Key {
            kid: self.kid.clone(),
            retire_at: self.retire_at,
            material,
        })
    }
}

// === impl Key ===

impl Kind for Key {
    type Stored = StoredKey;
    type Settings = Settings;

    fn generate(settings: &Settings) -> Result<StoredKey, Error> {
        StoredKey::generate(settings.algorithm)
    }

    fn open(stored: &StoredKey) -> Option<Self> {
        stored.open()
    }

    fn suits(stored: &StoredKey, settings: &Settings) -> bool {
        stored.algorithm == settings.algorithm
    }

    /// It goes when the longest-lived token it can have signed does.
    fn retired(stored: StoredKey, now: i64) -> StoredKey {
        StoredKey {
            retire_at: Some(now.saturating_add(MAX_TTL.into())),
            ..stored
        }
    }

    fn is_over(stored: &StoredKey, now: i64) -> bool {
        stored.retire_at.is_none_or(|at| at <= now)
    }
}

impl Key {
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::EdDsa(_) => Algorithm::EdDsa,
            Material::Rs256(_) => Algorithm::Rs256,
            Material::Hs256(_) => Algorithm::Hs256,
        }
    }

    /// Signs. RSA takes the longest, about a millisecond.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.material {
            Material::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Material::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .map_err(|_| Error::Unavailable("signing"))?;
                Ok(signature)
            }
            Material::Hs256(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    /// Whether this key signed that message.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::EdDsa(pair) => UnparsedPublicKey::new(&ED25519, pair.public_key())
                .verify(message, signature)
                .is_ok(),
            Material::Rs256(pair) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())
                    .verify(message, signature)
                    .is_ok()
            }
            Material::Hs256(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }

    /// The public half (RFC 7517, RFC 8037); HS256 has none.
    pub(crate) fn jwk(&self) -> Option<Value> {
        let alg = self.algorithm().as_str();
        match &self.material {
            Material::EdDsa(pair) => Some(json!({
                "kty": "OKP", "crv": "Ed25519", "alg": alg, "use": "sig", "kid": self.kid,
                "x": BASE64.encode(pair.public_key()),
            })),
            Material::Rs256(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                Some(json!({
                    "kty": "RSA", "alg": alg, "use": "sig", "kid": self.kid,
                    "n": BASE64.encode(public.n), "e": BASE64.encode(public.e),
                }))
            }
            Material::Hs256(_) => None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm())
            .field("retire_at", &self.retire_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// RFC 8037, appendices A.1 and A.4.
    #[test]
    fn ed25519_signs_as_the_standard_does() {
        let seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
        let public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt\
                         9g7sVvpAr_MuM0KAg";
        let (seed, public) = (BASE64.decode(seed).unwrap(), BASE64.decode(public).unwrap());
        let key = Key {
            kid: String::new(),
            retire_at: None,
            material: Material::EdDsa(
                Ed25519KeyPair::from_seed_and_public_key(&seed, &public).unwrap(),
            ),
        };
        assert_eq!(BASE64.encode(key.sign(message).unwrap()), signature);
        assert!(key.signed(message, &BASE64.decode(signature).unwrap()));
    }

    #[test]
    fn a_key_does_not_print() {
        for algorithm in [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Hs256] {
            let stored = StoredKey::generate(algorithm).unwrap();
            let printed = format!("{:?}", stored.open().unwrap());
            let bytes = BASE64.decode(&stored.private).unwrap();
            let tail = bytes.get(bytes.len() - 8..).unwrap();
            assert!(!printed.contains(&stored.private), "{printed}");
            assert!(!printed.contains(&format!("{tail:?}")), "{printed}");
        }
    }
}
