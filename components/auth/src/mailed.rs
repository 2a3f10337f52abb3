//! Secrets that are mailed, to be shown once by who reads the mail. Of each only the digest is kept. Beside the token there is
//! a short code (`short_code`), for whoever has to type it.
//!
//! They are made by a task, whoever asks for one: neither the answer nor its time shows whether an address
//! belongs to an account. There is one of a kind at a time, the last.

use crate::model::{Device, User};
use crate::store::{MAILED, USERS};
use crate::{resets, short_code, tokens};
use sbd_sdk::documents::Transaction;
use sbd_sdk::mail::{self, Message, Template};
use sbd_sdk::tasks::New;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result, config};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// The task that makes and mails one.
pub(crate) const MAIL: &str = "mail-secret";
/// How often it is tried again where mail is not taken: over an hour.
const RETRIES: u32 = 5;
/// How long a secret is good. Long enough for slow mail, and short of lying about in a mailbox.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(60 * 60);

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// A new password.
    ResetPassword,
    /// The address of the account is its owner's.
    VerifyAddress,
    /// The account has another address.
    ChangeAddress,
    /// Whether its owner wants a new password.
    DecideReset,
}

/// What is to be mailed, and to whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    purpose: Purpose,
    user_id: String,
    address: String,
    /// With what it was asked for, where its owner is told.
    #[serde(default)]
    asked_by: Option<Device>,
}

/// A secret that was mailed, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mailed {
    #[serde(rename = "_id")]
    digest: String,
    pub(crate) purpose: Purpose,
    user_id: String,
    /// Where it was sent.
    pub(crate) address: String,
    /// The hash of its short code.
    #[serde(default)]
    pub(crate) code: Option<String>,
    expires_at: Time,
}

/// A new password. An operator gives a tenant another one as `auth/reset-password`; its values are `username`,
/// `token`, `code` and `link`, which may be empty.
const RESET: [Template; 2] = [
    Template::new(
        "en",
        "A new password for {{ username }}",
        "Hello {{ username }},\n\nsomebody asked for a new password for your account. {% if link %}Choose one here:\n\n{{ link }}\n{% else %}Choose one with this code:\n\n{{ token }}\n{% endif %}\nWhere you asked for it, the short code will do:\n\n{{ code }}\n\nThis is good for an hour, and once. If it was not you, do nothing: your password stays as it is.\n",
    ),
    Template::new(
        "de",
        "Ein neues Passwort für {{ username }}",
        "Guten Tag {{ username }},\n\njemand hat für Ihr Konto ein neues Passwort verlangt. {% if link %}Wählen Sie es hier:\n\n{{ link }}\n{% else %}Wählen Sie es mit diesem Code:\n\n{{ token }}\n{% endif %}\nDort, wo Sie es verlangt haben, genügt der kurze Code:\n\n{{ code }}\n\nDas gilt eine Stunde und einmal. Wenn Sie es nicht waren, tun Sie nichts: Ihr Passwort bleibt, wie es ist.\n",
    ),
];

/// Whether an address is somebody's. As `auth/verify-address`, with the same values.
const VERIFY: [Template; 2] = [
    Template::new(
        "en",
        "Is this your address, {{ username }}?",
        "Hello {{ username }},\n\n{% if link %}confirm here that this address belongs to your account:\n\n{{ link }}\n{% else %}confirm with this code that this address belongs to your account:\n\n{{ token }}\n{% endif %}\nWhere you are signed in, the short code will do:\n\n{{ code }}\n\nThis is good for an hour, and once. If you have no such account, do nothing.\n",
    ),
    Template::new(
        "de",
        "Ist das Ihre Adresse, {{ username }}?",
        "Guten Tag {{ username }},\n\n{% if link %}bestätigen Sie hier, dass diese Adresse zu Ihrem Konto gehört:\n\n{{ link }}\n{% else %}bestätigen Sie mit diesem Code, dass diese Adresse zu Ihrem Konto gehört:\n\n{{ token }}\n{% endif %}\nDort, wo Sie angemeldet sind, genügt der kurze Code:\n\n{{ code }}\n\nDas gilt eine Stunde und einmal. Wenn Sie kein solches Konto haben, tun Sie nichts.\n",
    ),
];

