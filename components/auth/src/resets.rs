//! Mails for a new password, which anybody may ask for. Where it looks like abuse, the owner is asked first: who
//! approves gets the usual mail, and who denies has no more of them for a day.
//!
//! How often an address was asked for, and how many from one network, is counted whoever has the address, before
//! anything is known of an account. The rest is a task's, so that neither the answer nor its time shows one.

use crate::events::Happened;
use crate::mailed::{self, Purpose};
use crate::model::{Device, User};
use crate::registration::{email_problem, refuse};
use crate::store::{MAILED, USERS};
use crate::{captcha, notices, sessions, throttle, tokens};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::mail::Template;
use sbd_sdk::tasks::New;
use sbd_sdk::time;
use sbd_sdk::{Result, cache, text};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// The task that mails the owner.
pub(crate) const MAIL: &str = "mail-reset";
/// How often it is tried again where mail is not taken: over an hour.
const RETRIES: u32 = 5;
/// For how long it is counted, and for how long who denies has no more mails.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How often an owner may forget a password in a day.
const ONE_ADDRESS: i64 = 3;
/// How many people may forget theirs in a day behind one address of the network.
const ONE_NETWORK: i64 = 5;

/// What speaks for abuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sign {
    /// It was asked for again and again.
    Again,
    /// It was asked for many addresses from its network.
    ManyAddresses,
    /// Its owner is signed in elsewhere, and nowhere in its network.
    NewNetwork,
}

/// A mail that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    email_key: String,
    device: Device,
    signs: Vec<Sign>,
}

/// What an owner is asked. An operator gives a tenant another one as `auth/decide-reset`; its values are `username`,
/// `address`, `program`, `token` and `link`, which may be empty.
pub(crate) const DECIDE: [Template; 2] = [
    Template::new(
        "en",
        "Did you ask for a new password, {{ username }}?",
        "Hello {{ username }},\n\nsomebody asked for a new password for your account, in a way that is not usual: from the address {{ address }}, with {{ program }}.\n\nSay whether it was you. {% if link %}Do it here:\n\n{{ link }}\n{% else %}Do it with this code:\n\n{{ token }}\n{% endif %}\nIf it was you, you are sent the mail for a new password. If it was not, nobody is sent one for a day. This is good for an hour, and once; if you do nothing, your password stays as it is.\n",
    ),
    Template::new(
        "de",
        "Haben Sie ein neues Passwort verlangt, {{ username }}?",
        "Guten Tag {{ username }},\n\njemand hat für Ihr Konto ein neues Passwort verlangt, auf ungewöhnliche Weise: von der Adresse {{ address }}, mit {{ program }}.\n\nSagen Sie, ob Sie es waren. {% if link %}Tun Sie es hier:\n\n{{ link }}\n{% else %}Tun Sie es mit diesem Code:\n\n{{ token }}\n{% endif %}\nWenn Sie es waren, bekommen Sie die Mail für ein neues Passwort. Wenn nicht, bekommt einen Tag lang niemand eine. Das gilt eine Stunde und einmal; wenn Sie nichts tun, bleibt Ihr Passwort, wie es ist.\n",
    ),
];

/// Has a mail for a new password sent to whoever has an account with this address, if anybody.
pub(crate) async fn ask(email: &str, device: &Device) -> Result<()> {
    refuse(&[("email", email_problem(email))])?;
    captcha::required(device).await?;
    throttle::MAIL.of(email).count(time::now()).await?;
    let about = About {
        email_key: text::key(email),
        device: device.clone(),
        signs: signs(email, device).await?,
    };
    let task = New::of(MAIL, &about)?.retries(RETRIES);
    task.enqueue().await.map(drop)
}

/// What speaks for abuse, whoever has the address.
async fn signs(email: &str, device: &Device) -> Result<Vec<Sign>> {
    let mut signs = Vec::new();
    let address = tokens::digest(&text::key(email));
    let times = cache::increment(&format!("reset:of:{address}"), 1, DAY).await?;
    if times > ONE_ADDRESS {
        signs.push(Sign::Again);
    }
    if let Some(network) = device.address.as_deref().map(throttle::network) {
        let network = tokens::digest(&network);
        let both = cache::increment(&format!("reset:of:{address}:{network}"), 1, DAY).await?;
        // Each address counts once.
        let new = i64::from(both == 1);
        let addresses = cache::increment(&format!("reset:from:{network}"), new, DAY).await?;
        if addresses > ONE_NETWORK {
            signs.push(Sign::ManyAddresses);
        }
    }
    Ok(signs)
}

