//! Who a request is for.

use crate::Scopes;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How somebody came to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A user, by a session or a token of theirs.
    User,
    /// A component for itself: a tick, an event.
    Service,
    /// A component for a user, after the user's request: a task, an agent's run.
    Delegated,
}

/// How ids of sessions begin.
const SESSION: &str = "ses_";

/// Who a request is for, and what they may do. Made by the constructors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Principal {
    /// The tenant it is one of.
    pub tenant: Arc<str>,
    /// How it came to ask.
    pub kind: Kind,
    /// The user's id, `usr_...`; none for a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Arc<str>>,
    /// The component that acts; none for a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Arc<str>>,
    /// The component that makes this call on the request's behalf, as the host saw it; none when it came from
    /// outside, or the host itself asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Arc<str>>,
    /// The session's id, `ses_...`, if there is one; or of what a program has in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Arc<str>>,
    /// The administrator who acts in the user's place, `usr_...`, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonated_by: Option<Arc<str>>,
    /// The user's name, for display; of a service the component's.
    pub username: String,
    /// Roles of the user, for example `user` and `admin`.
    pub roles: Vec<String>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends, in seconds since 1970.
    pub expires_at: i64,
}

// === impl Principal ===

impl Principal {
    /// A user with all that users may do, and no end: narrow it with what is known of them. This is
    /// also the maker for tests.
    pub fn user(tenant: impl Into<Arc<str>>, user: impl Into<Arc<str>>) -> Self {
        Self {
            tenant: tenant.into(),
            kind: Kind::User,
            user: Some(user.into()),
            component: None,
            via: None,
            session: None,
            impersonated_by: None,
            username: String::new(),
            roles: Vec::new(),
            scopes: Scopes::everything(),
            expires_at: i64::MAX,
        }
    }

    /// A component that acts for itself, with all that users may do.
    pub fn service(tenant: impl Into<Arc<str>>, component: impl Into<Arc<str>>) -> Self {
        let component = component.into();
        Self {
            kind: Kind::Service,
            user: None,
            username: component.to_string(),
            component: Some(component),
            ..Self::user(tenant, "")
        }
    }

    /// A component that acts for this user, with no more than these scopes of theirs.
    #[must_use]
    pub fn delegated_to(self, component: impl Into<Arc<str>>, scopes: &Scopes) -> Self {
        Self {
            kind: Kind::Delegated,
            component: Some(component.into()),
            scopes: self.scopes.intersect(scopes),
            ..self
        }
    }

    /// The same in a call that this component makes.
    #[must_use]
    pub fn called_via(self, component: impl Into<Arc<str>>) -> Self {
        Self {
            via: Some(component.into()),
            ..self
        }
    }

    /// The component that asks: the one that makes the call, else the one that acts. None is a user who asks
    /// directly.
    pub fn asking_component(&self) -> Option<&str> {
        self.via.as_deref().or(self.component.as_deref())
    }

    /// The same with a name.
    #[must_use]
    pub fn named(self, username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            ..self
        }
    }

    /// The same in a session.
    #[must_use]
    pub fn in_session(self, session: impl Into<Arc<str>>) -> Self {
        Self {
            session: Some(session.into()),
            ..self
        }
    }

    /// The same, for an administrator who acts in the user's place.
    #[must_use]
    pub fn impersonated_by(self, administrator: impl Into<Arc<str>>) -> Self {
        Self {
            impersonated_by: Some(administrator.into()),
            ..self
        }
    }

    /// The same with these roles.
    #[must_use]
    pub fn with_roles<S: Into<String>>(self, roles: impl IntoIterator<Item = S>) -> Self {
        Self {
            roles: roles.into_iter().map(Into::into).collect(),
            ..self
        }
    }

    /// The same with these scopes.
    #[must_use]
    pub fn with_scopes(self, scopes: Scopes) -> Self {
        Self { scopes, ..self }
    }

    /// The same until then, in seconds since 1970.
    #[must_use]
    pub fn until(self, expires_at: i64) -> Self {
        Self { expires_at, ..self }
    }

    /// Whether it has a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// What a program has of its user instead of a session, if it asks: a token, or a grant.
    pub fn program(&self) -> Option<&Arc<str>> {
        let session = self.session.as_ref();
        session.filter(|session| !session.starts_with(SESSION))
    }

    /// The first part of the header that carries it, to be followed by a dot and a seal. `None` only
    /// if it cannot be written as JSON.
    pub fn claims(&self) -> Option<String> {
        Some(URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).ok()?))
    }

    /// The principal in the first part of such a header, whose seal is the host's to check.
    pub fn from_claims(claims: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }

    /// The principal in such a header, as a guest reads it: the host drops those from outside and
    /// checks those that components pass on.
    pub fn from_header(header: &http::HeaderValue) -> Option<Self> {
        let (claims, _seal) = header.to_str().ok()?.split_once('.')?;
        Self::from_claims(claims)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn it_travels_as_text() {
        let ada = Principal::user("acme", "usr_1")
            .named("ada")
            .in_session("ses_1")
            .impersonated_by("usr_2")
            .with_roles(["user"])
            .until(7);
        let header = format!("{}.seal", ada.claims().unwrap());
        let header = http::HeaderValue::try_from(header).unwrap();
        assert_eq!(Principal::from_header(&header), Some(ada));
        for wrong in ["", "nonsense", ".", "e30.x"] {
            let header = http::HeaderValue::try_from(wrong).unwrap();
            assert_eq!(Principal::from_header(&header), None, "{wrong}");
        }
    }

    #[test]
    fn programs_are_no_sessions() {
        let program = |session: &str| {
            let ada = Principal::user("acme", "usr_1").in_session(session);
            ada.program().is_some()
        };
        assert!(program("ptk_1") && program("ogr_1") && !program("ses_1"));
        assert_eq!(Principal::user("acme", "usr_1").program(), None);
    }

    #[test]
    fn who_acts_for_a_user_has_no_more_than_was_given() {
        let ada = Principal::user("acme", "usr_1").with_roles(["user"]);
        let given = Scopes::new(["notes:read", "admin:wallet:mint"]).unwrap();
        let agent = ada.delegated_to("agents", &given);
        assert_eq!(
            (agent.kind, agent.component.as_deref()),
            (Kind::Delegated, Some("agents"))
        );
        assert_eq!(agent.user.as_deref(), Some("usr_1"));
        assert!(agent.scopes.allow("notes:read"));
        assert!(!agent.scopes.allow("notes:write") && !agent.scopes.allow("admin:wallet:mint"));
    }

    #[test]
    fn who_calls_asks() {
        let ada = Principal::user("acme", "usr_1");
        assert_eq!(ada.asking_component(), None);
        let later = ada.clone().delegated_to("agents", &Scopes::everything());
        assert_eq!(later.asking_component(), Some("agents"));
        for by in [ada, later, Principal::service("acme", "agents")] {
            let through = by.called_via("family");
            assert_eq!(through.asking_component(), Some("family"));
            let claims = through.claims().unwrap();
            assert_eq!(Principal::from_claims(&claims), Some(through));
        }
    }

    #[test]
    fn a_service_is_nobody() {
        let tick = Principal::service("acme", "reminders");
        assert_eq!(
            (tick.user, tick.component.as_deref()),
            (None, Some("reminders"))
        );
    }
}
