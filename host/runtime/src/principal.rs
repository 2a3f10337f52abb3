//! Principals as they travel: sealed, so that a guest can read and pass on who asks, but neither
//! change nor make one.
//!
//! A header is `base64url(JSON) "." base64url(HMAC-SHA-256)`. A delegation has the same form under a
//! seal of another kind: it outlives the request it was made for, says who may act for whom and with
//! what at most, and nothing of what its user may do by then; that is looked up when it is used.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use jiff::Timestamp;
use sbd_contract::{Principal, Scopes};
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// What the two kinds of seal begin with, so that none is taken for the other. No claims hold a zero.
const CALLER: &[u8] = b"";
const DELEGATION: &[u8] = b"delegation\0";

/// A principal that is sealed at its first request, and not again for those that follow.
#[derive(Debug)]
pub struct Authenticated {
    principal: Principal,
    sealed: OnceLock<Option<HeaderValue>>,
    /// Before somebody was asked who it is: what is said of its session later says more.
    asked: Instant,
}

/// What a user left a component to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// The tenant it holds in.
    pub tenant: Arc<str>,
    /// The user it acts for.
    pub user: Arc<str>,
    /// The component that may act.
    pub component: Arc<str>,
    /// What it may do at most.
    pub scopes: Scopes,
    /// The administrator who left it in the user's place, if one did: it goes on to be recorded as theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonated_by: Option<Arc<str>>,
}

/// Seals principals and delegations and opens them again.
pub struct Seal {
    key: ring::hmac::Key,
}

/// Why something was not accepted as sealed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
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

// === impl Authenticated ===

impl Authenticated {
    /// Who it is, as somebody said who was asked at this moment, or after it.
    pub fn asked(principal: Principal, asked: Instant) -> Self {
        Self {
            principal,
            sealed: OnceLock::new(),
            asked,
        }
    }

    /// Whether what was said of its session at this moment may not be in it yet.
    pub fn is_older_than(&self, said: Instant) -> bool {
        self.asked <= said
    }

    /// The header value for this principal, always by the same seal.
    pub(crate) fn sealed(&self, seal: &Seal) -> Option<HeaderValue> {
        self.sealed
            .get_or_init(|| seal.seal(&self.principal))
            .clone()
    }

    /// The same in a call that a component makes, whoever made the one before.
    pub(crate) fn called_via(self: Arc<Self>, component: &Arc<str>) -> Arc<Self> {
        match self.via.as_ref() == Some(component) {
            true => self,
            false => {
                let principal = self.principal.clone();
                let principal = principal.called_via(Arc::clone(component));
                Arc::new(Self::asked(principal, self.asked))
            }
        }
    }
}

impl From<Principal> for Authenticated {
    fn from(principal: Principal) -> Self {
        Self::asked(principal, Instant::now())
    }
}

