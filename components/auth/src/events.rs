//! What the component tells others, and records of an account, in the commit of the change itself. The subject of each is the user's
//! id, so that whoever listens hears of one user in order. They say who and what by ids alone, and never
//! anything that could be signed in with.
//!
//! | type | data | when |
//! |---|---|---|
//! | `account.registered` | `user_id` | an account is open, by its owner or by the operator |
//! | `account.renamed` | `user_id`, `username` | its owner calls themselves something else |
//! | `account.password_changed` | `user_id` | by who knew the old one, or by mail |
//! | `account.password_removed` | `user_id` | its owner signs in by passkeys alone |
//! | `account.address_verified` | `user_id` | its owner reads what is sent there |
//! | `account.address_changed` | `user_id` | it is another one, whose owner reads what is sent there |
//! | `account.key_wrapped` | `user_id`, `key_id` | the key of the account is the same under another passphrase or recovery key |
//! | `account.sign_in_suspected` | `user_id`, `session_id`, `reason` | a session began in a country that its user was not in yet, `new_country`, or cannot have come to, `too_far` |
//! | `account.resets_denied` | `user_id`, `until` | its owner did not ask for a new password: nobody is sent a mail for one until then |
//! | `session.ended` | `user_id`, `session_id`, `reason` | its tokens are worthless: `signed_out`, `replaced` by one too many, `stolen` (a refresh token was used twice), `password_changed`, `lockdown`, `departure`, or by `administration` |
//! | `account.switched_off`, `.switched_on` | `user_id`, `reason` | an administrator says whether the user may sign in |
//! | `account.leaving` | `user_id`, `ends_at`, `reason` | it is deleted then, unless it is kept; an administrator says why |
//! | `account.stays` | `user_id`, `reason` | it is kept |
//! | `account.deleted` | `user_id` | it is gone: whoever has anything of this user deletes it |
//! | `account.appointed`, `.dismissed` | `user_id`, `reason` | an administrator says whether the user is one |
//! | `account.second_factor_on`, `.second_factor_off` | `user_id`, `method` | the user's sign-in takes a second step, by this, or no more |
//! | `account.backup_codes_made` | `user_id` | there are new ones, and those before are worth nothing |
//! | `account.backup_code_used` | `user_id` | there is one less |
//! | `account.second_factor_reset` | `user_id`, `reason` | an administrator took it away, for who lost it |
//! | `account.impersonated` | `user_id`, `by`, `session_id`, `ends_at`, `reason` | an administrator acts in the user's place until then at most |
//! | `device.remembered`, `.forgotten` | `user_id`, `device_id` | the second step is left out there for a month, or no more; all are forgotten without a word by a new password and with second factors |
//! | `token.made`, `token.ended` | `user_id`, `token_id`, `reason` | a permanent token is there, or was taken back; if not by its user, why |
//! | `token.approved` | `user_id`, `token_id`, `reason` | an administrator lets it act |
//! | `token.changed` | `user_id`, `token_id`, `networks` | it is called something else, or is good in other networks |
//! | `token.rotated` | `user_id`, `token_id` | it has another secret |
//! | `token.strayed` | `user_id`, `token_id`, `address` | somebody had it where it is not good, and was refused; told once a day |
//! | `consent.given` | `user_id`, `client_id`, `scopes` | a user lets a program of somebody else act for them |
//! | `consent.withdrawn` | `user_id`, `client_id` | no more |
//! | `passkey.added`, `.renamed`, `.removed`, `.used` | `user_id`, `passkey_id` | its owner shows who they are by it, calls it something else, or has it no more; each time that they do |
//! | `passkey.suspected` | `user_id`, `passkey_id` | it was used as only a copy of it would be, and refused |
//! | `account.lockdown_changed` | `user_id`, `networks`, `programs` | the user is bound to networks, and to programs, or no more |
//! | `account.lockdown_lifted` | `user_id`, `reason` | an administrator unbound the user |
//! | `account.place_refused` | `user_id` | somebody had all that it takes, and came from elsewhere |
//! | `account.place_allowed` | `user_id`, `always` | whoever reads the account's mail let that in, once or always |
//! | `pass.made`, `pass.ended` | `user_id`, `pass_id` | the user signs in from anywhere by it, or it was taken back |
//! | `account.provider_linked`, `.provider_unlinked` | `user_id`, `provider`, `link_id` | the user signs in by an issuer, or no more |
//!
//! A session or a token that runs out by itself ends without a word.

