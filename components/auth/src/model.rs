//! Users, their sessions, and the refresh tokens of those.

use crate::cookies;
use crate::countries::Country;
use crate::lockdown::passes::PassId;
use crate::remembered::Secret;
use http::{HeaderMap, HeaderName, header};
use sbd_sdk::time::Time;
use sbd_sdk::{id, text};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use utoipa::ToSchema;

id!(pub(crate) SessionId, "ses", "session");

/// The role everybody has.
pub(crate) const USER: &str = "user";
/// The role that may do everything in its tenant.
pub(crate) const ADMIN: &str = "admin";

/// How long a session lasts without use. The lifetime of the reference's refresh tokens.
pub(crate) const SESSION_IDLE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a session lasts at most, used or not.
pub(crate) const SESSION_ABSOLUTE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Where the host writes whose connection a request came over.
const CLIENT: HeaderName = HeaderName::from_static("spin-client-addr");
/// Characters of a user agent that are kept.
const MAX_USER_AGENT: usize = 200;

/// A user, as stored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) username: String,
    /// The name as names are compared, which is what must be unique.
    pub(crate) username_key: String,
    pub(crate) email: String,
    /// The address as names are compared, which is what must be unique.
    pub(crate) email_key: String,
    /// When its owner showed that they read what is sent there.
    #[serde(default)]
    pub(crate) email_verified_at: Option<Time>,
    /// Empty, of whoever has none and signs in by passkeys.
    pub(crate) password_hash: String,
    /// Hashes of the passwords before, the last one first.
    #[serde(default)]
    pub(crate) former_passwords: Vec<String>,
    pub(crate) roles: Vec<String>,
    /// Whether the user may sign in.
    pub(crate) active: bool,
    /// When the account is deleted, if it is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ends_at: Option<Time>,
    /// Until when nobody is sent a mail for a new password, if its owner said that it was not them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) no_resets_until: Option<Time>,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

/// A session, as stored: one sign-in on one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    #[serde(rename = "_id")]
    pub(crate) id: SessionId,
    pub(crate) user_id: String,
    #[serde(flatten)]
    pub(crate) device: Device,
    /// The digest of the secret in its cookie, where a browser keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cookie: Option<String>,
    /// How its user showed who they are.
    #[serde(default)]
    pub(crate) proofs: Vec<Proof>,
    /// When they last did.
    #[serde(default)]
    pub(crate) confirmed_at: Option<Time>,
    /// The administrator who acts in its user's place, if it is not the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) impersonated_by: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) last_used_at: Time,
    /// Moves with use, up to 30 days after the beginning; not that of an administrator in its user's place.
    pub(crate) expires_at: Time,
}

/// How somebody shows who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Proof {
    /// By the password.
    Password,
    /// By a code of the authenticator app.
    Totp,
    /// By a code that was made beforehand, for who has nothing else at hand.
    BackupCode,
    /// On a device where the second step was taken within a month.
    RememberedDevice,
    /// By a passkey, whose device verified them: two proofs in one.
    Passkey,
    /// By the word of an issuer that they are linked to.
    Provider,
}

/// In what who signs in keeps the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// In an access token and a refresh token, as programs do.
    #[default]
    Tokens,
    /// In a cookie, as browsers do.
    Cookie,
}

/// What somebody signs in with, as far as it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    /// The program, as it calls itself.
    #[serde(default)]
    pub(crate) user_agent: Option<String>,
    /// The address of the network it comes from, as the host sees it.
    #[serde(default)]
    pub(crate) address: Option<String>,
    /// In what it keeps the session.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// By which pass whoever has it may be anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pass: Option<PassId>,
    /// The digest of what it shows to be let in by a pass.
    #[serde(skip)]
    pub(crate) shown_pass: Option<String>,
    /// What it shows to be one that is remembered.
    #[serde(skip)]
    pub(crate) secret: Option<Secret>,
    /// Whether it asks to be remembered.
    #[serde(skip)]
    pub(crate) remember: bool,
    /// What it brings to show that there is a person before it.
    #[serde(skip)]
    pub(crate) captcha: Option<String>,
}

/// A refresh token, as stored: never the token itself, only its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefreshToken {
    #[serde(rename = "_id")]
    pub(crate) digest: String,
    pub(crate) session_id: SessionId,
    pub(crate) user_id: String,
    /// Whether it has bought its successor. It is kept, so that a second use is noticed.
    pub(crate) consumed: bool,
    /// What it has bought; none of one that was traded before this was kept.
    #[serde(default)]
    pub(crate) bought: Option<Bought>,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
}

/// How a refresh token's successor is made of it again, by who has the token; and when it first was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bought {
    /// Random, so that a token alone does not tell those after it.
    pub(crate) salt: String,
    pub(crate) at: Time,
}

// === impl User ===

