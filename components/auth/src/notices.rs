//! What users are told about their accounts: requests to the notifications component, which knows how.

use crate::events::{Anomaly, Happened};
use crate::model::Session;
use crate::place::Place;
use crate::store::SESSIONS;
use sbd_sdk::Result;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use serde_json::json;

/// Kilometres an hour that nobody travels: airliners make 900.
const TOO_FAST: u64 = 1_000;
/// Kilometres that say nothing: addresses are not where they are registered for to the kilometre.
const NEAR: u32 = 500;

/// What comes of a token that was made, or got another secret.
const ACTS: &str = "Whoever has it may act for you.";
/// The same, where administrators approve tokens.
const WAITS: &str = "It does nothing until an administrator approves it.";

/// What nobody is signed in from yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum New {
    Device,
    Network,
    Country,
    /// A country that is too far from another one for whoever signed in there just before.
    Distance,
}

/// What is new where a session begins, if its user is signed in elsewhere and not there.
pub(crate) async fn elsewhere(session: &Session) -> Result<Option<New>> {
    let others = SESSIONS.find(json!({"user_id": session.user_id}));
    let mut all = others.fetch().await?.documents;
    // Where an administrator is in their place, they are not.
    all.retain(|other| other.impersonated_by.is_none());
    let others = || all.iter().map(|other| &other.device);
    let (device, network) = (&session.device, session.device.network());
    let has_device = others().any(|other| other.user_agent == device.user_agent);
    // Where the host does not say it of one of them, it says nothing of another.
    let has_network = network.is_none()
        || others().any(|other| other.network().is_none_or(|other| Some(other) == network));
    let country = device.country();
    let has_country = country.is_none()
        || others().any(|other| other.country().is_none_or(|other| Some(other) == country));
    let is_too_far = all.iter().any(|other| is_too_far(other, session));
    Ok(match others().next() {
        None => None,
        Some(_) if !has_country && is_too_far => Some(New::Distance),
        Some(_) if !has_country => Some(New::Country),
        Some(_) if !has_device => Some(New::Device),
        Some(_) if !has_network => Some(New::Network),
        Some(_) => None,
    })
}

/// Whether nobody gets from where one session began to where another one does in the time between.
fn is_too_far(before: &Session, session: &Session) -> bool {
    let countries = before.device.country().zip(session.device.country());
    let kilometres = countries.map_or(0, |(from, to)| from.distance(to));
    let seconds = session.created_at.since(before.created_at).as_secs();
    kilometres > NEAR && u64::from(kilometres) * 60 * 60 > TOO_FAST * seconds
}

/// Tells a user that a session begins elsewhere.
pub(crate) fn begins_elsewhere(change: Transaction, session: &Session, new: New) -> Transaction {
    let agent = session
        .device
        .user_agent
        .as_deref()
        .unwrap_or("(it did not say)");
    let address = session.device.address.as_deref();
    let address = address.unwrap_or("(not known)");
    let country = session.device.country();
    let country = country.map_or_else(String::new, |country| {
        format!(" (registered for {})", country.code())
    });
    let notice = json!({
        "user": session.user_id,
        "kind": "account.signed_in",
        "title": match new {
            New::Device => "Your account was signed in to from a new device",
            New::Network => "Your account was signed in to from a new network",
            New::Country => "Your account was signed in to from a new country",
            New::Distance => "Your account was signed in to from where you can hardly be",
        },
        "body": format!(
            "The program calls itself: {agent}\nIts address: {address}{country}\n\nIf it was not you, end that session, and all others if in doubt."
        ),
        "data": {"session_id": session.id},
        "mail": true,
    });
    let (user_id, session_id) = (&session.user_id, &session.id);
    let suspected = |reason| Happened::SignInSuspected {
        user_id,
        session_id,
        reason,
    };
    let change = match new {
        New::Device | New::Network => change,
        New::Country => suspected(Anomaly::NewCountry).told_by(change),
        New::Distance => suspected(Anomaly::TooFar).told_by(change),
    };
    change.publish("notification.requested", Some(&session.user_id), &notice)
}

