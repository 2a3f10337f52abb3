//! Attempts from elsewhere by somebody who has all that it takes: recorded, and mailed to whose account it is, once an
//! hour for a place. The mail's code lets that place in, once or always.
//!
//! It is all done by a task: whoever is refused does not wait for it.

use super::{Lockdown, change, changed_meanwhile, of, passes, replaced};
use crate::events::Happened;
use crate::model::User;
use crate::place::Place;
use crate::store::{LOCKDOWN_ATTEMPTS, LOCKDOWNS, USERS};
use crate::{mailed, notices, tokens};
use sbd_sdk::Result;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::mail::{self, Message, Template};
use sbd_sdk::tasks::New;
use sbd_sdk::time::{self, Time};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The task that records and mails one.
pub(crate) const MAIL: &str = "mail-lockdown-attempt";
/// How often it is tried again where mail is not taken: over an hour.
const RETRIES: u32 = 5;
/// Places that are recorded and mailed of a user in an hour: nobody fills a mailbox by calling a program anything.
const MOST: u64 = 10;

/// An attempt, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// Of its user and its place: there is one of both in an hour.
    #[serde(rename = "_id")]
    id: String,
    pub(crate) user_id: String,
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) at: Time,
    /// Which mails of it.
    task_id: String,
    /// Of the code that was mailed.
    digest: String,
    expires_at: Time,
}

/// What is to be recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    user_id: String,
    place: Place,
    at: Time,
}

/// How a place is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LetIn {
    /// For a quarter of an hour.
    Once,
    /// From now on.
    Always,
}

/// What is mailed of one. An operator gives a tenant another one as `auth/lockdown-attempt`; its values are `username`,
/// `address` and `program`, which may be empty, `at`, `token`, and `once` and `always`, the links, which may be empty.
const ELSEWHERE: [Template; 2] = [
    Template::new(
        "en",
        "{{ username }} was used from elsewhere",
        "Hello {{ username }},\n\nsomebody who knows what it takes came to your account from where it is not used:\n\nAddress: {{ address or '(not known)' }}\nProgram: {{ program or '(it did not say)' }}\nAt: {{ at }}\n\nThey were not let in. If it was not you, change your password at once, and end all sessions.\n\n{% if once %}If it was you, let that place in for 15 minutes:\n\n{{ once }}\n\nor from now on:\n\n{{ always }}\n{% else %}If it was you, let that place in with this code, for 15 minutes or from now on:\n\n{{ token }}\n{% endif %}\nThis is good for an hour, and once.\n",
    ),
    Template::new(
        "de",
        "{{ username }} wurde von anderswo benutzt",
        "Guten Tag {{ username }},\n\njemand, der alles Nötige weiß, kam zu Ihrem Konto von dort, wo es nicht benutzt wird:\n\nAdresse: {{ address or '(nicht bekannt)' }}\nProgramm: {{ program or '(nannte sich nicht)' }}\nUm: {{ at }}\n\nEs kam niemand hinein. Wenn Sie es nicht waren, ändern Sie sofort Ihr Passwort, und beenden Sie alle Sitzungen.\n\n{% if once %}Wenn Sie es waren, lassen Sie diesen Ort für 15 Minuten hinein:\n\n{{ once }}\n\noder von jetzt an:\n\n{{ always }}\n{% else %}Wenn Sie es waren, lassen Sie diesen Ort mit diesem Code hinein, für 15 Minuten oder von jetzt an:\n\n{{ token }}\n{% endif %}\nDas gilt eine Stunde und einmal.\n",
    ),
];

/// Has an attempt recorded and mailed, unless one from there was within the hour.
pub(super) async fn noted(user_id: &str, place: &Place) -> Result<()> {
    let now = time::now();
    let id = id(user_id, place);
    let known = LOCKDOWN_ATTEMPTS.get(&id).await?;
    if known.is_some_and(|known| now < known.expires_at) {
        return Ok(());
    }
    let lately = json!({"user_id": user_id, "expires_at": {"$gt": now}});
    if LOCKDOWN_ATTEMPTS.count(lately).await? >= MOST {
        return Ok(());
    }
    let about = About {
        user_id: user_id.to_owned(),
        place: place.clone(),
        at: now,
    };
    let task = New::of(MAIL, &about)?.unique(id).retries(RETRIES);
    task.enqueue().await.map(drop)
}

