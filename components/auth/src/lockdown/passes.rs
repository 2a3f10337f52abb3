//! Passes: what leads around a lockdown for a time. One kind its user makes beforehand, and shows its secret when they
//! sign in: that session counts from anywhere as long as the pass is good. The other is for one place, and made by who
//! let it in by mail. Of a secret the digest alone is kept.

use crate::events::Happened;
use crate::model::{Device, User};
use crate::place::Place;
use crate::store::LOCKDOWN_PASSES;
use crate::{confirmation, notices, tokens, users};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Listing, Result, Sort, id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;

id!(pub(crate) PassId, "lpa", "pass");

/// What the secret of one begins with.
const PREFIX: &str = "lp_";
/// Hours that one is good at most: a journey, and no way to live around one's own lockdown.
pub(crate) const MOST_HOURS: u32 = 72;
/// Passes that a user has at most, of those that they make.
const MOST: usize = 10;
/// How long a place is let in that is let in once.
pub(crate) const ONCE: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A pass, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pass {
    #[serde(rename = "_id")]
    pub(crate) id: PassId,
    user_id: String,
    /// Of the secret, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// For where it is; for anywhere, where it has a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Place>,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
}

/// What the list of passes is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PassSort {
    /// When they were made.
    #[default]
    CreatedAt,
    /// When they run out.
    ExpiresAt,
}

/// Makes a pass of the caller's, and answers what is never shown again.
pub(crate) async fn make(caller: &Caller, hours: u32) -> Result<(Pass, String)> {
    if !(1..=MOST_HOURS).contains(&hours) {
        return Err(Error::validation("hours", "1 to 72"));
    }
    confirmation::fresh(caller).await?;
    if super::of(&caller.user).await?.is_none() {
        return Err(Error::conflict(
            "you are bound to no place; sign in from wherever you are",
        ));
    }
    let own = of(&caller.user).await?.into_iter();
    if own.filter(|pass| pass.digest.is_some()).count() >= MOST {
        return Err(Error::conflict(format!(
            "you have {MOST} passes, as many as there may be; take one back first"
        )));
    }
    let (now, secret) = (time::now(), tokens::secret(PREFIX)?);
    let pass = Pass {
        id: PassId::new(),
        user_id: caller.user.to_string(),
        digest: Some(tokens::digest(&secret)),
        place: None,
        created_at: now,
        expires_at: now + HOUR * hours,
    };
    let made = Happened::PassMade {
        user_id: &caller.user,
        pass_id: &pass.id,
    };
    let change = made.told_by(Transaction::new().insert(&LOCKDOWN_PASSES, &pass));
    let change = notices::pass_made(change, &caller.user, pass.expires_at);
    change.commit().await?;
    Ok((pass, secret))
}

/// With this change a place is let in once.
pub(super) fn once(change: Transaction, user_id: &str, place: &Place) -> Transaction {
    let now = time::now();
    let pass = Pass {
        id: PassId::new(),
        user_id: user_id.to_owned(),
        digest: None,
        place: Some(place.clone()),
        created_at: now,
        expires_at: now + ONCE,
    };
    change.insert(&LOCKDOWN_PASSES, &pass)
}

/// The passes of a user that are good, of either kind.
pub(crate) async fn of(user_id: &str) -> Result<Vec<Pass>> {
    let good = json!({"user_id": user_id, "expires_at": {"$gt": time::now()}});
    Ok(LOCKDOWN_PASSES
        .find(good)
        .limit(100)
        .fetch()
        .await?
        .documents)
}

/// A page of a user's passes, of either kind.
pub(crate) async fn list(user_id: &str, listing: &Listing<PassSort>) -> Result<Page<Pass>> {
    let good = json!({"user_id": user_id, "expires_at": {"$gt": time::now()}});
    LOCKDOWN_PASSES.find(good).page(listing).await
}

/// Takes a pass of a user's back: whoever was let in by it is so no more. Somebody else's is not there. Answers of whom
/// the host is told: of all that the user acts by, as any of it may have been where the pass was good.
pub(crate) async fn take_back(user_id: &str, pass_id: &PassId) -> Result<Vec<String>> {
    let own = json!({"_id": pass_id, "user_id": user_id});
    let change = Transaction::new().delete_one(&LOCKDOWN_PASSES, own);
    let ended = Happened::PassEnded { user_id, pass_id };
    match ended.told_by(change).commit().await {
        Ok(_) => users::acts_by(user_id).await,
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("pass")),
        Err(error) => Err(error.into()),
    }
}

/// The device, with the pass of the user's that it shows, if it shows one. One that is not good says nothing: it is
/// seen by where the device is.
pub(crate) async fn shown(user: &User, device: &Device) -> Result<Device> {
    let pass = match &device.shown_pass {
        Some(digest) => {
            let own = json!({
                "user_id": user.id, "digest": digest, "expires_at": {"$gt": time::now()},
            });
            LOCKDOWN_PASSES.find_one(own).await?.map(|pass| pass.id)
        }
        None => None,
    };
    Ok(Device {
        pass,
        ..device.clone()
    })
}

// === impl Pass ===

impl Pass {
    /// Whether it lets in who is there, and has shown this pass when they signed in.
    pub(super) fn lets_in(&self, place: &Place, shown: Option<&PassId>) -> bool {
        match &self.place {
            Some(own) => own.is_like(place),
            None => shown == Some(&self.id),
        }
    }
}

impl Sort for PassSort {
    const ITEMS: &'static str = "passes";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::ExpiresAt => "expires_at",
        }
    }
}
