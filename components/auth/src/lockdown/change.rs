//! Another choice of what a user is bound to. What gives more room counts at once. What takes some away counts once it
//! was confirmed by mail: whoever cannot read the account's mail shuts nobody out, and who can is let in again.

use super::{Bounds, Lockdown, changed_meanwhile, of, replaced};
use crate::events::{EndReason, Happened};
use crate::model::{SessionId, User};
use crate::place::Place;
use crate::store::{LOCKDOWN_CHANGES, USERS};
use crate::{confirmation, mailed, notices, sessions, throttle, tokens, users};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::mail::{self, Message, Template};
use sbd_sdk::tasks::New;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, id};
use serde::{Deserialize, Serialize};
use serde_json::json;

id!(pub(crate) ChangeId, "lch", "change");

/// The task that mails one.
pub(crate) const MAIL: &str = "mail-lockdown-change";
/// How often it is tried again where mail is not taken: over an hour.
const RETRIES: u32 = 5;

/// A change that waits for its user, as stored: one at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    #[serde(rename = "_id")]
    user_id: String,
    id: ChangeId,
    #[serde(flatten)]
    pub(crate) bounds: Bounds,
    /// In which it was asked for, and which goes on.
    session_id: SessionId,
    /// Of the code that was mailed, once it was.
    digest: Option<String>,
    pub(crate) expires_at: Time,
}

/// What an account's being bound ended.
pub(crate) struct Bound {
    /// The other sessions.
    pub(crate) ended: Vec<SessionId>,
    /// All of which the host is told: these, and what goes on where it may.
    pub(crate) told: Vec<String>,
}

/// Which is to be mailed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    user_id: String,
    change: ChangeId,
}

/// That fewer places are to count. An operator gives a tenant another one as `auth/confirm-lockdown`; its values are
/// `username`, `networks` and `programs`, which may be empty, `token`, and `link`, which may be empty.
const CONFIRM: [Template; 2] = [
    Template::new(
        "en",
        "Bind your account to places, {{ username }}?",
        "Hello {{ username }},\n\nyour account is to be used from here alone:\n\n{% if networks %}Networks: {{ networks }}\n{% endif %}{% if programs %}Programs: {{ programs }}\n{% endif %}\n{% if link %}Confirm it here:\n\n{{ link }}\n{% else %}Confirm it with this code:\n\n{{ token }}\n{% endif %}\nThis is good for an hour, and once. All your other sessions end with it. If it was not you, do not confirm it: change your password at once, and end all sessions.\n",
    ),
    Template::new(
        "de",
        "Ihr Konto an Orte binden, {{ username }}?",
        "Guten Tag {{ username }},\n\nIhr Konto soll nur noch von hier benutzt werden:\n\n{% if networks %}Netze: {{ networks }}\n{% endif %}{% if programs %}Programme: {{ programs }}\n{% endif %}\n{% if link %}Bestätigen Sie es hier:\n\n{{ link }}\n{% else %}Bestätigen Sie es mit diesem Code:\n\n{{ token }}\n{% endif %}\nDas gilt eine Stunde und einmal. Alle Ihre anderen Sitzungen enden damit. Wenn Sie es nicht waren, bestätigen Sie es nicht: Ändern Sie sofort Ihr Passwort, und beenden Sie alle Sitzungen.\n",
    ),
];

/// Binds the caller to this, at once or once they have confirmed it.
pub(crate) async fn set(
    caller: &Caller,
    bounds: &Bounds,
    here: &Place,
    even_if_locked_out: bool,
) -> Result<()> {
    confirmation::fresh(caller).await?;
    if !even_if_locked_out {
        bounds.require(here)?;
    }
    let before = of(&caller.user).await?;
    let bound = before.as_ref().map(|before| before.bounds.clone());
    match bounds.take_from(&bound.unwrap_or_default()) {
        true => ask(caller, bounds).await,
        false => now(&caller.user, before.as_ref(), bounds).await,
    }
}

/// The change that waits for a user, if one does.
pub(crate) async fn waiting(user_id: &str) -> Result<Option<Waiting>> {
    let waiting = LOCKDOWN_CHANGES.get(user_id).await?;
    Ok(waiting.filter(|waiting| time::now() < waiting.expires_at))
}