/// Records an attempt, makes its code, and mails it.
pub(crate) async fn send(about: &About, task_id: &str) -> Result<()> {
    let About { user_id, place, at } = about;
    let (now, id) = (time::now(), id(user_id, place));
    let known = LOCKDOWN_ATTEMPTS.get(&id).await?;
    let known = known.filter(|known| now < known.expires_at);
    let is_again = known.as_ref().is_some_and(|known| known.task_id == task_id);
    let user = USERS.get(user_id).await?.filter(User::may_act);
    let Some(user) = user.filter(|_| known.is_none() || is_again) else {
        return Ok(());
    };
    let token = tokens::mail_token()?;
    let attempt = Attempt {
        id: id.clone(),
        user_id: user_id.clone(),
        place: place.clone(),
        at: *at,
        task_id: task_id.to_owned(),
        digest: tokens::digest(&token),
        expires_at: now + mailed::GOOD_FOR,
    };
    let change = Transaction::new()
        .delete_many(&LOCKDOWN_ATTEMPTS, json!({"_id": id}))
        .insert(&LOCKDOWN_ATTEMPTS, &attempt);
    let change = match is_again {
        true => change,
        false => {
            let change = change.audit(user_id, "account.place_refused", about);
            Happened::PlaceRefused { user_id }.told_by(change)
        }
    };
    change.commit().await?;
    let values = json!({
        "username": user.username, "at": at, "token": token,
        "address": place.address.map(|address| address.to_string()).unwrap_or_default(),
        "program": place.user_agent.clone().unwrap_or_default(),
        "once": mailed::link("allow-once", &token)?, "always": mailed::link("trust-place", &token)?,
    });
    let mail = Message::new(task_id, &user.email, "lockdown-attempt", &ELSEWHERE, values);
    mail::send(&mail).await
}

/// The attempt that a code was mailed of, as long as its user is bound to places.
pub(crate) async fn found(token: &str) -> Result<Attempt> {
    Ok(bound(token).await?.0)
}

async fn bound(token: &str) -> Result<(Attempt, Lockdown)> {
    let known = json!({"digest": tokens::digest(token)});
    let attempt = LOCKDOWN_ATTEMPTS.find_one(known).await?;
    let attempt = attempt.filter(|attempt| time::now() < attempt.expires_at);
    let attempt = attempt.ok_or_else(mailed::unknown)?;
    let user = USERS.get(&attempt.user_id).await?.filter(User::may_act);
    let lockdown = match user {
        Some(user) => of(&user.id).await?,
        None => None,
    };
    Ok((attempt, lockdown.ok_or_else(mailed::unknown)?))
}

/// Lets in the place of which a code was mailed, which is used by it.
pub(crate) async fn let_in(token: &str, how: LetIn) -> Result<()> {
    let (attempt, lockdown) = bound(token).await?;
    let Attempt { user_id, place, .. } = &attempt;
    let used = json!({"_id": attempt.id, "digest": attempt.digest});
    let change = Transaction::new().delete_one(&LOCKDOWN_ATTEMPTS, used);
    let allowed = Happened::PlaceAllowed {
        user_id,
        always: how == LetIn::Always,
    };
    let change = allowed.told_by(change);
    let change = match how {
        LetIn::Once => {
            let bound = json!({"_id": user_id});
            let change = passes::once(change.check(&LOCKDOWNS, bound, 1), user_id, place);
            notices::place_allowed(change, user_id, place)
        }
        LetIn::Always => {
            let bounds = lockdown.bounds.with(place)?;
            let change = replaced(change, user_id, Some(&lockdown), &bounds);
            change::told(change, user_id, &bounds)
        }
    };
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(0)) => Err(mailed::unknown()),
        Err(error) => Err(changed_meanwhile(error)),
    }
}

fn id(user_id: &str, place: &Place) -> String {
    let address = place.network().unwrap_or_default();
    let agent = place.user_agent.as_deref().unwrap_or_default();
    tokens::digest(&format!("{user_id}\n{address}\n{agent}"))
}
