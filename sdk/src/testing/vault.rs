//! `vault` of a test: sealed with a key of the test's own, so that it opens as it does at home and shows nothing.

use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::vault::{Error, Opened, Refusal};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

const LONGEST: usize = 64 * 1024;
const LONGEST_CONTEXT: usize = 1024;
/// Bytes of a nonce, and of a checksum.
const NONCE: usize = 16;
const CHECKSUM: usize = 32;

/// What is sealed with.
pub(super) struct Key {
    id: String,
    secret: [u8; 16],
}

impl Default for Key {
    fn default() -> Self {
        Self {
            id: format!("key_{}", uuid::Uuid::now_v7().simple()),
            secret: *uuid::Uuid::now_v7().as_bytes(),
        }
    }
}

impl Key {
    /// Hides a text, or shows a hidden one.
    fn crypt(&self, nonce: &[u8], text: &[u8]) -> Vec<u8> {
        let blocks = (0_u64..).flat_map(|block| {
            let pad = Sha256::new()
                .chain_update(self.secret)
                .chain_update(nonce)
                .chain_update(block.to_be_bytes());
            <[u8; 32]>::from(pad.finalize())
        });
        text.iter().zip(blocks).map(|(a, b)| a ^ b).collect()
    }

    fn checksum(&self, purpose: &str, context: &str, sealed: &[u8]) -> [u8; CHECKSUM] {
        let inner = Sha256::new()
            .chain_update(format!("{purpose:?}{context:?}"))
            .chain_update(sealed)
            .finalize();
        let outer = Sha256::new().chain_update(self.secret).chain_update(inner);
        outer.finalize().into()
    }
}

pub(crate) async fn encrypt(
    purpose: String,
    context: String,
    plain: Vec<u8>,
) -> Result<String, Error> {
    let world = granted("vault");
    check(&purpose, &context)?;
    if plain.len() > LONGEST {
        return Err(Error::Invalid(format!(
            "a plain text has at most {LONGEST} bytes"
        )));
    }
    let key = world.vault.borrow();
    let nonce = *uuid::Uuid::now_v7().as_bytes();
    let sealed = [&nonce, &*key.crypt(&nonce, &plain)].concat();
    let checksum = key.checksum(&purpose, &context, &sealed);
    let text = URL_SAFE_NO_PAD.encode([&*sealed, &checksum].concat());
    Ok(format!("test.{}.{text}", key.id))
}

pub(crate) async fn decrypt(
    purpose: String,
    context: String,
    sealed: String,
) -> Result<Opened, Error> {
    let world = granted("vault");
    check(&purpose, &context)?;
    let key = world.vault.borrow();
    let parts = sealed.strip_prefix("test.");
    let Some((id, text)) = parts.and_then(|parts| parts.split_once('.')) else {
        return Ok(Opened::Refused(Refusal::Forged));
    };
    if id != key.id {
        return Ok(Opened::Refused(Refusal::UnknownKey));
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let parts = bytes.split_last_chunk::<CHECKSUM>();
    let whole =
        parts.filter(|(sealed, checksum)| **checksum == key.checksum(&purpose, &context, sealed));
    let plain = whole.and_then(|(sealed, _)| {
        let (nonce, text) = sealed.split_first_chunk::<NONCE>()?;
        Some(key.crypt(nonce, text))
    });
    Ok(plain.map_or(Opened::Refused(Refusal::Forged), Opened::Plain))
}

fn check(purpose: &str, context: &str) -> Result<(), Error> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let is_purpose = (1..=64).contains(&purpose.len()) && purpose.bytes().all(allowed);
    match is_purpose && context.len() <= LONGEST_CONTEXT {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "a purpose is 1 to 64 characters of `a-z0-9-`, and a context has at most {LONGEST_CONTEXT} bytes"
        ))),
    }
}
