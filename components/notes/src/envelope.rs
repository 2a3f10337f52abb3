//! What a client has encrypted: taken in one form only, and looked at from outside.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bytes of a nonce of AES-GCM, and of the tag that is the end of a ciphertext.
const NONCE: usize = 12;
const TAG: usize = 16;
/// Most bytes that are encrypted.
const MOST: usize = 256 << 10;
/// Most characters of a key's id.
const LONGEST_KEY_ID: usize = 64;

/// Something encrypted, with what its readers need to know to decrypt it, but for the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    /// The form of the envelope: 1.
    #[schema(minimum = 1, maximum = 1, example = 1)]
    version: u8,
    #[schema(inline)]
    algorithm: Algorithm,
    /// Which key it is, for clients; the key itself never comes here.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "k1"
    )]
    key_id: String,
    /// 12 bytes in base64url without padding, others for each content under a key.
    #[schema(
        min_length = 16,
        max_length = 16,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "AAAAAAAAAAAAAAAA"
    )]
    nonce: String,
    /// The ciphertext and the tag behind it, in base64url without padding: 16 bytes to 256 KiB and 16 bytes.
    #[schema(
        min_length = 22,
        max_length = 349547,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "AAAAAAAAAAAAAAAAAAAAAA"
    )]
    ciphertext: String,
}

/// How it is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
enum Algorithm {
    /// With a key of 256 bits.
    #[serde(rename = "AES-GCM")]
    AesGcm,
}

// === impl Envelope ===

impl Envelope {
    /// Refuses what no client can have encrypted so.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |field: &str, message: String| {
            Err(Error::validation(format!("encrypted.{field}"), message))
        };
        if self.version != 1 {
            return wrong(
                "version",
                "1, the form of envelopes that there is".to_owned(),
            );
        }
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=LONGEST_KEY_ID).contains(&self.key_id.len()) || !self.key_id.bytes().all(is_known)
        {
            let message = format!("1 to {LONGEST_KEY_ID} of A-Z, a-z, 0-9, `-` and `_`");
            return wrong("key_id", message);
        }
        if length(&self.nonce) != Some(NONCE) {
            return wrong(
                "nonce",
                format!("{NONCE} bytes in base64url without padding"),
            );
        }
        match length(&self.ciphertext) {
            Some(TAG..=ENCRYPTED) => Ok(()),
            _ => wrong(
                "ciphertext",
                format!(
                    "{TAG} to {ENCRYPTED} bytes in base64url without padding: what is encrypted, and the tag"
                ),
            ),
        }
    }

    /// Whether both were encrypted with one key and one nonce, which gives away what is in them.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.key_id == other.key_id
            && self.nonce == other.nonce
            && self.ciphertext != other.ciphertext
    }
}

const ENCRYPTED: usize = MOST + TAG;

/// The bytes that a text in base64url stands for; none if it is none.
fn length(text: &str) -> Option<usize> {
    // As a length: what is much too long is not decoded.
    if text.len() > ENCRYPTED.div_ceil(3) * 4 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| bytes.len())
}

#[cfg(test)]
pub(crate) fn sample() -> Envelope {
    Envelope {
        version: 1,
        algorithm: Algorithm::AesGcm,
        key_id: "k1".to_owned(),
        nonce: "A".repeat(16),
        ciphertext: "A".repeat(22),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_has_one_form() {
        assert!(sample().check().is_ok());
        let changed = |change: fn(&mut Envelope)| {
            let mut envelope = sample();
            change(&mut envelope);
            envelope.check()
        };
        assert!(changed(|one| one.ciphertext = "A".repeat(349_547)).is_ok());
        let wrong: [fn(&mut Envelope); 12] = [
            |one| one.version = 0,
            |one| one.version = 2,
            |one| one.key_id = String::new(),
            |one| one.key_id = "k".repeat(65),
            |one| one.key_id = "../k".to_owned(),
            |one| one.nonce = "A".repeat(15),
            |one| one.nonce = "A".repeat(20),
            |one| one.nonce = "A+/AAAAAAAAAAAAA".to_owned(),
            |one| one.ciphertext = "A".repeat(20),
            // Bits beyond the last byte, padding, and a text that is none of base64url.
            |one| one.ciphertext = format!("{}B", "A".repeat(21)),
            |one| one.ciphertext = format!("{}==", "A".repeat(22)),
            |one| one.ciphertext = "A".repeat(349_548),
        ];
        for (number, wrong) in wrong.into_iter().enumerate() {
            assert!(changed(wrong).is_err(), "{number}");
        }
    }

    #[test]
    fn a_nonce_is_used_once() {
        let other = |change: fn(&mut Envelope)| {
            let mut envelope = sample();
            change(&mut envelope);
            envelope.repeats(&sample())
        };
        assert!(other(|one| one.ciphertext = "B".repeat(24)));
        assert!(!other(|_| {}));
        assert!(!other(|one| one.nonce = "B".repeat(16)));
        assert!(!other(|one| one.key_id = "k2".to_owned()));
    }
}