impl User {
    /// A new user who may sign in.
    pub(crate) fn new(
        username: &str,
        email: &str,
        password_hash: String,
        roles: &[&str],
        now: Time,
    ) -> Self {
        Self {
            id: id::new("usr"),
            username: username.to_owned(),
            username_key: text::key(username),
            email: email.to_owned(),
            email_key: text::key(email),
            email_verified_at: None,
            password_hash,
            former_passwords: Vec::new(),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            active: true,
            ends_at: None,
            no_resets_until: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// What its password is compared with, if it has one.
    pub(crate) fn hash(&self) -> Option<&str> {
        Some(&*self.password_hash).filter(|hash| !hash.is_empty())
    }

    /// Whether the owner has said that mails for a new password are not theirs.
    pub(crate) fn refuses_resets(&self, now: Time) -> bool {
        self.no_resets_until.is_some_and(|until| now < until)
    }

    /// Whether anything may be done by this user, or for them.
    pub(crate) fn may_act(&self) -> bool {
        self.active && self.ends_at.is_none()
    }
}

// === impl Session ===

impl Session {
    /// A session that begins now.
    pub(crate) fn begin(user_id: &str, proofs: &[Proof], device: &Device, now: Time) -> Self {
        Self {
            id: SessionId::new(),
            user_id: user_id.to_owned(),
            device: device.clone(),
            cookie: None,
            proofs: proofs.to_vec(),
            confirmed_at: Some(now),
            impersonated_by: None,
            created_at: now,
            last_used_at: now,
            expires_at: now + SESSION_IDLE,
        }
    }

    /// The session after it was used now.
    pub(crate) fn used(self, now: Time) -> Self {
        let end = self.created_at + SESSION_ABSOLUTE;
        let expires_at = match self.impersonated_by {
            Some(_) => self.expires_at,
            None => end.min(now + SESSION_IDLE),
        };
        Self {
            last_used_at: now,
            expires_at,
            ..self
        }
    }

    /// Whether the session lasts still.
    pub(crate) fn is_alive(&self, now: Time) -> bool {
        now < self.expires_at
    }
}

// === impl Proof ===

impl Proof {
    /// For how many proofs it counts: whoever has a second factor needs two.
    pub(crate) fn counts(self) -> u8 {
        match self {
            Self::Password
            | Self::Totp
            | Self::BackupCode
            | Self::RememberedDevice
            | Self::Provider => 1,
            Self::Passkey => 2,
        }
    }
}

// === impl Device ===

impl Device {
    /// What the headers of a request say of it.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        // As the host tells it: a port may stand behind the address.
        let address = text(&CLIENT).and_then(|text| {
            let address = text.parse().map(|address: SocketAddr| address.ip());
            address.or_else(|_| text.parse::<IpAddr>()).ok()
        });
        Self {
            user_agent: text(&header::USER_AGENT).and_then(readable),
            address: address.map(|address| address.to_string()),
            mode: Mode::Tokens,
            pass: None,
            shown_pass: None,
            secret: cookies::device(headers),
            remember: false,
            captcha: None,
        }
    }

    /// The country that its address is registered for.
    pub(crate) fn country(&self) -> Option<Country> {
        Country::of(self.address.as_ref()?.parse().ok()?)
    }

    /// The network that its address is in, as far as it does not change from day to day: what a provider has of the
    /// address, in halves (IPv4) and quarters (IPv6).
    pub(crate) fn network(&self) -> Option<[u8; 4]> {
        match self.address.as_ref()?.parse().ok()? {
            IpAddr::V4(address) => {
                let [a, b, ..] = address.octets();
                Some([a, b, 0, 0])
            }
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => {
                    let [a, b, ..] = address.octets();
                    Some([a, b, 0, 0])
                }
                None => {
                    let [a, b, c, d, ..] = address.octets();
                    Some([a, b, c, d])
                }
            },
        }
    }

    /// The same, which brings this to show that there is a person before it.
    pub(crate) fn showing(self, captcha: Option<String>) -> Self {
        Self { captcha, ..self }
    }

    /// The same, which keeps the session so.
    pub(crate) fn keeping(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }
}

/// A user agent as text for people: no control characters, not endless.
pub(crate) fn readable(user_agent: &str) -> Option<String> {
    let text: String = user_agent
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_USER_AGENT)
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn use_extends_a_session_up_to_its_absolute_end() {
        let begin = Time::from_seconds(1_000_000);
        let mut session = Session::begin("usr_1", &[], &Device::default(), begin);
        assert!(session.is_alive(begin + 6 * DAY) && !session.is_alive(begin + 7 * DAY));
        for day in 1..30 {
            session = session.used(begin + day * DAY);
            assert!(session.expires_at <= begin + SESSION_ABSOLUTE);
        }
        assert_eq!(session.expires_at, begin + SESSION_ABSOLUTE);
        assert!(!session.is_alive(begin + SESSION_ABSOLUTE));
    }

    #[test]
    fn user_agents_are_trimmed() {
        let session = |agent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
            Device::of(&headers).user_agent
        };
        assert_eq!(session(" curl/8\t ").unwrap(), "curl/8");
        assert_eq!(session(&"x".repeat(1000)).unwrap().len(), MAX_USER_AGENT);
        assert_eq!(session(" \t"), None);
    }

    #[test]
    fn addresses_are_told_by_the_host() {
        for (told, expected) in [
            ("192.0.2.7:4711", Some("192.0.2.7")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("192.0.2.7", Some("192.0.2.7")),
            ("nonsense", None),
        ] {
            let headers = HeaderMap::from_iter([(CLIENT, told.parse().unwrap())]);
            assert_eq!(Device::of(&headers).address.as_deref(), expected);
        }
    }

    #[test]
    fn keys_ignore_case() {
        let user = User::new(
            "Ada",
            "Ada@Example.ORG",
            "h".to_owned(),
            &[USER],
            Time::from_seconds(0),
        );
        assert_eq!(
            (user.username_key.as_str(), user.email_key.as_str()),
            ("ada", "ada@example.org")
        );
        assert_eq!(
            (user.username.as_str(), user.roles),
            ("Ada", vec!["user".to_owned()])
        );
    }
}