use crate::lockdown::passes::PassId;
use crate::model::{Proof, SessionId};
use crate::oauth::clients::ClientId;
use crate::passkeys::PasskeyId;
use crate::permanent::TokenId;
use crate::remembered::DeviceId;
use sbd_sdk::Scopes;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use serde::Serialize;

/// Something that happened to an account.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Happened<'a> {
    Registered {
        user_id: &'a str,
    },
    PasswordChanged {
        user_id: &'a str,
    },
    PasswordRemoved {
        user_id: &'a str,
    },
    Renamed {
        user_id: &'a str,
        username: &'a str,
    },
    AddressVerified {
        user_id: &'a str,
    },
    AddressChanged {
        user_id: &'a str,
    },
    KeyWrapped {
        user_id: &'a str,
        key_id: &'a str,
    },
    SwitchedOff {
        user_id: &'a str,
        reason: &'a str,
    },
    SwitchedOn {
        user_id: &'a str,
        reason: &'a str,
    },
    Leaving {
        user_id: &'a str,
        ends_at: Time,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    Stays {
        user_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    Deleted {
        user_id: &'a str,
    },
    Appointed {
        user_id: &'a str,
        reason: &'a str,
    },
    Dismissed {
        user_id: &'a str,
        reason: &'a str,
    },
    SecondFactorOn {
        user_id: &'a str,
        method: Proof,
    },
    SecondFactorOff {
        user_id: &'a str,
        method: Proof,
    },
    BackupCodesMade {
        user_id: &'a str,
    },
    BackupCodeUsed {
        user_id: &'a str,
    },
    SecondFactorReset {
        user_id: &'a str,
        reason: &'a str,
    },
    Impersonated {
        user_id: &'a str,
        by: &'a str,
        session_id: &'a SessionId,
        ends_at: Time,
        reason: &'a str,
    },
    DeviceRemembered {
        user_id: &'a str,
        device_id: &'a DeviceId,
    },
    DeviceForgotten {
        user_id: &'a str,
        device_id: &'a DeviceId,
    },
    TokenMade {
        user_id: &'a str,
        token_id: &'a TokenId,
    },
    TokenEnded {
        user_id: &'a str,
        token_id: &'a TokenId,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    TokenApproved {
        user_id: &'a str,
        token_id: &'a TokenId,
        reason: &'a str,
    },
    TokenChanged {
        user_id: &'a str,
        token_id: &'a TokenId,
        networks: bool,
    },
    TokenRotated {
        user_id: &'a str,
        token_id: &'a TokenId,
    },
    TokenStrayed {
        user_id: &'a str,
        token_id: &'a TokenId,
        address: &'a str,
    },
    ProviderLinked {
        user_id: &'a str,
        provider: &'a str,
        link_id: &'a str,
    },
    ProviderUnlinked {
        user_id: &'a str,
        provider: &'a str,
        link_id: &'a str,
    },
    ConsentGiven {
        user_id: &'a str,
        client_id: &'a ClientId,
        scopes: &'a Scopes,
    },
    ConsentWithdrawn {
        user_id: &'a str,
        client_id: &'a ClientId,
    },
    SignInSuspected {
        user_id: &'a str,
        session_id: &'a SessionId,
        reason: Anomaly,
    },
    ResetDenied {
        user_id: &'a str,
        until: Time,
    },
    PasskeyAdded {
        user_id: &'a str,
        passkey_id: &'a PasskeyId,
    },
    PasskeyRenamed {
        user_id: &'a str,
        passkey_id: &'a PasskeyId,
    },
    PasskeyRemoved {
        user_id: &'a str,
        passkey_id: &'a PasskeyId,
    },
    PasskeyUsed {
        user_id: &'a str,
        passkey_id: &'a PasskeyId,
    },
    PasskeySuspected {
        user_id: &'a str,
        passkey_id: &'a PasskeyId,
    },
    LockdownChanged {
        user_id: &'a str,
        networks: bool,
        programs: bool,
    },
    LockdownLifted {
        user_id: &'a str,
        reason: &'a str,
    },
    PlaceRefused {
        user_id: &'a str,
    },
    PlaceAllowed {
        user_id: &'a str,
        always: bool,
    },
    PassMade {
        user_id: &'a str,
        pass_id: &'a PassId,
    },
    PassEnded {
        user_id: &'a str,
        pass_id: &'a PassId,
    },
    SessionEnded {
        user_id: &'a str,
        session_id: &'a SessionId,
        reason: EndReason,
    },
}

/// What is unlike the user in where a session begins.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Anomaly {
    NewCountry,
    TooFar,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndReason {
    SignedOut,
    Replaced,
    Stolen,
    PasswordChanged,
    Lockdown,
    Departure,
    Administration,
}

// === impl Happened ===

impl Happened<'_> {
    /// Has a change tell of it, and record it, but for the end of a session, and for a place that was refused, which is
    /// recorded with more than others are told.
    pub(crate) fn told_by(&self, change: Transaction) -> Transaction {
        let (kind, user_id) = match self {
            Self::Registered { user_id } => ("account.registered", user_id),
            Self::PasswordChanged { user_id } => ("account.password_changed", user_id),
            Self::PasswordRemoved { user_id } => ("account.password_removed", user_id),
            Self::Renamed { user_id, .. } => ("account.renamed", user_id),
            Self::AddressVerified { user_id } => ("account.address_verified", user_id),
            Self::AddressChanged { user_id } => ("account.address_changed", user_id),
            Self::KeyWrapped { user_id, .. } => ("account.key_wrapped", user_id),
            Self::SwitchedOff { user_id, .. } => ("account.switched_off", user_id),
            Self::SwitchedOn { user_id, .. } => ("account.switched_on", user_id),
            Self::Leaving { user_id, .. } => ("account.leaving", user_id),
            Self::Stays { user_id, .. } => ("account.stays", user_id),
            Self::Deleted { user_id } => ("account.deleted", user_id),
            Self::Appointed { user_id, .. } => ("account.appointed", user_id),
            Self::Dismissed { user_id, .. } => ("account.dismissed", user_id),
            Self::SecondFactorOn { user_id, .. } => ("account.second_factor_on", user_id),
            Self::SecondFactorOff { user_id, .. } => ("account.second_factor_off", user_id),
            Self::BackupCodesMade { user_id } => ("account.backup_codes_made", user_id),
            Self::BackupCodeUsed { user_id } => ("account.backup_code_used", user_id),
            Self::SecondFactorReset { user_id, .. } => ("account.second_factor_reset", user_id),
            Self::Impersonated { user_id, .. } => ("account.impersonated", user_id),
            Self::DeviceRemembered { user_id, .. } => ("device.remembered", user_id),
            Self::DeviceForgotten { user_id, .. } => ("device.forgotten", user_id),
            Self::TokenMade { user_id, .. } => ("token.made", user_id),
            Self::TokenEnded { user_id, .. } => ("token.ended", user_id),
            Self::TokenApproved { user_id, .. } => ("token.approved", user_id),
            Self::TokenChanged { user_id, .. } => ("token.changed", user_id),
            Self::TokenRotated { user_id, .. } => ("token.rotated", user_id),
            Self::TokenStrayed { user_id, .. } => ("token.strayed", user_id),
            Self::ProviderLinked { user_id, .. } => ("account.provider_linked", user_id),
            Self::ProviderUnlinked { user_id, .. } => ("account.provider_unlinked", user_id),
            Self::ConsentGiven { user_id, .. } => ("consent.given", user_id),
            Self::ConsentWithdrawn { user_id, .. } => ("consent.withdrawn", user_id),
            Self::SignInSuspected { user_id, .. } => ("account.sign_in_suspected", user_id),
            Self::ResetDenied { user_id, .. } => ("account.resets_denied", user_id),
            Self::PasskeyAdded { user_id, .. } => ("passkey.added", user_id),
            Self::PasskeyRenamed { user_id, .. } => ("passkey.renamed", user_id),
            Self::PasskeyRemoved { user_id, .. } => ("passkey.removed", user_id),
            Self::PasskeyUsed { user_id, .. } => ("passkey.used", user_id),
            Self::PasskeySuspected { user_id, .. } => ("passkey.suspected", user_id),
            Self::LockdownChanged { user_id, .. } => ("account.lockdown_changed", user_id),
            Self::LockdownLifted { user_id, .. } => ("account.lockdown_lifted", user_id),
            Self::PlaceRefused { user_id } => ("account.place_refused", user_id),
            Self::PlaceAllowed { user_id, .. } => ("account.place_allowed", user_id),
            Self::PassMade { user_id, .. } => ("pass.made", user_id),
            Self::PassEnded { user_id, .. } => ("pass.ended", user_id),
            Self::SessionEnded { user_id, .. } => ("session.ended", user_id),
        };
        let change = match self {
            // There may be many at once, and a commit has room for a hundred steps.
            Self::SessionEnded { .. } | Self::PlaceRefused { .. } => change,
            _ => change.audit(user_id, kind, self),
        };
        change.publish(kind, Some(user_id), self)
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{PASSWORD, app, bearer, login, register, renew, signed_in};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn what_happens_to_an_account_is_told_without_its_secrets() {
        let app = app();
        let user = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        register(&app, "ada").assert_refused(409, "CONFLICT");
        let tokens: Vec<_> = (0..3).map(|_| login(&app, "ada", PASSWORD)).collect();
        let session = |at: usize| {
            let session = bearer(&app, tokens[at].text("access_token"));
            session["session"].as_str().unwrap_or_default().to_owned()
        };
        let (out, ended, stolen) = (session(0), session(1), session(2));
        let ada = signed_in(&app, &tokens[0]);
        let address = format!("/api/v1/auth/sessions/{ended}");
        ada.delete(&address).assert_status(204);
        ada.delete(&address).assert_refused(404, "NOT_FOUND");
        ada.post("/api/v1/auth/logout", json!({}))
            .assert_status(204);
        renew(&app, &tokens[2]).assert_status(200);
        app.advance(Duration::from_secs(60));
        renew(&app, &tokens[2]).assert_refused(401, "TOKEN_INVALID");
        renew(&app, &tokens[2]).assert_refused(401, "TOKEN_INVALID");
        let told = app.published();
        assert!(
            told.iter()
                .all(|event| event.subject.as_deref() == Some(&*user))
        );
        let told: Vec<_> = told
            .into_iter()
            .map(|event| (event.kind, event.data))
            .collect();
        let over = |session: &str, reason: &str| {
            let data = json!({"user_id": user, "session_id": session, "reason": reason});
            ("session.ended".to_owned(), data)
        };
        let registered = ("account.registered".to_owned(), json!({"user_id": user}));
        assert_eq!(
            told,
            [
                registered,
                over(&ended, "signed_out"),
                over(&out, "signed_out"),
                over(&stolen, "stolen"),
            ]
        );
    }
}
