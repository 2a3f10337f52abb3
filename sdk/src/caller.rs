//! Who asks, in which tenant, and under which request id: as the host says it.

use crate::context;
use crate::{Error, Principal};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;

/// The person a request is for: signed in, or somebody a component acts for.
///
/// As an extractor it answers 401 when there is none; `Option<Caller>` does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's id, `usr_...`.
    pub user: Arc<str>,
    principal: Principal,
}

/// Whoever a request is for, be it a person or a component that acts for itself. As an extractor it
/// answers 401 when it is for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By(pub Principal);

/// The id of the request, `req_...`; empty when the host gave none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// The name of the tenant; empty when the host gave none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(pub String);

// === impl Caller ===

impl Caller {
    /// The person behind a principal, if it is for one. Tests make a caller by it, of
    /// [`Principal::user`].
    pub fn of(principal: Principal) -> Option<Self> {
        Some(Self {
            user: principal.user.clone()?,
            principal,
        })
    }

    /// Answers 403 without a permission. Operations declare theirs; this is for what is none.
    ///
    /// # Errors
    /// `FORBIDDEN` without it.
    pub fn require(&self, permission: &str) -> crate::Result<()> {
        match self.scopes.allow(permission) {
            true => Ok(()),
            false => Err(Error::lacks_permission(permission)),
        }
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
}

impl Deref for Caller {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

fn caller() -> Option<Caller> {
    let context = context::current()?;
    Caller::of(context.principal.clone()?)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Error> {
        caller().ok_or_else(Error::unauthenticated)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(caller())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Error;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Error> {
        let principal = context::current().and_then(|context| context.principal.clone());
        principal.map(Self).ok_or_else(Error::unauthenticated)
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