/// Tells a user that the password is another one.
pub(crate) fn password_changed(change: Transaction, user_id: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.password_changed",
        "title": "Your password was changed",
        "body": "All other sessions have ended. If it was not you, have a new password sent to your address at once.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that the key of the account is wrapped by something else.
pub(crate) fn key_wrapped(change: Transaction, user_id: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.key_wrapped",
        "title": "Your encryption has another passphrase or recovery key",
        "body": "What you encrypted is read with the new one alone. If it was not you, change your password at once, and end all sessions.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that there is no password any more.
pub(crate) fn password_removed(change: Transaction, user_id: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.password_removed",
        "title": "Your account has no password any more",
        "body": "You sign in by your passkeys. If it was not you, have a new password sent to your address at once, remove passkeys that you do not know, and end all sessions.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that there are no mails for a new password for a while.
pub(crate) fn reset_denied(change: Transaction, user_id: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.resets_denied",
        "title": "Nobody is sent a mail for a new password of yours for a day",
        "body": "You said that it was not you who asked for one. Your password is as it was; who is signed in changes it as before.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that the sign-in takes a second step now.
pub(crate) fn second_factor_on(change: Transaction, user_id: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.second_factor_on",
        "title": "Your account has a second factor now",
        "body": "Whoever signs in with your password needs a code as well. If it was not you, have an administrator reset it, and change your password.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that the sign-in takes no second step any more.
pub(crate) fn second_factor_off(change: Transaction, user_id: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.second_factor_off",
        "title": "A second factor of your account was turned off",
        "body": "If it was not you, change your password at once, end all sessions, and turn it on again.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that an administrator took the second factor away.
pub(crate) fn second_factor_reset(change: Transaction, user_id: &str, reason: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.second_factor_reset",
        "title": "An administrator reset your second factor",
        "body": format!(
            "The reason given: {reason}\n\nYou are signed out everywhere, and sign in with your password alone. If you did not ask for it, tell them, and change your password."
        ),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that an administrator acts in their place.
pub(crate) fn impersonated(
    change: Transaction,
    session: &Session,
    administrator: &str,
    reason: &str,
) -> Transaction {
    let ends_at = session.expires_at;
    let notice = json!({
        "user": session.user_id,
        "kind": "account.impersonated",
        "title": format!("An administrator is signed in as you: {administrator}"),
        "body": format!(
            "The reason given: {reason}\n\nThey see and do what you can, but for your sign-in and what else secures your account, until {ends_at} at most. All of it is recorded as theirs. You see it among your sessions, where you can end it."
        ),
        "data": {"session_id": session.id},
        "mail": true,
    });
    change.publish("notification.requested", Some(&session.user_id), &notice)
}

/// Tells a user that there are other backup codes.
pub(crate) fn backup_codes_made(change: Transaction, user_id: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.backup_codes_made",
        "title": "You have new backup codes",
        "body": "Those before are worth nothing. If it was not you, change your password at once, and end all sessions.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that a backup code was used.
pub(crate) fn backup_code_used(change: Transaction, user_id: &str, left: usize) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.backup_code_used",
        "title": format!("A backup code was used; {left} are left"),
        "body": "Make new ones before there are none. If it was not you, change your password at once, and end all sessions.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that the account is called something else.
pub(crate) fn renamed(change: Transaction, user_id: &str, name: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.renamed",
        "title": format!("Your account is called {name} now"),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that the account is deleted.
pub(crate) fn leaving(change: Transaction, user_id: &str, ends_at: Time) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.leaving",
        "title": "Your account is going to be deleted",
        "body": format!(
            "It is out of use from now on, and gone for good on {ends_at}. Until then you can keep it with your name and password."
        ),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that a program may act for them, or may once that is approved.
pub(crate) fn token_made(
    change: Transaction,
    user_id: &str,
    name: &str,
    waiting: bool,
) -> Transaction {
    let effect = match waiting {
        true => WAITS,
        false => ACTS,
    };
    let title = format!("A permanent token was made: {name}");
    token_is_otherwise(change, user_id, ("account.token_made", &title), effect)
}

/// Tells a user what somebody did to a token of theirs, with what effect, and what to do if it was not them.
fn token_is_otherwise(
    change: Transaction,
    user_id: &str,
    (kind, title): (&str, &str),
    effect: &str,
) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": kind,
        "title": title,
        "body": format!(
            "{effect} If it was not you, take it back, change your password, and end all sessions."
        ),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells administrators that a token waits for one of them.
pub(crate) fn token_waits(change: Transaction, administrators: &[String]) -> Transaction {
    administrators.iter().fold(change, |change, user_id| {
        let notice = json!({
            "user": user_id,
            "kind": "account.token_waits",
            "title": "A permanent token waits for approval",
            "body": "It does nothing until an administrator approves it. You are not told of others as long as one waits: look at all that do.",
            "mail": true,
        });
        change.publish("notification.requested", Some(user_id), &notice)
    })
}

/// Tells a user that a token of theirs was approved.
pub(crate) fn token_approved(
    change: Transaction,
    user_id: &str,
    name: &str,
    reason: &str,
) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.token_approved",
        "title": format!("A permanent token was approved: {name}"),
        "body": format!("Whoever has it may act for you from now on. The reason given: {reason}"),
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that a token of theirs has ended, which was not their own doing.
pub(crate) fn token_ended(
    change: Transaction,
    user_id: &str,
    name: &str,
    reason: &str,
) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.token_ended",
        "title": format!("A permanent token has ended: {name}"),
        "body": format!("The reason given: {reason}\n\nA program that had it does nothing for you any more. Make another one if it is to."),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that a token has another secret.
pub(crate) fn token_rotated(change: Transaction, user_id: &str, name: &str) -> Transaction {
    let title = format!("A permanent token got another secret: {name}");
    token_is_otherwise(change, user_id, ("account.token_rotated", &title), ACTS)
}

/// Tells a user that a token is good in other networks, or will be once that is approved.
pub(crate) fn token_moved(
    change: Transaction,
    user_id: &str,
    name: &str,
    waiting: bool,
) -> Transaction {
    let effect = match waiting {
        true => WAITS,
        false => "Whoever has it may act for you there.",
    };
    let title = format!("A permanent token was bound to other networks: {name}");
    token_is_otherwise(change, user_id, ("account.token_moved", &title), effect)
}

/// Tells a user that somebody has a token of theirs where it is not good.
pub(crate) fn token_strayed(
    change: Transaction,
    user_id: &str,
    name: &str,
    address: &str,
) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.token_strayed",
        "title": format!("A permanent token was presented from elsewhere: {name}"),
        "body": format!(
            "The address: {address}\n\nIt is not good there, and was refused. If it was not you, somebody has it: take it back, and make another one."
        ),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that a token ends unless it is used.
pub(crate) fn token_unused(
    change: Transaction,
    user_id: &str,
    name: &str,
    ends_at: Time,
) -> Transaction {
    let day = ends_at.to_string();
    let day = day.get(..10).unwrap_or_default();
    let notice = json!({
        "user": user_id,
        "kind": "account.token_unused",
        "title": format!("A permanent token ends in a week: {name}"),
        "body": format!(
            "It has not been used for a long time. Unless it is used before, it ends by {day}."
        ),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that a program of somebody else may act for them.
pub(crate) fn consented(change: Transaction, user_id: &str, client: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.consent_given",
        "title": format!("You let a program act for you: {client}"),
        "body": "It may do what you granted it, until you take that back. If it was not you, take it back, change your password, and end all sessions.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that there is another way in.
pub(crate) fn passkey_added(change: Transaction, user_id: &str, name: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.passkey_added",
        "title": format!("A passkey was added to your account: {name}"),
        "body": "Whoever has it signs in by it. If it was not you, remove it, change your password, and end all sessions.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that a way in is gone.
pub(crate) fn passkey_removed(change: Transaction, user_id: &str, name: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.passkey_removed",
        "title": format!("A passkey was removed from your account: {name}"),
        "body": "Nobody signs in by it any more. If it was not you, change your password, and end all sessions.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that there may be a copy of a passkey.
pub(crate) fn passkey_suspected(change: Transaction, user_id: &str, name: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.passkey_suspected",
        "title": format!("There may be a copy of your passkey: {name}"),
        "body": "It was used, and had counted fewer uses than before. That was refused. If you cannot explain it, remove this passkey.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that they may sign in by an issuer.
pub(crate) fn provider_linked(change: Transaction, user_id: &str, label: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.provider_linked",
        "title": format!("Your account can be signed in to by {label}"),
        "body": "If it was not you, remove that, change your password, and end all sessions.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that they are bound to other places, or to none any more.
pub(crate) fn lockdown_changed(change: Transaction, user_id: &str, is_off: bool) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.lockdown_changed",
        "title": match is_off {
            true => "Your account may be used from anywhere again",
            false => "Where your account may be used from was changed",
        },
        "body": "If it was not you, change your password at once, end all sessions, and set it right.",
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that an administrator lets them act from anywhere.
pub(crate) fn lockdown_lifted(change: Transaction, user_id: &str, reason: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.lockdown_lifted",
        "title": "An administrator lets your account be used from anywhere",
        "body": format!(
            "The reason given: {reason}\n\nIf you did not ask for it, tell them, and turn it on again."
        ),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that a place was let in for a while, by who reads their mail.
pub(crate) fn place_allowed(change: Transaction, user_id: &str, place: &Place) -> Transaction {
    let agent = place.user_agent.as_deref().unwrap_or("(it did not say)");
    let address = place.address.map(|address| address.to_string());
    let address = address.as_deref().unwrap_or("(not known)");
    let notice = json!({
        "user": user_id,
        "kind": "account.place_allowed",
        "title": "A place was let in to your account for 15 minutes",
        "body": format!(
            "The program calls itself: {agent}\nIts address: {address}\n\nIf it was not you, somebody else reads your mail: change its password and the one here."
        ),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that they may sign in from anywhere for a time.
pub(crate) fn pass_made(change: Transaction, user_id: &str, until: Time) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.pass_made",
        "title": "A pass was made, to sign in from anywhere",
        "body": format!(
            "It is good until {until}. If it was not you, take it back, change your password, and end all sessions."
        ),
        "mail": true,
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

/// Tells a user that the address is another one; the one before was told when it was asked for.
pub(crate) fn address_changed(change: Transaction, user_id: &str, address: &str) -> Transaction {
    let notice = json!({
        "user": user_id,
        "kind": "account.address_changed",
        "title": format!("Your account is reached at {address} now"),
    });
    change.publish("notification.requested", Some(user_id), &notice)
}

#[cfg(test)]
mod tests {
    use crate::tests::{PASSWORD, app, register};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn a_user_is_told_of_a_sign_in_from_a_new_device_alone() {
        let app = app();
        let ada = register(&app, "ada").assert_status(201);
        let sign_in = |agent: &str, password: &str| {
            let request = json!({"identifier": "ada", "password": password});
            let device = app.anonymous().with_header("user-agent", agent);
            device.post("/api/v1/auth/login", request)
        };
        let told = || {
            let notices = app.published().into_iter();
            let notices = notices.filter(|event| event.kind == "notification.requested");
            notices.collect::<Vec<_>>()
        };
        for (agent, password, status, notices) in [
            ("phone", PASSWORD, 200, 0),
            ("phone", PASSWORD, 200, 0),
            ("laptop", "Wrong-horse-7", 401, 0),
            ("laptop", PASSWORD, 200, 1),
            ("laptop", PASSWORD, 200, 1),
            ("phone", PASSWORD, 200, 1),
        ] {
            sign_in(agent, password).assert_status(status);
            assert_eq!(told().len(), notices, "{agent}");
        }
        let notice = &told()[0];
        assert_eq!(notice.data["user"], ada["id"]);
        assert_eq!(notice.subject.as_deref(), ada["id"].as_str());
        let body = notice.data["body"].as_str().unwrap_or_default();
        assert!(body.contains("itself: laptop"), "{body}");
    }

    #[test]
    fn a_user_is_told_of_a_new_country_and_of_one_that_is_too_far_away() {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        let app = app();
        register(&app, "ada").assert_status(201);
        let title = |address: &str| {
            let request = json!({"identifier": "ada", "password": PASSWORD});
            let device = app.anonymous().with_header("spin-client-addr", address);
            device
                .post("/api/v1/auth/login", request)
                .assert_status(200);
            let notices = app.published().into_iter();
            let mut notices = notices.filter(|event| event.kind == "notification.requested");
            notices
                .next_back()
                .map(|event| event.data.clone())
                .unwrap_or_default()
        };
        let (nl, us, jp, br) = (
            "193.0.6.139:1",
            "8.8.8.8:1",
            "133.11.0.1:1",
            "200.160.2.3:1",
        );
        assert_eq!(title(nl), json!(null));
        // The Caribbean is a part of the Netherlands, and of that the United States are not far.
        app.advance(4 * HOUR);
        let from_us = title(us);
        assert_eq!(
            from_us["title"],
            "Your account was signed in to from a new country"
        );
        let body = from_us["body"].as_str().unwrap_or_default();
        assert!(body.contains("8.8.8.8 (registered for US)"), "{body}");
        app.advance(HOUR);
        let far = "Your account was signed in to from where you can hardly be";
        assert_eq!(title(jp)["title"], far);
        // Who is at home is told nothing, whoever was elsewhere.
        app.advance(HOUR);
        assert_eq!(title(nl)["title"], far);
        app.advance(24 * HOUR);
        let new = title(br);
        assert_eq!(new["title"], from_us["title"]);
        let told = app.published().into_iter();
        let told = told.filter(|event| event.kind == "account.sign_in_suspected");
        let reasons: Vec<_> = told.map(|event| event.data["reason"].clone()).collect();
        assert_eq!(reasons, ["new_country", "too_far", "new_country"]);
    }

    #[test]
    fn a_user_is_told_of_a_new_network_and_not_of_a_new_address_in_it() {
        let app = app();
        register(&app, "ada");
        let told = |address: &str| {
            let request = json!({"identifier": "ada", "password": PASSWORD});
            let device = app.anonymous().with_header("spin-client-addr", address);
            let signed_in = device.post("/api/v1/auth/login", request);
            signed_in.assert_status(200);
            let notices = app.published().into_iter();
            let notices = notices.filter(|event| event.kind == "notification.requested");
            notices.map(|event| event.data).collect::<Vec<_>>()
        };
        for (address, notices) in [
            ("192.0.2.7:1", 0),
            ("192.0.77.1:1", 0),
            ("::ffff:192.0.2.8", 0),
            ("198.51.100.1:1", 1),
            ("198.51.100.2:1", 1),
            ("[2001:db8::1]:1", 2),
            ("[2001:db8:77::1]:1", 2),
            ("[2001:db9::1]:1", 3),
            ("192.0.2.7:1", 3),
        ] {
            assert_eq!(told(address).len(), notices, "{address}");
        }
        let first = told("192.0.2.7:1").swap_remove(0);
        assert_eq!(
            first["title"],
            "Your account was signed in to from a new network"
        );
        let body = first["body"].as_str().unwrap_or_default();
        assert!(body.contains("address: 198.51.100.1"), "{body}");
    }
}
