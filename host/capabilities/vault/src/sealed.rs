//! What is sealed, as a text: `v1.KEY.TEXT`, the id of the key and, in base64url, nonce and cipher text.

use crate::Error;
use crate::key::Key;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sbd_keyring::Keys;

/// Longest plain text in bytes.
pub const MAX_PLAIN_BYTES: usize = 64 * 1024;
/// Longest context in bytes.
pub const MAX_CONTEXT_BYTES: usize = 1024;
/// Longest sealed text in bytes that is looked at.
const MAX_SEALED_BYTES: usize = MAX_PLAIN_BYTES / 3 * 4 + 200;
/// What a sealed text begins with. Whatever is sealed otherwise one day begins with something else.
const VERSION: &str = "v1";

/// What became of a sealed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The plain text.
    Plain(Vec<u8>),
    /// Unreadable or altered; or sealed for something else.
    Forged,
    /// Sealed with a key that this tenant does not have here.
    UnknownKey,
}

/// To what a sealed text belongs. It opens with the very same alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Belonging<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) component: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) context: &'a str,
}

// === impl Belonging ===

impl Belonging<'_> {
    /// Refuses what is out of bounds.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let is_purpose =
            (1..=64).contains(&self.purpose.len()) && self.purpose.bytes().all(allowed);
        if !is_purpose {
            let refused = "a purpose is 1 to 64 characters of `a-z0-9-`";
            return Err(Error::Invalid(refused.to_owned()));
        }
        let length = self.context.len();
        match length <= MAX_CONTEXT_BYTES {
            true => Ok(()),
            false => Err(Error::Invalid(format!(
                "a context has at most {MAX_CONTEXT_BYTES} bytes; this one has {length}"
            ))),
        }
    }

    /// Each with its length before it, so that no two belongings have the same bytes.
    fn bytes(&self, kid: &str) -> Vec<u8> {
        let parts = [
            VERSION,
            kid,
            self.tenant,
            self.component,
            self.purpose,
            self.context,
        ];
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

/// Seals a plain text with the key for what is new.
pub(crate) fn seal(
    keys: &Keys<Key>,
    belonging: Belonging<'_>,
    plain: Vec<u8>,
) -> Result<String, Error> {
    if plain.len() > MAX_PLAIN_BYTES {
        return Err(Error::Invalid(format!(
            "a plain text has at most {MAX_PLAIN_BYTES} bytes; this one has {}",
            plain.len()
        )));
    }
    let key = &keys.current;
    let sealed = key.seal(&belonging.bytes(&key.kid), plain)?;
    Ok(format!("{VERSION}.{}.{}", key.kid, BASE64.encode(sealed)))
}

/// Opens a sealed text with the key that it names.
pub(crate) fn open(keys: &Keys<Key>, belonging: Belonging<'_>, sealed: &str) -> Opened {
    let text = (sealed.len() <= MAX_SEALED_BYTES).then_some(sealed);
    let text = text.and_then(|text| text.strip_prefix(VERSION)?.strip_prefix('.'));
    let Some((kid, text)) = text.and_then(|text| text.split_once('.')) else {
        return Opened::Forged;
    };
    let mut known = std::iter::once(&keys.current).chain(&keys.former);
    let Some(key) = known.find(|key| key.kid == kid) else {
        return Opened::UnknownKey;
    };
    let plain = BASE64.decode(text).ok();
    let plain = plain.and_then(|sealed| key.open(&belonging.bytes(kid), &sealed));
    plain.map_or(Opened::Forged, Opened::Plain)
}