/// What the address there is is told of another one. As `auth/other-address`; its values are `username` and
/// `address`.
const OTHER: [Template; 2] = [
    Template::new(
        "en",
        "{{ username }} is to be reached elsewhere",
        "Hello {{ username }},\n\nsomebody who knows your password asked for the address {{ address }} instead of this one. It is changed as soon as that one is confirmed. If it was not you, sign in, change your password now, and end all sessions.\n",
    ),
    Template::new(
        "de",
        "{{ username }} soll anderswo erreichbar sein",
        "Guten Tag {{ username }},\n\njemand, der Ihr Passwort kennt, hat statt dieser Adresse {{ address }} angegeben. Sie gilt, sobald sie bestätigt ist. Wenn Sie es nicht waren, melden Sie sich an, ändern Sie jetzt Ihr Passwort, und beenden Sie alle Sitzungen.\n",
    ),
];

/// Has a secret mailed to a user, at this address.
pub(crate) async fn to_user(purpose: Purpose, user: &User, address: &str) -> Result<()> {
    let about = About {
        purpose,
        user_id: user.id.clone(),
        address: address.to_owned(),
        asked_by: None,
    };
    let task = New::of(MAIL, &about)?.retries(RETRIES);
    task.enqueue().await.map(drop)
}

/// Makes a secret and mails it.
pub(crate) async fn send(about: &About, task_id: &str) -> Result<()> {
    let user = USERS.get(&about.user_id).await?;
    let Some(user) = user.filter(|user| user.active) else {
        return Ok(());
    };
    if about.purpose == Purpose::ChangeAddress {
        let values = json!({"username": user.username, "address": about.address});
        let id = format!("{task_id}/other");
        mail::send(&Message::new(
            id,
            &user.email,
            "other-address",
            &OTHER,
            values,
        ))
        .await?;
    }
    let token = tokens::mail_token()?;
    let (code, hash) = short_code::new().await?;
    let mailed = Mailed {
        digest: tokens::digest(&token),
        purpose: about.purpose,
        user_id: user.id.clone(),
        address: about.address.clone(),
        code: Some(hash),
        expires_at: time::now() + GOOD_FOR,
    };
    let same = json!({"user_id": user.id, "purpose": about.purpose});
    let change = Transaction::new()
        .delete_many(&MAILED, same)
        .insert(&MAILED, &mailed);
    change.commit().await?;
    let (name, templates) = match about.purpose {
        Purpose::ResetPassword => ("reset-password", &RESET),
        Purpose::VerifyAddress | Purpose::ChangeAddress => ("verify-address", &VERIFY),
        Purpose::DecideReset => ("decide-reset", &resets::DECIDE),
    };
    let device = about.asked_by.as_ref();
    let place = device.and_then(|device| device.address.as_deref());
    let program = device.and_then(|device| device.user_agent.as_deref());
    let link = link(name, &token)?;
    let values = json!({
        "username": user.username, "token": token, "code": code, "link": link,
        "address": place.unwrap_or("(not known)"), "program": program.unwrap_or("(it did not say)"),
    });
    let message = Message::new(task_id, &mailed.address, name, templates, values);
    mail::send(&message).await
}

/// Where a mail leads that is for this; empty where there is no such page.
pub(crate) fn link(what: &str, token: &str) -> Result<String> {
    let page = config::get("account_page")?.filter(|page| !page.is_empty());
    // In the fragment, which no server sees.
    let link = page.map(|page| format!("{page}#{what}={token}"));
    Ok(link.unwrap_or_default())
}

/// What a token was mailed for, if it is one of these.
pub(crate) async fn found(purposes: &[Purpose], token: &str) -> Result<Mailed> {
    let mailed = MAILED.get(&tokens::digest(token)).await?;
    let mailed = mailed.filter(|mailed| mailed.is_for(purposes));
    mailed.ok_or_else(unknown)
}

/// A token that is worth nothing, why ever: whoever guesses learns nothing.
pub(crate) fn unknown() -> Error {
    Error::token_invalid("this code is not known, was used, or has run out; ask for another mail")
}

// === impl About ===

impl About {
    /// A secret for a user at their address, which was asked for with this device.
    pub(crate) fn asked(purpose: Purpose, user: &User, device: &Device) -> Self {
        Self {
            purpose,
            user_id: user.id.clone(),
            address: user.email.clone(),
            asked_by: Some(device.clone()),
        }
    }
}

// === impl Mailed ===

impl Mailed {
    /// Whether it is for one of these, and has not run out.
    pub(crate) fn is_for(&self, purposes: &[Purpose]) -> bool {
        purposes.contains(&self.purpose) && time::now() < self.expires_at
    }

    /// Whose it is.
    pub(crate) async fn user(&self) -> Result<User> {
        let user = USERS.get(&self.user_id).await?;
        user.filter(|user| user.active).ok_or_else(unknown)
    }

    /// It is used with this change, which is not made where that has happened already.
    pub(crate) fn used(&self, change: Transaction) -> Transaction {
        change.delete_one(&MAILED, json!({"_id": self.digest}))
    }
}
