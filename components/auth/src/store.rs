//! The component's collections; the manifest declares their indexes.

use crate::captcha::Captcha;
use crate::encryption::AccountKey;
use crate::events::Happened;
use crate::impersonation::Policy as ImpersonationPolicy;
use crate::invitations::Invitation;
use crate::lockdown::Lockdown;
use crate::lockdown::attempts::Attempt as PlaceAttempt;
use crate::lockdown::change::Waiting;
use crate::lockdown::passes::Pass;
use crate::mailed::{self, Mailed};
use crate::model::{RefreshToken, Session, User};
use crate::network_policy::NetworkPolicy;
use crate::oauth::authorization::Request;
use crate::oauth::clients::Client;
use crate::oauth::codes::Code;
use crate::oauth::consents::Consent;
use crate::oauth::device::Device;
use crate::oauth::grants::Grant;
use crate::oauth::policy::Policy as OauthPolicy;
use crate::oauth::refresh::RefreshToken as OauthRefreshToken;
use crate::passkeys::{Challenge, Passkey};
use crate::permanent::PermanentToken;
use crate::permanent::policy::Policy as TokenPolicy;
use crate::policy::Policy;
use crate::providers::attempts::Attempt;
use crate::providers::configuration::Provider;
use crate::providers::links::Link;
use crate::remembered::Remembered;
use crate::second_factor::{SecondFactors, SecondStep};
use crate::totp::Setup;
use sbd_sdk::documents::{Collection, DocumentsError, Transaction};
use sbd_sdk::{Error, Result, time};
use serde_json::json;

/// Users; `username_key` and `email_key` are unique.
pub(crate) const USERS: Collection<User> = Collection::new("users");
/// Keys of accounts, as their owners wrapped them, by the user's id.
pub(crate) const ACCOUNT_KEYS: Collection<AccountKey> = Collection::new("account_keys");
/// Sessions; gone when `expires_at` is past.
pub(crate) const SESSIONS: Collection<Session> = Collection::new("sessions");
/// Refresh tokens by digest; gone when `expires_at` is past.
pub(crate) const REFRESH_TOKENS: Collection<RefreshToken> = Collection::new("refresh_tokens");
/// Permanent tokens; gone when `expires_at` is past.
pub(crate) const PERMANENT_TOKENS: Collection<PermanentToken> = Collection::new("permanent_tokens");
/// What a user has for a second step, by the user's id.
pub(crate) const SECOND_FACTORS: Collection<SecondFactors> = Collection::new("second_factors");
/// Sign-ins that take a second step, by digest; gone when `expires_at` is past.
pub(crate) const SECOND_STEPS: Collection<SecondStep> = Collection::new("second_steps");
/// Authenticator apps that are being set up, by the user's id; gone when `expires_at` is past.
pub(crate) const TOTP_SETUPS: Collection<Setup> = Collection::new("totp_setups");
/// Devices on which the second step is remembered; gone when `expires_at` is past.
pub(crate) const REMEMBERED: Collection<Remembered> = Collection::new("remembered_devices");
/// Passkeys; `credential_id` and `seat` are unique.
pub(crate) const PASSKEYS: Collection<Passkey> = Collection::new("passkeys");
/// What passkeys have to answer, by digest; gone when `expires_at` is past.
pub(crate) const CHALLENGES: Collection<Challenge> = Collection::new("passkey_challenges");
/// What users are bound to, by the user's id.
pub(crate) const LOCKDOWNS: Collection<Lockdown> = Collection::new("lockdowns");
/// What they are to be bound to, by the user's id; gone when `expires_at` is past.
pub(crate) const LOCKDOWN_CHANGES: Collection<Waiting> = Collection::new("lockdown_changes");
/// What leads around it; gone when `expires_at` is past.
pub(crate) const LOCKDOWN_PASSES: Collection<Pass> = Collection::new("lockdown_passes");
/// Who came from elsewhere; gone when `expires_at` is past.
pub(crate) const LOCKDOWN_ATTEMPTS: Collection<PlaceAttempt> = Collection::new("lockdown_attempts");
/// What is decided about accounts.
pub(crate) const POLICIES: Collection<Policy> = Collection::new("policies");
/// Invitations to open an account; gone when `expires_at` is past.
pub(crate) const INVITATIONS: Collection<Invitation> = Collection::new("invitations");
/// Secrets that were mailed, by digest; gone when `expires_at` is past.
pub(crate) const MAILED: Collection<Mailed> = Collection::new("mailed");
/// What is decided about acting in users' places: beside the other policy.
pub(crate) const IMPERSONATION_POLICIES: Collection<ImpersonationPolicy> =
    Collection::new("policies");