/// More room, at once; and no change waits any more.
async fn now(user_id: &str, before: Option<&Lockdown>, bounds: &Bounds) -> Result<()> {
    let change = replaced(Transaction::new(), user_id, before, bounds);
    let change = match before {
        Some(before) if before.bounds != *bounds => told(change, user_id, bounds),
        _ => change,
    };
    change.commit().await.map_err(changed_meanwhile)?;
    Ok(())
}

async fn ask(caller: &Caller, bounds: &Bounds) -> Result<()> {
    let user = USERS.get(&caller.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    if user.email_verified_at.is_none() {
        return Err(Error::conflict(
            "what lets you in elsewhere is mailed to you; verify your address first",
        ));
    }
    let now = time::now();
    throttle::LOCKDOWN.of(&user.id).count(now).await?;
    let session = caller.session.as_deref().unwrap_or_default();
    let waiting = Waiting {
        user_id: user.id.clone(),
        id: ChangeId::new(),
        bounds: bounds.clone(),
        session_id: session.parse()?,
        digest: None,
        expires_at: now + mailed::GOOD_FOR,
    };
    let change = Transaction::new()
        .delete_many(&LOCKDOWN_CHANGES, json!({"_id": user.id}))
        .insert(&LOCKDOWN_CHANGES, &waiting);
    change.commit().await.map_err(changed_meanwhile)?;
    let about = About {
        user_id: user.id,
        change: waiting.id,
    };
    let task = New::of(MAIL, &about)?.retries(RETRIES);
    task.enqueue().await.map(drop)
}

/// Makes the code of a change and mails it.
pub(crate) async fn send(about: &About, task_id: &str) -> Result<()> {
    let waiting = waiting(&about.user_id).await?;
    let waiting = waiting.filter(|waiting| waiting.id == about.change);
    let user = USERS.get(&about.user_id).await?.filter(User::may_act);
    let (Some(waiting), Some(user)) = (waiting, user) else {
        return Ok(());
    };
    let token = tokens::mail_token()?;
    let same = json!({"_id": user.id, "id": waiting.id});
    let set = json!({"$set": {"digest": tokens::digest(&token)}});
    LOCKDOWN_CHANGES.update_one(same, set).await?;
    let Bounds { networks, programs } = waiting.bounds;
    let networks = networks.map(|networks| networks.texts().join(", "));
    let programs = programs.unwrap_or_default();
    let programs: Vec<_> = programs.iter().map(ToString::to_string).collect();
    let name = "confirm-lockdown";
    let values = json!({
        "username": user.username, "networks": networks.unwrap_or_default(),
        "programs": programs.join(", "), "token": token, "link": mailed::link(name, &token)?,
    });
    mail::send(&Message::new(task_id, &user.email, name, &CONFIRM, values)).await
}

/// A change counts, whose code somebody has; all other sessions end.
pub(crate) async fn confirm(token: &str) -> Result<Bound> {
    let digest = tokens::digest(token);
    let waiting = LOCKDOWN_CHANGES.find_one(json!({"digest": digest})).await?;
    let waiting = waiting.filter(|waiting| time::now() < waiting.expires_at);
    let waiting = waiting.ok_or_else(mailed::unknown)?;
    let user = USERS.get(&waiting.user_id).await?.filter(User::may_act);
    let user = user.ok_or_else(mailed::unknown)?;
    let before = of(&user.id).await?;
    let used = json!({"_id": user.id, "digest": digest});
    let change = Transaction::new().delete_one(&LOCKDOWN_CHANGES, used);
    let change = replaced(change, &user.id, before.as_ref(), &waiting.bounds);
    let mut ended = sessions::of_user(&user.id).await?;
    ended.retain(|session| *session != waiting.session_id);
    let change = sessions::over(change, &user.id, &ended, EndReason::Lockdown);
    match told(change, &user.id, &waiting.bounds).commit().await {
        Ok(_) => {
            let mut told = users::acts_by(&user.id).await?;
            told.extend(ended.iter().map(ToString::to_string));
            Ok(Bound { ended, told })
        }
        Err(DocumentsError::PreconditionFailed(0)) => Err(mailed::unknown()),
        Err(error) => Err(changed_meanwhile(error)),
    }
}

/// Tells of what a user is bound to from now on.
pub(super) fn told(change: Transaction, user_id: &str, bounds: &Bounds) -> Transaction {
    let changed = Happened::LockdownChanged {
        user_id,
        networks: bounds.networks.is_some(),
        programs: bounds.programs.is_some(),
    };
    notices::lockdown_changed(changed.told_by(change), user_id, bounds.is_off())
}