/// Mails the owner of the address, if there is one who may have it: a secret for a new password, or whether it was them.
pub(crate) async fn send(about: &About, task_id: &str) -> Result<()> {
    let owner = json!({"email_key": about.email_key});
    let user = USERS.find_one(owner).await?.filter(|user| user.active);
    let Some(user) = user.filter(|user| !user.refuses_resets(time::now())) else {
        return Ok(());
    };
    let mut signs = about.signs.clone();
    if is_new_network(&user, &about.device).await? {
        signs.push(Sign::NewNetwork);
    }
    let purpose = match signs.is_empty() {
        true => Purpose::ResetPassword,
        false => {
            // Tried again, the task tells it again: better than not at all.
            let data = json!({"device": about.device, "signs": signs});
            let change = Transaction::new().audit(&user.id, "password_reset.suspected", &data);
            change.commit().await?;
            Purpose::DecideReset
        }
    };
    mailed::send(
        &mailed::About::asked(purpose, &user, &about.device),
        task_id,
    )
    .await
}

/// Whether a user is signed in elsewhere, and nowhere in the network of this device.
async fn is_new_network(user: &User, device: &Device) -> Result<bool> {
    let Some(network) = device.network() else {
        return Ok(false);
    };
    let sessions = sessions::all_of(&user.id).await?;
    // Where an administrator is in their place, they are not.
    let own = sessions
        .iter()
        .filter(|session| session.impersonated_by.is_none());
    let mut known = own
        .filter_map(|session| session.device.network())
        .peekable();
    Ok(known.peek().is_some() && known.all(|known| known != network))
}

/// The owner asked for it: they are sent the mail for a new password.
pub(crate) async fn approve(token: &str) -> Result<()> {
    let mailed = mailed::found(&[Purpose::DecideReset], token).await?;
    let user = mailed.user().await?;
    // It was mailed to an address that is not the account's any more.
    if mailed.address != user.email {
        return Err(mailed::unknown());
    }
    let change = mailed.used(Transaction::new());
    decided(change.audit(&user.id, "password_reset.approved", &json!({}))).await?;
    mailed::to_user(Purpose::ResetPassword, &user, &user.email).await
}

/// The owner did not ask for it: nobody is sent a mail for a new password of theirs for a day, and none that was sent
/// is worth anything.
pub(crate) async fn deny(token: &str) -> Result<()> {
    let mailed = mailed::found(&[Purpose::DecideReset], token).await?;
    let user = mailed.user().await?;
    let until = time::now() + DAY;
    let sent = json!({"user_id": user.id, "purpose": Purpose::ResetPassword});
    let set = json!({"$set": {"no_resets_until": until}});
    let change = mailed
        .used(Transaction::new())
        .delete_many(&MAILED, sent)
        .update_one(&USERS, json!({"_id": user.id}), set);
    let denied = Happened::ResetDenied {
        user_id: &user.id,
        until,
    };
    decided(notices::reset_denied(denied.told_by(change), &user.id)).await
}