impl Deref for Authenticated {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

// === impl Seal ===

impl Seal {
    /// A seal with this key.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret),
        }
    }

    /// The header value for a principal. `None` only if it cannot be written as JSON.
    pub fn seal(&self, principal: &Principal) -> Option<HeaderValue> {
        HeaderValue::try_from(self.sealed(CALLER, &principal.claims()?)).ok()
    }

    /// The principal in a header value that a guest of `tenant` presents, ready to be passed on.
    ///
    /// # Errors
    /// When it was not sealed here, is of another tenant, or has expired.
    pub fn open(&self, header: &HeaderValue, tenant: &str) -> Result<Authenticated, SealError> {
        let text = header.to_str().map_err(|_| SealError::Forged)?;
        let claims = self.opened(CALLER, text)?;
        let principal = Principal::from_claims(claims).ok_or(SealError::Forged)?;
        if &*principal.tenant != tenant {
            return Err(SealError::OtherTenant);
        }
        if principal.expires_at <= Timestamp::now().as_second() {
            return Err(SealError::Expired);
        }
        Ok(Authenticated {
            principal,
            sealed: OnceLock::from(Some(header.clone())),
            asked: Instant::now(),
        })
    }

    /// A delegation as a text to be kept. `None` only if it cannot be written as JSON.
    pub fn seal_delegation(&self, delegation: &Delegation) -> Option<String> {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(delegation).ok()?);
        Some(self.sealed(DELEGATION, &claims))
    }

    /// The delegation in such a text, which was kept for `tenant`.
    ///
    /// # Errors
    /// When it was not sealed here, or is of another tenant.
    pub fn open_delegation(&self, sealed: &str, tenant: &str) -> Result<Delegation, SealError> {
        let claims = self.opened(DELEGATION, sealed)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok();
        let delegation = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
        let delegation: Delegation = delegation.ok_or(SealError::Forged)?;
        if &*delegation.tenant != tenant {
            return Err(SealError::OtherTenant);
        }
        Ok(delegation)
    }

    fn sealed(&self, kind: &[u8], claims: &str) -> String {
        let tag = ring::hmac::sign(&self.key, &[kind, claims.as_bytes()].concat());
        format!("{claims}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// The claims in a sealed text. Compared in constant time.
    fn opened<'a>(&self, kind: &[u8], text: &'a str) -> Result<&'a str, SealError> {
        let (claims, tag) = text.split_once('.').ok_or(SealError::Forged)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| SealError::Forged)?;
        ring::hmac::verify(&self.key, &[kind, claims.as_bytes()].concat(), &tag)
            .map_err(|_| SealError::Forged)?;
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn ada() -> Principal {
        Principal::user("acme", "usr_1")
            .in_session("ses_1")
            .named("ada")
            .with_roles(["user"])
            .until(Timestamp::now().as_second() + 60)
    }

    fn refused(seal: &Seal, header: &HeaderValue, tenant: &str) -> SealError {
        seal.open(header, tenant).unwrap_err()
    }

    #[test]
    fn a_sealed_principal_opens_again() {
        let seal = Seal::new(&[7; 32]);
        let header = seal.seal(&ada()).unwrap();
        let opened = seal.open(&header, "acme").unwrap();
        assert_eq!(*opened, ada());
        assert_eq!(opened.sealed(&seal), Some(header));
    }

    #[test]
    fn edited_foreign_replayed_and_expired_principals_are_refused() {
        let seal = Seal::new(&[7; 32]);
        let good = seal.seal(&ada()).unwrap();
        let (_, tag) = good.to_str().unwrap().split_once('.').unwrap();
        let claims = ada().with_roles(["user", "admin"]).claims().unwrap();
        let edited = HeaderValue::try_from(format!("{claims}.{tag}")).unwrap();
        assert_eq!(refused(&seal, &edited, "acme"), SealError::Forged);
        let foreign = Seal::new(&[8; 32]).seal(&ada()).unwrap();
        assert_eq!(refused(&seal, &foreign, "acme"), SealError::Forged);
        assert_eq!(refused(&seal, &good, "other"), SealError::OtherTenant);
        let old = seal
            .seal(&ada().until(Timestamp::now().as_second()))
            .unwrap();
        assert_eq!(refused(&seal, &old, "acme"), SealError::Expired);
        let nonsense = HeaderValue::from_static("nonsense");
        assert_eq!(refused(&seal, &nonsense, "acme"), SealError::Forged);
    }

    #[test]
    fn who_calls_last_is_who_calls() {
        let seal = Seal::new(&[7; 32]);
        let [family, shop]: [Arc<str>; 2] = ["family".into(), "shop".into()];
        let outside = Arc::new(Authenticated::from(ada()));
        let before = outside.sealed(&seal);
        let through = outside.called_via(&family);
        assert_eq!(**through, ada().called_via("family"));
        assert_ne!(through.sealed(&seal), before);
        // What the shop passes on, as it came.
        let passed_on = seal.open(&through.sealed(&seal).unwrap(), "acme").unwrap();
        assert_eq!(passed_on.via.as_deref(), Some("family"));
        let further = Arc::new(passed_on).called_via(&shop);
        let header = further.sealed(&seal).unwrap();
        let seen = seal.open(&header, "acme").unwrap();
        assert_eq!(*seen, ada().called_via("shop"));
        let again = Arc::clone(&further).called_via(&shop);
        assert!(Arc::ptr_eq(&again, &further));
        // Nobody writes another one over it.
        let edited = ada().called_via("family").claims().unwrap();
        let (_, tag) = header.to_str().unwrap().split_once('.').unwrap();
        let edited = HeaderValue::try_from(format!("{edited}.{tag}")).unwrap();
        assert_eq!(refused(&seal, &edited, "acme"), SealError::Forged);
    }

    #[test]
    fn a_delegation_is_no_caller_and_a_caller_no_delegation() {
        let seal = Seal::new(&[7; 32]);
        let delegation = Delegation {
            tenant: "acme".into(),
            user: "usr_1".into(),
            component: "agents".into(),
            scopes: Scopes::everything(),
            impersonated_by: Some("usr_2".into()),
        };
        let kept = seal.seal_delegation(&delegation).unwrap();
        assert_eq!(seal.open_delegation(&kept, "acme"), Ok(delegation));
        assert_eq!(
            seal.open_delegation(&kept, "other"),
            Err(SealError::OtherTenant)
        );
        let as_header = HeaderValue::try_from(&kept).unwrap();
        assert_eq!(refused(&seal, &as_header, "acme"), SealError::Forged);
        let header = seal.seal(&ada()).unwrap();
        assert_eq!(
            seal.open_delegation(header.to_str().unwrap(), "acme"),
            Err(SealError::Forged)
        );
    }
}
