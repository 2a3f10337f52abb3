//! Lockdown: a user who says so is bound to networks, to programs, or to both. From anywhere else nobody signs in to the
//! account, whatever they show, and no token of it counts.
//!
//! What binds takes effect once the user has confirmed it by mail ([`change`]). Whoever has all that signing in takes and
//! is elsewhere is refused, and the user is mailed a way to let them in ([`attempts`]). Who knows beforehand that they
//! will be elsewhere makes a pass ([`passes`]).

pub(crate) mod attempts;
mod bounds;
pub(crate) mod change;
pub(crate) mod passes;
#[cfg(test)]
mod tests;

pub(crate) use bounds::{Bounds, Program};

use crate::events::Happened;
use crate::model::{Device, User};
use crate::place::Place;
use crate::store::{LOCKDOWN_ATTEMPTS, LOCKDOWN_CHANGES, LOCKDOWN_PASSES, LOCKDOWNS, SESSIONS};
use crate::{notices, users};
use http::StatusCode;
use passes::PassId;
use sbd_sdk::authentication::Identity;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What is answered to who signs in from elsewhere.
pub(crate) const ELSEWHERE: &str = "PLACE_REFUSED";

/// What a user is bound to, as stored; who is bound to nothing has no document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lockdown {
    #[serde(rename = "_id")]
    user_id: String,
    #[serde(flatten)]
    pub(crate) bounds: Bounds,
    /// The how manieth since it was turned on: of two changes at once one wins.
    version: u64,
    /// Since when it is as it is.
    pub(crate) since: Time,
}

/// Whether somebody may act where they are.
enum Standing {
    /// As long as nothing changes.
    In,
    /// Until then.
    Until(Time),
    Out,
}

/// What a user is bound to, if to anything.
pub(crate) async fn of(user_id: &str) -> Result<Option<Lockdown>> {
    Ok(LOCKDOWNS.get(user_id).await?)
}

/// Refuses a sign-in from elsewhere, by somebody who showed who they are.
pub(crate) async fn require(user: &User, device: &Device) -> Result<()> {
    let place = Place::of(device);
    match standing(&user.id, &place, device.pass.as_ref()).await? {
        Standing::In | Standing::Until(_) => Ok(()),
        Standing::Out => {
            attempts::noted(&user.id, &place).await?;
            Err(Error::new(
                StatusCode::FORBIDDEN,
                ELSEWHERE,
                "this account is used from other places only; what was mailed to its address lets you in, and so does a pass that was made beforehand",
            ))
        }
    }
}

/// Refuses a token that was presented elsewhere; one that is let in for a time counts no longer. An administrator in a
/// user's place is where administrators are.
pub(crate) async fn enforced(identity: Identity, place: &Place) -> Result<Identity> {
    let lockdown = match identity.impersonated_by {
        Some(_) => None,
        None => of(&identity.user).await?,
    };
    let Some(lockdown) = lockdown else {
        return Ok(identity);
    };
    let session = identity.session.as_deref().unwrap_or_default();
    let session = SESSIONS.get(session).await?;
    let pass = session.and_then(|session| session.device.pass);
    match lockdown.standing(place, pass.as_ref()).await? {
        Standing::In => Ok(identity),
        Standing::Until(end) => Ok(Identity {
            // Texts of times order as the times do.
            expires_at: identity.expires_at.min(end.to_string()),
            ..identity
        }),
        Standing::Out => elsewhere(&identity.user, place).await,
    }
}

/// Refuses to renew what somebody acts by, where they are elsewhere: they may have taken it from its user.
pub(crate) async fn require_of_token(
    user_id: &str,
    place: &Place,
    pass: Option<&PassId>,
) -> Result<()> {
    match standing(user_id, place, pass).await? {
        Standing::In | Standing::Until(_) => Ok(()),
        Standing::Out => elsewhere(user_id, place).await,
    }
}

async fn elsewhere<T>(user_id: &str, place: &Place) -> Result<T> {
    attempts::noted(user_id, place).await?;
    Err(Error::token_invalid(
        "this account is used from other places only; sign in to be let in",
    ))
}

async fn standing(user_id: &str, place: &Place, pass: Option<&PassId>) -> Result<Standing> {
    match of(user_id).await? {
        Some(lockdown) => lockdown.standing(place, pass).await,
        None => Ok(Standing::In),
    }
}

/// With this change a user is bound to this instead. A change that waits is worth nothing any more, and with the bounds
/// all goes that leads around them.
fn replaced(
    change: Transaction,
    user_id: &str,
    before: Option<&Lockdown>,
    bounds: &Bounds,
) -> Transaction {
    let of_user = json!({"user_id": user_id});
    let change = change.delete_many(&LOCKDOWN_CHANGES, json!({"_id": user_id}));
    let change = match before {
        Some(before) => {
            let unchanged = json!({"_id": user_id, "version": before.version});
            change.delete_one(&LOCKDOWNS, unchanged)
        }
        None => change,
    };
    if bounds.is_off() {
        return change
            .delete_many(&LOCKDOWN_PASSES, of_user.clone())
            .delete_many(&LOCKDOWN_ATTEMPTS, of_user);
    }
    let lockdown = Lockdown {
        user_id: user_id.to_owned(),
        bounds: bounds.clone(),
        version: before.map_or(1, |before| before.version + 1),
        since: time::now(),
    };
    change.insert(&LOCKDOWNS, &lockdown)
}

/// An administrator unbinds a user, for a reason.
pub(crate) async fn lift(by: &Caller, id: &str, reason: &str) -> Result<users::Decided> {
    let user = users::changeable(by, id, reason).await?;
    let lockdown = of(id).await?;
    let lockdown =
        lockdown.ok_or_else(|| Error::conflict("this user acts from anywhere already"))?;
    let change = replaced(Transaction::new(), id, Some(&lockdown), &Bounds::default());
    let lifted = Happened::LockdownLifted {
        user_id: id,
        reason,
    };
    let change = notices::lockdown_lifted(lifted.told_by(change), id, reason);
    match change.commit().await {
        Ok(_) => Ok(users::Decided {
            user,
            ended: Vec::new(),
        }),
        Err(error) => Err(changed_meanwhile(error)),
    }
}

/// With this change nothing is left of it.
pub(crate) fn forget(change: Transaction, user_id: &str) -> Transaction {
    let (own, of_user) = (json!({"_id": user_id}), json!({"user_id": user_id}));
    change
        .delete_many(&LOCKDOWNS, own.clone())
        .delete_many(&LOCKDOWN_CHANGES, own)
        .delete_many(&LOCKDOWN_PASSES, of_user.clone())
        .delete_many(&LOCKDOWN_ATTEMPTS, of_user)
}

fn changed_meanwhile(error: DocumentsError) -> Error {
    match error {
        DocumentsError::PreconditionFailed(_) | DocumentsError::Duplicate(_) => {
            Error::conflict("it was changed at the same time; read it, and try again")
        }
        error => error.into(),
    }
}

// === impl Lockdown ===

impl Lockdown {
    /// Whether its user may act there, with the pass they have shown.
    async fn standing(&self, place: &Place, pass: Option<&PassId>) -> Result<Standing> {
        if self.bounds.include(place) {
            return Ok(Standing::In);
        }
        let passes = passes::of(&self.user_id).await?;
        let good = passes.iter().filter(|known| known.lets_in(place, pass));
        let end = good.map(|pass| pass.expires_at).max();
        Ok(end.map_or(Standing::Out, Standing::Until))
    }
}
