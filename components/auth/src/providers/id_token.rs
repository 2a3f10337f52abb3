//! What an issuer of OpenID Connect says of a user, signed (OpenID Connect Core, 3.1.3.7).
//!
//! Signatures are RS256, which every issuer knows: no other word in a token's head is heeded, `none` least of all.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::sha2::Sha256;
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, RsaPublicKey};
use sbd_sdk::time::Time;
use serde::Deserialize;
use serde_json::Value;

/// How much clocks may differ, in seconds.
const SKEW: i64 = 60;
/// Bytes of a modulus at least, and at most: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// Bytes of what an issuer calls a user, at most.
const MAX_SUBJECT: usize = 255;

/// A key of an issuer (RFC 7517).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Key {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    used_for: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

/// What a token must say.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) now: Time,
}

/// What it says.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    pub(crate) sub: String,
    aud: Value,
    exp: i64,
    #[serde(default)]
    iat: i64,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    /// Of the user, as far as it is said here.
    #[serde(flatten)]
    pub(crate) about: Value,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// What a token says, if it is what is expected; otherwise what is wrong with it, for the log.
pub(crate) fn verified(
    token: &str,
    keys: &[Key],
    expected: &Expected<'_>,
) -> Result<Claims, &'static str> {
    let (signed, signature) = token.rsplit_once('.').ok_or("it is no token")?;
    let (head, claims) = signed.split_once('.').ok_or("it is no token")?;
    let head: Head = part(head).ok_or("its head cannot be read")?;
    if head.alg != "RS256" || head.crit.is_some() {
        return Err("it is not signed by RS256");
    }
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| "it has no signature")?;
    let signature = Signature::try_from(&*signature).map_err(|_| "it has no signature")?;
    let mut right = keys.iter().filter(|key| key.is_of(head.kid.as_deref()));
    let key = right
        .next()
        .ok_or("it is signed with no key of the issuer")?;
    if head.kid.is_none() && right.next().is_some() {
        return Err("it does not say with which key it is signed");
    }
    let key = key
        .read()
        .ok_or("the issuer's key is none of RSA with 2048 bits or more")?;
    let verified = VerifyingKey::<Sha256>::new(key).verify(signed.as_bytes(), &signature);
    verified.map_err(|_| "its signature is not the issuer's")?;
    let claims: Claims = part(claims).ok_or("what it says cannot be read")?;
    claims.check(expected)?;
    Ok(claims)
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

// === impl Key ===

impl Key {
    /// Whether it signs tokens, and is the one that a token names.
    fn is_of(&self, kid: Option<&str>) -> bool {
        self.kty == "RSA"
            && self.used_for.as_deref().is_none_or(|what| what == "sig")
            && self.alg.as_deref().is_none_or(|alg| alg == "RS256")
            && kid.is_none_or(|kid| self.kid.as_deref() == Some(kid))
    }

    fn read(&self) -> Option<RsaPublicKey> {
        let number = |text: &str| Some(BigUint::from_bytes_be(&URL_SAFE_NO_PAD.decode(text).ok()?));
        let key =
            RsaPublicKey::new_with_max_size(number(&self.n)?, number(&self.e)?, MODULUS.end() * 8);
        key.ok().filter(|key| MODULUS.contains(&key.size()))
    }
}

// === impl Claims ===

impl Claims {
    fn check(&self, expected: &Expected<'_>) -> Result<(), &'static str> {
        let now = expected.now.seconds();
        let audience: Vec<&str> = match &self.aud {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let for_us = audience.contains(&expected.client_id)
            && (audience.len() == 1 || self.azp.is_some())
            && self
                .azp
                .as_deref()
                .is_none_or(|party| party == expected.client_id);
        for (right, wrong) in [
            (self.iss == expected.issuer, "it is of another issuer"),
            (for_us, "it is for another client"),
            (now < self.exp.saturating_add(SKEW), "it has run out"),
            (
                self.iat <= now.saturating_add(SKEW),
                "it is from the future",
            ),
            (
                self.nonce.as_deref() == Some(expected.nonce),
                "it is of another sign-in",
            ),
            (
                (1..=MAX_SUBJECT).contains(&self.sub.len()),
                "it does not say of whom it is",
            ),
        ] {
            if !right {
                return Err(wrong);
            }
        }
        Ok(())
    }
}
