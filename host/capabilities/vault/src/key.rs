//! One key that seals.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use sbd_keyring::{Error, Kind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a key.
const BYTES: usize = 32;

/// A key as the file keeps it. It does not print.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    kid: String,
    /// The 32 bytes of the key, base64url.
    secret: String,
}

/// A key, ready to seal and open: AES-256 in GCM. Nonces are random, which is safe for four thousand million texts a
/// key.
pub struct Key {
    pub(crate) kid: String,
    secret: LessSafeKey,
}

// === impl Key ===

impl Key {
    /// Seals a plain text that belongs to this: a nonce, and what became of it.
    pub(crate) fn seal(&self, belonging: &[u8], plain: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut sealed = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut sealed)
            .map_err(|_| Error::Unavailable("drawing randomness"))?;
        let (nonce, mut text) = (Nonce::assume_unique_for_key(sealed), plain);
        self.secret
            .seal_in_place_append_tag(nonce, Aad::from(belonging), &mut text)
            .map_err(|_| Error::Unavailable("sealing"))?;
        Ok([&sealed, &*text].concat())
    }

    /// Opens what was sealed with this key and belongs to this.
    pub(crate) fn open(&self, belonging: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let (nonce, mut text) = (Nonce::assume_unique_for_key(*nonce), text.to_vec());
        let plain = self
            .secret
            .open_in_place(nonce, Aad::from(belonging), &mut text);
        plain.ok().map(|plain| plain.to_vec())
    }
}

impl Kind for Key {
    type Stored = StoredKey;
    type Settings = ();

    fn generate((): &()) -> Result<StoredKey, Error> {
        let mut secret = [0; BYTES];
        SystemRandom::new()
            .fill(&mut secret)
            .map_err(|_| Error::Unavailable("making a key"))?;
        Ok(StoredKey {
            kid: format!("key_{}", uuid::Uuid::now_v7().simple()),
            secret: BASE64.encode(secret),
        })
    }

    fn open(stored: &StoredKey) -> Option<Self> {
        let secret = BASE64.decode(&stored.secret).ok()?;
        let secret = UnboundKey::new(&AES_256_GCM, &secret).ok()?;
        Some(Self {
            kid: stored.kid.clone(),
            secret: LessSafeKey::new(secret),
        })
    }

    fn suits(_: &StoredKey, (): &()) -> bool {
        true
    }

    /// What was sealed with it is opened with it for ever.
    fn retired(stored: StoredKey, _: i64) -> StoredKey {
        stored
    }

    fn is_over(_: &StoredKey, _: i64) -> bool {
        false
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// The Galois/Counter Mode of Operation, McGrew and Viega, appendix B, test case 16.
    #[test]
    fn a_text_is_opened_as_the_standard_does() {
        let bytes = |hex: &str| {
            let pairs = hex.as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
            pairs.map(|pair| byte(pair).unwrap()).collect::<Vec<u8>>()
        };
        let half = "feffe9928665731c6d6a8f9467308308";
        let key = <Key as Kind>::open(&StoredKey {
            kid: String::new(),
            secret: BASE64.encode(bytes(&half.repeat(2))),
        })
        .unwrap();
        let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                     1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
        let belonging = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
        let sealed = "cafebabefacedbaddecaf888\
                      522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                      8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
                      76fc6ece0f4e1768cddf8853bb2d551b";
        let opened = Key::open(&key, &bytes(belonging), &bytes(sealed));
        assert_eq!(opened.unwrap(), bytes(plain));
    }

    #[test]
    fn a_key_does_not_print() {
        let stored = Key::generate(&()).unwrap();
        let printed = format!("{:?}", <Key as Kind>::open(&stored).unwrap());
        assert!(!printed.contains(&stored.secret), "{printed}");
    }
}
