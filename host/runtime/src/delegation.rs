//! Acting for a user after the user's request: what was left to a component, and what is left of it.

use crate::principal::{Authenticated, Delegation, Seal, SealError};
use crate::{Application, Call, Class, InvokeError, Question};
use http::StatusCode;
use jiff::Timestamp;
use sbd_contract::authentication::{self, Identity};
use sbd_contract::{Principal, Scopes, path};
use sbd_metering::Delegated;
use std::sync::Arc;

/// Why nobody may act for a user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DelegationError {
    /// Only who is or acts for a user can leave something to a component.
    #[error("there is no user to act for; let a user who is signed in ask for it")]
    NoUser,
    /// It is none of this host's, or another tenant's.
    #[error("the delegation was not made by this host for this tenant: {0}")]
    Seal(#[from] SealError),
    /// The account is gone, or may not act any more.
    #[error("the user may not act any more; ask them to sign in and to begin again")]
    Revoked,
    /// The application has no auth component to ask.
    #[error(
        "there is no auth component to ask; name one in spin.toml: [application.tool.sbd] auth = \"NAME\""
    )]
    NobodyToAsk,
    /// The auth component did not answer as it should; it may the next time.
    #[error("the auth component could not say whether the user may still act: {0}")]
    Unanswered(InvokeError),
}

// === impl Application ===

impl Application {
    /// Leaves a component to act for the user of a request later, with these scopes at most: a text to
    /// be kept until then. Who acts for a user already can leave no more than that.
    ///
    /// # Errors
    /// [`DelegationError::NoUser`] for a service.
    pub fn delegate(
        &self,
        principal: &Principal,
        component: &str,
        scopes: &Scopes,
    ) -> Result<String, DelegationError> {
        let delegated = delegate(&self.runtime.seal, principal, component, scopes)?;
        Ok(delegated.sealed)
    }

    /// Who acts by a delegation now: the auth component is asked what its user may do, so that what was
    /// taken from them since is missed.
    ///
    /// # Errors
    /// Why nobody may, or why it could not be found out.
    pub async fn resume(
        &self,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
        sealed: &str,
    ) -> Result<Authenticated, DelegationError> {
        let delegation = self.runtime.seal.open_delegation(sealed, tenant)?;
        let auth = self.app().settings.auth.as_deref();
        let call = Call {
            tenant: Arc::clone(tenant),
            component: Arc::from(auth.ok_or(DelegationError::NobodyToAsk)?),
            request_id: Arc::clone(request_id),
            class: Class::Authentication,
            principal: None,
        };
        let user = Arc::clone(&delegation.user);
        let about = authentication::Question::Delegation { user };
        let question = Question::post(path::AUTHENTICATE, &about);
        let reply = match question {
            Ok(question) => self.ask(call, question).await,
            Err(error) => Err(error),
        };
        let reply = reply.map_err(DelegationError::Unanswered)?;
        let principal = match reply.status {
            StatusCode::OK => identified(tenant, &reply.body),
            StatusCode::UNAUTHORIZED => return Err(DelegationError::Revoked),
            other => Err(InvokeError::Unusable(other.to_string())),
        };
        let principal = principal.map_err(DelegationError::Unanswered)?;
        if principal.user.as_ref() != Some(&delegation.user) {
            return Err(DelegationError::Revoked);
        }
        let mut delegated = principal.delegated_to(delegation.component, &delegation.scopes);
        delegated.impersonated_by = delegation.impersonated_by;
        Ok(delegated.into())
    }
}

/// What leaves a component to act for the user of a principal later.
pub(crate) fn delegate(
    seal: &Seal,
    principal: &Principal,
    component: &str,
    scopes: &Scopes,
) -> Result<Delegated, DelegationError> {
    let user = principal.user.as_ref().ok_or(DelegationError::NoUser)?;
    let delegation = Delegation {
        tenant: Arc::clone(&principal.tenant),
        user: Arc::clone(user),
        component: Arc::from(component),
        scopes: principal.scopes.intersect(scopes),
        impersonated_by: principal.impersonated_by.clone(),
    };
    Ok(Delegated {
        user: Arc::clone(user),
        sealed: seal
            .seal_delegation(&delegation)
            .ok_or(DelegationError::NoUser)?,
    })
}

/// The principal in an answer of the auth component.
///
/// # Errors
/// When it is none.
pub fn identified(tenant: &Arc<str>, answer: &[u8]) -> Result<Principal, InvokeError> {
    let unusable = |reason: &dyn std::fmt::Display| InvokeError::Unusable(reason.to_string());
    let identity: Identity = serde_json::from_slice(answer).map_err(|error| unusable(&error))?;
    let ends: Result<Timestamp, _> = identity.expires_at.parse();
    let ends = ends.map_err(|error| unusable(&error))?;
    let mut principal = Principal::user(Arc::clone(tenant), identity.user)
        .named(identity.username)
        .with_roles(identity.roles)
        .with_scopes(identity.scopes)
        .until(ends.as_second());
    principal.session = identity.session;
    principal.impersonated_by = identity.impersonated_by;
    Ok(principal)
}
