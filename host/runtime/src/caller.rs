//! Who a request comes from, and how that travels between components.
//!
//! The header `sbd-caller` is `base64url(JSON) "." base64url(HMAC-SHA-256)`. A guest can read it
//! and pass it on, but neither change nor make one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// The header that carries the sealed caller.
pub const CALLER: &str = "sbd-caller";

/// The authenticated principal behind a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The tenant it was authenticated for.
    pub tenant: Arc<str>,
    /// The user's id, `usr_...`.
    pub user: Arc<str>,
    /// The session's id, `ses_...`.
    pub session: Option<Arc<str>>,
    /// The user's name, for display.
    pub username: String,
    /// Roles, for example `user` and `admin`.
    pub roles: Vec<String>,
    /// When the authentication ends, in seconds since 1970.
    pub expires_at: i64,
}

/// A caller that is sealed at its first request, and not again for those that follow.
#[derive(Debug)]
pub struct Principal {
    caller: Caller,
    sealed: OnceLock<Option<HeaderValue>>,
}

/// Seals callers into headers and opens them again.
pub struct CallerSeal {
    key: ring::hmac::Key,
}

/// Why a header was not accepted as a caller.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallerError {
    /// Not sealed by this host, or changed since.
    #[error(
        "the `sbd-caller` header was not issued by this host; pass the received one on unchanged"
    )]
    Forged,
    /// It belongs to another tenant.
    #[error("the `sbd-caller` header belongs to another tenant")]
    OtherTenant,
    /// The authentication behind it has ended.
    #[error("the `sbd-caller` header has expired; the user must sign in again")]
    Expired,
}

// === impl Principal ===

impl Principal {
    /// The header value for this caller, always by the same seal.
    pub(crate) fn sealed(&self, seal: &CallerSeal) -> Option<HeaderValue> {
        self.sealed.get_or_init(|| seal.seal(&self.caller)).clone()
    }
}

impl From<Caller> for Principal {
    fn from(caller: Caller) -> Self {
        Self {
            caller,
            sealed: OnceLock::new(),
        }
    }
}

impl Deref for Principal {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

// === impl CallerSeal ===

impl CallerSeal {
    /// A seal with this key.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret),
        }
    }

    /// The header value for a caller. `None` only if it cannot be written as JSON.
    pub fn seal(&self, caller: &Caller) -> Option<HeaderValue> {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(caller).ok()?);
        let tag = ring::hmac::sign(&self.key, claims.as_bytes());
        let sealed = format!("{claims}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
        HeaderValue::try_from(sealed).ok()
    }

    /// The caller in a header value that a guest of `tenant` presents.
    ///
    /// # Errors
    /// When it was not sealed here, is of another tenant, or has expired.
    pub fn open(&self, header: &HeaderValue, tenant: &str) -> Result<Caller, CallerError> {
        let text = header.to_str().map_err(|_| CallerError::Forged)?;
        let (claims, tag) = text.split_once('.').ok_or(CallerError::Forged)?;
        let tag = URL_SAFE_NO_PAD
            .decode(tag)
            .map_err(|_| CallerError::Forged)?;
        ring::hmac::verify(&self.key, claims.as_bytes(), &tag).map_err(|_| CallerError::Forged)?;
        let claims = URL_SAFE_NO_PAD
            .decode(claims)
            .map_err(|_| CallerError::Forged)?;
        let caller: Caller = serde_json::from_slice(&claims).map_err(|_| CallerError::Forged)?;
        if &*caller.tenant != tenant {
            return Err(CallerError::OtherTenant);
        }
        if caller.expires_at <= now() {
            return Err(CallerError::Expired);
        }
        Ok(caller)
    }
}

fn now() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn caller() -> Caller {
        Caller {
            tenant: "acme".into(),
            user: "usr_1".into(),
            session: Some("ses_1".into()),
            username: "ada".to_owned(),
            roles: vec!["user".to_owned()],
            expires_at: now() + 60,
        }
    }

    #[test]
    fn a_sealed_caller_opens_again() {
        let seal = CallerSeal::new(&[7; 32]);
        assert_eq!(
            seal.open(&seal.seal(&caller()).unwrap(), "acme"),
            Ok(caller())
        );
    }

    #[test]
    fn edited_foreign_replayed_and_expired_callers_are_refused() {
        let seal = CallerSeal::new(&[7; 32]);
        let good = seal.seal(&caller()).unwrap();
        let (_, tag) = good.to_str().unwrap().split_once('.').unwrap();
        let mut admin = caller();
        admin.roles.push("admin".to_owned());
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&admin).unwrap());
        let edited = HeaderValue::try_from(format!("{claims}.{tag}")).unwrap();
        assert_eq!(seal.open(&edited, "acme"), Err(CallerError::Forged));
        let foreign = CallerSeal::new(&[8; 32]).seal(&caller()).unwrap();
        assert_eq!(seal.open(&foreign, "acme"), Err(CallerError::Forged));
        assert_eq!(seal.open(&good, "other"), Err(CallerError::OtherTenant));
        let old = seal
            .seal(&Caller {
                expires_at: now(),
                ..caller()
            })
            .unwrap();
        assert_eq!(seal.open(&old, "acme"), Err(CallerError::Expired));
        assert_eq!(
            seal.open(&HeaderValue::from_static("nonsense"), "acme"),
            Err(CallerError::Forged)
        );
    }
}
