//! Tokens: compact JWS (RFC 7515) holding a JWT (RFC 7519). We read only what we write: one
//! header, three fields, no options.

use crate::Error;
use crate::key::Key;
use crate::keyring::{self, TenantKeys};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sbd_contract::Oversized;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest time to live in seconds: 366 days.
pub const MAX_TTL: u32 = 366 * 86_400;
/// Longest claims in bytes, as the guest gives them.
pub const MAX_CLAIMS_BYTES: usize = 8 * 1024;
/// Longest token in bytes that is looked at: the longest claims in base64 and then some.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How far, in seconds, the clock of the host that signed may be ahead of ours.
const LEEWAY: i64 = 30;
/// Set by the host.
const RESERVED: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "jti"];

/// What became of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is good; its claims as a JSON text.
    Valid(String),
    /// Not a token of ours.
    Forged,
    /// It was ours and has run out.
    Expired,
}

/// Anything more in a header (`crit`, `jwk`, `b64`) makes a token forged.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Deserialize)]
struct Registered {
    iss: String,
    aud: String,
    exp: i64,
    nbf: i64,
}

/// Signs claims for `ttl` seconds from `now`, in Unix seconds.
pub(crate) fn sign(
    tenant: &str,
    key: &Key,
    purpose: &str,
    claims: &str,
    ttl: u32,
    now: i64,
) -> Result<String, Error> {
    let mut claims = read_claims(claims)?;
    if !(1..=MAX_TTL).contains(&ttl) {
        let refused = format!("a token lives 1 to {MAX_TTL} seconds; this one would {ttl}");
        return Err(Error::Invalid(refused));
    }
    claims.insert("iss".to_owned(), tenant.into());
    claims.insert("aud".to_owned(), purpose.into());
    claims.insert("iat".to_owned(), now.into());
    claims.insert("nbf".to_owned(), now.into());
    claims.insert("exp".to_owned(), now.saturating_add(ttl.into()).into());
    let jti = format!("tok_{}", uuid::Uuid::now_v7().simple());
    claims.insert("jti".to_owned(), jti.into());
    let header = Header {
        alg: key.algorithm().as_str().to_owned(),
        typ: "JWT".to_owned(),
        kid: key.kid.clone(),
    };
    let mut token = format!("{}.{}", encode(&header)?, encode(&claims)?);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    BASE64.encode_string(signature, &mut token);
    Ok(token)
}

/// Checks a token at `now`, in Unix seconds.
pub(crate) fn verify(
    tenant: &str,
    keys: &TenantKeys,
    purpose: &str,
    token: &str,
    now: i64,
) -> Verdict {
    let Some((payload, registered)) = authentic(keys, token, now) else {
        return Verdict::Forged;
    };
    let ours = registered.iss == tenant && registered.aud == purpose;
    if !ours || registered.nbf > now.saturating_add(LEEWAY) {
        return Verdict::Forged;
    }
    match registered.exp > now {
        true => Verdict::Valid(payload),
        false => Verdict::Expired,
    }
}

/// The payload of a token that one of these keys signed.
fn authentic(keys: &TenantKeys, token: &str, now: i64) -> Option<(String, Registered)> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let header: Header = serde_json::from_slice(&BASE64.decode(header).ok()?).ok()?;
    let key = keyring::by_id(keys, &header.kid, now)?;
    // The key says by which algorithm it verifies, never the token.
    if header.typ != "JWT" || header.alg != key.algorithm().as_str() {
        return None;
    }
    if !key.signed(message.as_bytes(), &BASE64.decode(signature).ok()?) {
        return None;
    }
    let payload = String::from_utf8(BASE64.decode(payload).ok()?).ok()?;
    let registered = serde_json::from_str(&payload).ok()?;
    Some((payload, registered))
}

/// Refuses a purpose that is not 1 to 64 characters of `a-z0-9-`.
pub(crate) fn check_purpose(purpose: &str) -> Result<(), Error> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    match (1..=64).contains(&purpose.len()) && purpose.bytes().all(allowed) {
        true => Ok(()),
        false => {
            let refused = "a purpose is 1 to 64 characters of `a-z0-9-`; choose such a one";
            Err(Error::Invalid(refused.to_owned()))
        }
    }
}

fn read_claims(claims: &str) -> Result<Map<String, Value>, Error> {
    if claims.len() > MAX_CLAIMS_BYTES {
        let length = claims.len();
        return Err(Error::Invalid(format!(
            "claims have at most {MAX_CLAIMS_BYTES} bytes; these have {length}"
        )));
    }
    let read: Map<String, Value> = serde_json::from_str(claims)
        .map_err(|_| Error::Invalid("claims are a JSON object; these are not".to_owned()))?;
    if let Some(number) = Oversized::find(claims) {
        let claim = number.field();
        return Err(Error::Invalid(format!("the claim `{claim}`: {number}")));
    }
    match RESERVED.iter().find(|name| read.contains_key(**name)) {
        None => Ok(read),
        Some(name) => Err(Error::Invalid(format!(
            "the host sets the claim `{name}`; leave it out"
        ))),
    }
}

fn encode(part: &impl Serialize) -> Result<String, Error> {
    let json =
        serde_json::to_vec(part).map_err(|_| sbd_keyring::Error::Unavailable("writing a token"))?;
    Ok(BASE64.encode(json))
}
