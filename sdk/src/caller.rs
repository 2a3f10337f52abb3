//! Who asks, in which tenant, and under which request id: as the host says it.

use crate::Error;
use crate::context;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// The signed-in user behind a request.
///
/// As an extractor it answers 401 when nobody is signed in; `Option<Caller>` does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The tenant the user was authenticated for.
    pub tenant: String,
    /// The user's id, `usr_...`.
    pub user: String,
    /// The session's id, `ses_...`; none for principals without a session.
    pub session: Option<String>,
    /// The user's name, for display.
    pub username: String,
    /// Roles, for example `user` and `admin`.
    pub roles: Vec<String>,
    /// When the authentication ends, in seconds since 1970.
    pub expires_at: i64,
}

/// The id of the request, `req_...`; empty when the host gave none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// The name of the tenant; empty when the host gave none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(pub String);

// === impl Caller ===

impl Caller {
    /// Whether the user has a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// Answers 403 unless the user has a role.
    ///
    /// # Errors
    /// `FORBIDDEN` without the role.
    pub fn require_role(&self, role: &str) -> crate::Result<()> {
        if self.has_role(role) {
            return Ok(());
        }
        Err(Error::forbidden(format!(
            "this needs the role `{role}`; ask an administrator for it"
        )))
    }

    /// The caller in the header: the JSON before the dot. The seal behind the dot is the host's
    /// to check: it drops such headers from outside and checks those that components pass on.
    pub(crate) fn read(header: &HeaderValue) -> Option<Self> {
        let (claims, _seal) = header.to_str().ok()?.split_once('.')?;
        let json = URL_SAFE_NO_PAD.decode(claims).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Error> {
        let caller = context::current().and_then(|context| context.caller.clone());
        caller.ok_or_else(Error::unauthenticated)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(context::current().and_then(|context| context.caller.clone()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(context::request_id()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Tenant {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(
            context::current()
                .map(|context| context.tenant.clone())
                .unwrap_or_default(),
        ))
    }
}
