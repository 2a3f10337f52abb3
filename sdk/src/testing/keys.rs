//! `keys` of a test: tokens that a secret of the test's own signs, good as long as its clock says.

use super::app::TENANT;
use super::world::{World, granted};
pub(crate) use crate::bindings::generated::sbd::platform::keys::{Error, Refusal, Verdict};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

const RESERVED: [&str; 6] = ["iss", "aud", "iat", "nbf", "exp", "jti"];
const LONGEST: u32 = 366 * 24 * 60 * 60;

/// What tokens are signed with.
pub(super) struct Secret([u8; 16]);

impl Default for Secret {
    fn default() -> Self {
        Self(*uuid::Uuid::now_v7().as_bytes())
    }
}

impl Secret {
    fn sign(&self, message: &str) -> String {
        let inner = Sha256::new()
            .chain_update(self.0)
            .chain_update(message)
            .finalize();
        let outer = Sha256::new()
            .chain_update(self.0)
            .chain_update(inner)
            .finalize();
        URL_SAFE_NO_PAD.encode(outer)
    }
}

pub(crate) async fn sign(purpose: String, claims: String, ttl: u32) -> Result<String, Error> {
    let world = granted("keys");
    let invalid = |text: &str| Error::Invalid(text.to_owned());
    let claims: Option<Map<String, Value>> = serde_json::from_str(&claims).ok();
    let mut claims = claims.ok_or_else(|| invalid("claims are a JSON object; these are not"))?;
    if let Some(name) = RESERVED.iter().find(|name| claims.contains_key(**name)) {
        return Err(Error::Invalid(format!(
            "the host sets the claim `{name}`; leave it out"
        )));
    }
    if !(1..=LONGEST).contains(&ttl) {
        return Err(invalid("a token lives 1 second to 366 days"));
    }
    let now = seconds(&world);
    let jti = format!("tok_{}", uuid::Uuid::now_v7().simple());
    for (name, value) in [
        ("iss", Value::from(TENANT)),
        ("aud", purpose.into()),
        ("iat", now.into()),
        ("nbf", now.into()),
        ("exp", now.saturating_add(ttl.into()).into()),
        ("jti", jti.into()),
    ] {
        claims.insert(name.to_owned(), value);
    }
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"test"}"#);
    let claims = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
    let message = format!("{header}.{claims}");
    let signature = world.keys.sign(&message);
    Ok(format!("{message}.{signature}"))
}

pub(crate) async fn verify(purpose: String, token: String) -> Result<Verdict, Error> {
    let world = granted("keys");
    let Some((text, claims)) = authentic(&world, &token) else {
        return Ok(Verdict::Refused(Refusal::Forged));
    };
    let is_for_it = claims["aud"] == *purpose;
    let is_over = claims["exp"]
        .as_i64()
        .is_none_or(|end| end <= seconds(&world));
    Ok(match (is_for_it, is_over) {
        (false, _) => Verdict::Refused(Refusal::Forged),
        (true, true) => Verdict::Refused(Refusal::Expired),
        (true, false) => Verdict::Valid(text),
    })
}

pub(crate) async fn jwks() -> Result<String, Error> {
    let _ = granted("keys");
    Ok(r#"{"keys":[]}"#.to_owned())
}

/// The claims of a token that this test signed.
fn authentic(world: &World, token: &str) -> Option<(String, Value)> {
    let (message, signature) = token.rsplit_once('.')?;
    if world.keys.sign(message) != signature {
        return None;
    }
    let (_, claims) = message.split_once('.')?;
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let claims = serde_json::from_str(&text).ok()?;
    Some((text, claims))
}

fn seconds(world: &World) -> i64 {
    world.now.get().div_euclid(1000)
}