/// From which networks accounts are used: beside the other policy.
pub(crate) const NETWORK_POLICIES: Collection<NetworkPolicy> = Collection::new("policies");
/// What is decided about programs of others: beside the other policy.
pub(crate) const OAUTH_POLICIES: Collection<OauthPolicy> = Collection::new("policies");
/// What is decided about permanent tokens: beside the others.
pub(crate) const TOKEN_POLICIES: Collection<TokenPolicy> = Collection::new("policies");
/// What shows that somebody is a person: beside the other policies.
pub(crate) const CAPTCHAS: Collection<Captcha> = Collection::new("policies");
/// Programs of others; gone when `expires_at` is past.
pub(crate) const OAUTH_CLIENTS: Collection<Client> = Collection::new("oauth_clients");
/// What users are asked for, as long as they have not decided; gone when `expires_at` is past.
pub(crate) const OAUTH_REQUESTS: Collection<Request> = Collection::new("oauth_requests");
/// Authorization codes by digest; gone when `expires_at` is past.
pub(crate) const OAUTH_CODES: Collection<Code> = Collection::new("oauth_codes");
/// Devices that wait, by the digest of their code; gone when `expires_at` is past.
pub(crate) const OAUTH_DEVICES: Collection<Device> = Collection::new("oauth_devices");
/// What users have consented to.
pub(crate) const OAUTH_CONSENTS: Collection<Consent> = Collection::new("oauth_consents");
/// What clients have of users; gone when `expires_at` is past.
pub(crate) const OAUTH_GRANTS: Collection<Grant> = Collection::new("oauth_grants");
/// Refresh tokens of clients by digest; gone when `expires_at` is past.
pub(crate) const OAUTH_REFRESH_TOKENS: Collection<OauthRefreshToken> =
    Collection::new("oauth_refresh_tokens");
/// Issuers that users sign in by.
pub(crate) const PROVIDERS: Collection<Provider> = Collection::new("providers");
/// Who users are to them.
pub(crate) const PROVIDER_LINKS: Collection<Link> = Collection::new("provider_links");
/// Browsers on their way to them and back, by digest; gone when `expires_at` is past.
pub(crate) const PROVIDER_ATTEMPTS: Collection<Attempt> = Collection::new("provider_attempts");

/// Stores a new user.
///
/// # Errors
/// `CONFLICT` with the field that another user has already; `TOKEN_INVALID` where the invitation that it takes was
/// used meanwhile.
pub(crate) async fn insert_user(user: &User, invitation: Option<&Invitation>) -> Result<()> {
    open_user(Transaction::new(), user, invitation).await
}

/// The same with a change that belongs to it.
pub(crate) async fn open_user(
    change: Transaction,
    user: &User,
    invitation: Option<&Invitation>,
) -> Result<()> {
    let opened = change.insert(&USERS, user);
    let opened = match invitation {
        Some(invitation) => invitation.used(opened),
        None => opened,
    };
    let registered = Happened::Registered { user_id: &user.id };
    match registered.told_by(opened).commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::Duplicate(index)) => Err(taken(&index)),
        Err(DocumentsError::PreconditionFailed(_)) => Err(mailed::unknown()),
        Err(error) => Err(error.into()),
    }
}

/// What is said to who wants a name, an address or a passkey that somebody has.
pub(crate) fn taken(index: &str) -> Error {
    if index.contains("email") {
        let message =
            "there is an account with this e-mail address; sign in, or use another address";
        return Error::conflict(message).with_detail("email", "is taken");
    }
    if index.contains("credential") {
        return Error::conflict("this passkey belongs to an account already; use another one");
    }
    Error::conflict("this username is taken; choose another one")
        .with_detail("username", "is taken")
}

/// The user with this username or address, in the form in which they are compared. Only an address has an
/// `@`, so one text never means two users.
pub(crate) async fn user_by_identifier(key: &str) -> Result<Option<User>> {
    let filter = match key.contains('@') {
        true => json!({"email_key": key}),
        false => json!({"username_key": key}),
    };
    Ok(USERS.find_one(filter).await?)
}

/// Stores a fresh hash of the same password, unless the password was changed meanwhile.
pub(crate) async fn replace_password_hash(user: &User, hash: &str) -> Result<()> {
    let unchanged = json!({"_id": user.id, "password_hash": user.password_hash});
    USERS
        .update_one(unchanged, json!({"$set": {"password_hash": hash}}))
        .await?;
    Ok(())
}

/// Gives the user with this address a role; none if there is no such user.
pub(crate) async fn add_role(email_key: &str, role: &str) -> Result<Option<User>> {
    let update = json!({"$addToSet": {"roles": role}, "$set": {"updated_at": time::now()}});
    Ok(USERS
        .find_one_and_update(json!({"email_key": email_key}), update)
        .await?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_taken_name_or_address_is_named() {
        for (index, field) in [
            ("users.by_email", "email"),
            ("users.by_username", "username"),
        ] {
            let error = taken(index);
            assert_eq!(
                (
                    error.code(),
                    error.details().first().unwrap().field.as_str()
                ),
                ("CONFLICT", field)
            );
        }
    }
}