async fn decided(change: Transaction) -> Result<()> {
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(mailed::unknown()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, login, mailed, register};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::Value;

    const RESETS: &str = "/api/v1/auth/password-resets";
    const ADA: &str = "ada@example.com";

    fn ask_from(app: &App, address: &str, email: &str) -> Reply {
        let device = app.anonymous().with_header("spin-client-addr", address);
        device.post(RESETS, json!({"email": email}))
    }

    fn decide(app: &App, decision: &str, token: &str) -> Reply {
        let token = json!({"token": token});
        let decided = app.anonymous().post(&format!("{RESETS}/{decision}"), token);
        app.run_tasks();
        decided
    }

    /// What was mailed, since it was last asked.
    fn templates(app: &App) -> Vec<String> {
        app.run_tasks();
        let mails = app.mails().into_iter();
        mails.map(|mail| mail.template).collect()
    }

    /// Asks for one in the way of somebody who abuses it.
    fn suspicious(app: &App) -> String {
        for n in 0..ONE_NETWORK {
            let email = format!("user-{n}@example.com");
            ask_from(app, "192.0.2.7:1", &email).assert_status(204);
        }
        ask_from(app, "192.0.2.7:1", ADA).assert_status(204);
        app.run_tasks();
        mailed(app, "decide-reset", ADA)
    }

    #[test]
    fn whoever_asks_as_people_do_is_sent_the_mail() {
        let app = app();
        register(&app, "ada").assert_status(201);
        ask_from(&app, "192.0.2.7:1", ADA).assert_status(204);
        assert_eq!(templates(&app), ["reset-password"]);
    }

    #[test]
    fn an_address_that_is_asked_for_again_and_again_has_its_owner_asked() {
        let app = app();
        register(&app, "ada").assert_status(201);
        for _ in 0..ONE_ADDRESS {
            ask_from(&app, "192.0.2.7:1", ADA).assert_status(204);
            app.advance(throttle::MAIL.window);
        }
        assert!(!templates(&app).contains(&"decide-reset".to_owned()));
        ask_from(&app, "198.51.100.1:1", "ADA@example.com").assert_status(204);
        assert_eq!(templates(&app).last().unwrap(), "decide-reset");
        app.advance(DAY);
        ask_from(&app, "192.0.2.7:1", ADA).assert_status(204);
        assert_eq!(templates(&app).last().unwrap(), "reset-password");
    }

    #[test]
    fn a_network_from_which_many_addresses_are_asked_for_is_suspected() {
        let app = app();
        register(&app, "ada").assert_status(201);
        // One address counts once.
        for _ in 0..2 {
            ask_from(&app, "192.0.2.7:1", "user-0@example.com").assert_status(204);
        }
        suspicious(&app);
        assert_eq!(templates(&app), ["decide-reset"]);
        let mail = &app.mails()[0];
        assert!(
            mail.text.contains("from the address 192.0.2.7"),
            "{}",
            mail.text
        );
        ask_from(&app, "192.0.2.8:1", ADA).assert_status(204);
        assert_eq!(templates(&app).last().unwrap(), "reset-password");
    }

    #[test]
    fn a_network_that_its_owner_was_never_in_is_suspected() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let request = json!({"identifier": "ada", "password": PASSWORD});
        let home = app
            .anonymous()
            .with_header("spin-client-addr", "192.0.2.7:1");
        home.post("/api/v1/auth/login", request).assert_status(200);
        for (address, template) in [
            ("192.0.99.1:1", "reset-password"),
            ("198.51.100.1:1", "decide-reset"),
        ] {
            ask_from(&app, address, ADA).assert_status(204);
            assert_eq!(templates(&app).last().unwrap(), template, "{address}");
        }
        let suspected = app.recorded().into_iter();
        let mut suspected = suspected.filter(|entry| entry.action == "password_reset.suspected");
        assert_eq!(
            suspected.next().unwrap().data["signs"],
            json!(["new_network"])
        );
    }

    #[test]
    fn whether_there_is_an_account_does_not_show() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tasks = || {
            let tasks = app.enqueued().into_iter();
            tasks.filter(|task| task.name == MAIL).count()
        };
        for n in 0..3 {
            let (known, unknown) = (
                ask_from(&app, "192.0.2.7:1", ADA),
                ask_from(&app, "192.0.2.7:1", "eve@example.com"),
            );
            assert_eq!(
                (known.status(), known.bytes()),
                (unknown.status(), unknown.bytes())
            );
            assert_eq!(tasks(), 2 * (n + 1));
        }
    }

    #[test]
    fn whoever_approves_is_sent_the_mail_once() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let token = suspicious(&app);
        // It sets no password itself.
        let reset = json!({"token": token, "new_password": "Battery-staple-8"});
        app.anonymous()
            .post(&format!("{RESETS}/complete"), reset)
            .assert_refused(401, "TOKEN_INVALID");
        decide(&app, "approve", &token).assert_status(204);
        decide(&app, "approve", &token).assert_refused(401, "TOKEN_INVALID");
        decide(&app, "deny", &token).assert_refused(401, "TOKEN_INVALID");
        let token = mailed(&app, "reset-password", ADA);
        let reset = json!({"token": token, "new_password": "Battery-staple-8"});
        app.anonymous()
            .post(&format!("{RESETS}/complete"), reset)
            .assert_status(204);
        login(&app, "ada", "Battery-staple-8").assert_status(200);
    }

    #[test]
    fn whoever_denies_has_no_more_of_them_for_a_day() {
        let app = app();
        register(&app, "ada").assert_status(201);
        ask_from(&app, "203.0.113.9:1", ADA).assert_status(204);
        app.run_tasks();
        let before = mailed(&app, "reset-password", ADA);
        let token = suspicious(&app);
        decide(&app, "deny", &token).assert_status(204);
        decide(&app, "deny", &token).assert_refused(401, "TOKEN_INVALID");
        let reset = json!({"token": before, "new_password": "Battery-staple-8"});
        app.anonymous()
            .post(&format!("{RESETS}/complete"), reset)
            .assert_refused(401, "TOKEN_INVALID");
        let mails = app.mails().len();
        app.advance(throttle::MAIL.window);
        ask_from(&app, "203.0.113.9:1", ADA).assert_status(204);
        assert_eq!(templates(&app).len(), mails);
        let told = app.published().into_iter();
        let told: Vec<Value> = told
            .filter(|event| event.kind == "account.resets_denied")
            .map(|event| event.data)
            .collect();
        assert_eq!(
            told[0]["until"],
            (app.now() + DAY - throttle::MAIL.window).to_string()
        );
        app.advance(DAY);
        ask_from(&app, "203.0.113.9:1", ADA).assert_status(204);
        assert_eq!(templates(&app).last().unwrap(), "reset-password");
    }

    #[test]
    fn what_was_never_mailed_decides_nothing() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let token = suspicious(&app);
        for wrong in ["", "mt_", "mt_x", &token[1..]] {
            for decision in ["approve", "deny"] {
                decide(&app, decision, wrong).assert_refused(401, "TOKEN_INVALID");
            }
        }
        app.advance(mailed::GOOD_FOR);
        decide(&app, "approve", &token).assert_refused(401, "TOKEN_INVALID");
    }
}
