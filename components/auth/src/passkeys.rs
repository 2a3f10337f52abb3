//! Passkeys: keys that a user's devices keep, and show only to who verified themselves to the device (WebAuthn). With
//! one, somebody signs in without name and password, brings the second proof after a password, or confirms
//! that they are still there.
//!
//! A passkey is for one host (`party`), and answers a challenge that is used once (`challenge`). Its key is
//! public: there is nothing here to steal.

mod adding;
mod challenge;
#[cfg(test)]
pub(crate) mod device;
#[cfg(test)]
mod only;
mod opening;
mod party;
mod proving;
#[cfg(test)]
mod tests;

pub(crate) use adding::{add, options_to_add};
pub(crate) use challenge::Challenge;
pub(crate) use opening::{NewAccount, open, options_to_open};
pub(crate) use party::Party;
pub(crate) use proving::{
    confirm, options_for_second_step, options_to_confirm, options_to_sign_in, sign_in,
    take_second_step,
};

use crate::events::Happened;
use crate::model::Proof;
use crate::store::{PASSKEYS, USERS};
use crate::{confirmation, notices, second_factor};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Listing, Result, Sort, id};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use webauthn_rs::prelude::{Passkey as Key, Uuid};

id!(pub(crate) PasskeyId, "psk", "passkey");

/// Passkeys that a user has at most.
pub(crate) const MOST: usize = 20;
/// Characters of a name at most.
const MAX_NAME: usize = 100;

/// A passkey, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Passkey {
    #[serde(rename = "_id")]
    pub(crate) id: PasskeyId,
    user_id: String,
    /// The user's how manieth it is, of those there may be at a time: no two have one seat.
    seat: String,
    /// By what devices and browsers know it, in base64url: no two have one.
    credential_id: String,
    /// The host that it is for.
    pub(crate) host: String,
    /// By what devices know the user: random, and the same for all passkeys of a user.
    handle: Uuid,
    pub(crate) name: String,
    key: Key,
    /// How devices that have it are reached, in the browser's words.
    pub(crate) transports: Vec<String>,
    /// Whether it is kept elsewhere as well, and outlives its device.
    pub(crate) backed_up: bool,
    pub(crate) created_at: Time,
    #[serde(default)]
    pub(crate) last_used_at: Option<Time>,
    /// When it was last used as only a copy of it would be.
    #[serde(default)]
    pub(crate) suspected_at: Option<Time>,
}

/// What a browser is to be given: `PublicKeyCredentialCreationOptionsJSON`, or `...RequestOptionsJSON`.
pub(crate) struct Options(pub(crate) Value);

/// What the list of passkeys is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PasskeySort {
    /// When they were added.
    #[default]
    CreatedAt,
}

/// A page of a user's passkeys.
pub(crate) async fn list(user: &str, listing: &Listing<PasskeySort>) -> Result<Page<Passkey>> {
    let own = PASSKEYS.find(json!({"user_id": user}));
    own.page(listing).await
}

/// Whether a user has any.
pub(crate) async fn any(user_id: &str) -> Result<bool> {
    Ok(PASSKEYS
        .find_one(json!({"user_id": user_id}))
        .await?
        .is_some())
}

/// A passkey of a user's. Somebody else's is not there.
pub(crate) async fn get(user_id: &str, id: &PasskeyId) -> Result<Passkey> {
    let own = json!({"_id": id, "user_id": user_id});
    let found = PASSKEYS.find_one(own).await?;
    found.ok_or_else(|| Error::not_found("passkey"))
}

/// Gives a passkey of a user's another name. Somebody else's is not there.
pub(crate) async fn rename(user_id: &str, id: &PasskeyId, name: &str) -> Result<Passkey> {
    let name = checked_name(name)?;
    let passkey = get(user_id, id).await?;
    let own = json!({"_id": id, "user_id": user_id});
    let set = json!({"$set": {"name": name}});
    let change = Transaction::new().update_one(&PASSKEYS, own, set);
    let renamed = Happened::PasskeyRenamed {
        user_id,
        passkey_id: id,
    };
    renamed
        .told_by(change)
        .commit()
        .await
        .map_err(unless_gone)?;
    Ok(Passkey {
        name: name.to_owned(),
        ..passkey
    })
}

/// Removes a passkey of the caller's, who is told. Somebody else's is not there.
pub(crate) async fn remove(caller: &Caller, id: &PasskeyId) -> Result<()> {
    confirmation::fresh(caller).await?;
    let user_id: &str = &caller.user;
    let own = json!({"_id": id, "user_id": user_id});
    let all = of(user_id).await?;
    let (mut these, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.id == *id);
    let passkey = these.pop().ok_or_else(|| Error::not_found("passkey"))?;
    let is_last = others.is_empty();
    if is_last && second_factor::is_last(caller, &[Proof::Passkey]).await? {
        return Err(Error::conflict(
            "accounts like yours have to have a second factor here; add another one first",
        ));
    }
    // There is another way in, and stays until this one is gone.
    let change = match others.first() {
        Some(other) => Transaction::new().check(&PASSKEYS, json!({"_id": other.id}), 1),
        None => {
            let has_password = json!({"_id": user_id, "password_hash": {"$ne": ""}});
            Transaction::new().check(&USERS, has_password, 1)
        }
    };
    let change = change.delete_one(&PASSKEYS, own);
    let removed = Happened::PasskeyRemoved {
        user_id,
        passkey_id: id,
    };
    let change = notices::passkey_removed(removed.told_by(change), user_id, &passkey.name);
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(0)) if is_last => Err(Error::conflict(
            "your account has no password: nobody could sign in then; add another passkey first, or set a password",
        )),
        Err(DocumentsError::PreconditionFailed(0)) => Err(Error::conflict(
            "another passkey was removed at the same time; see what there is, and try again",
        )),
        Err(error) => Err(unless_gone(error)),
    }
}

/// What is said of a change to a passkey that was not made: it may have been removed meanwhile.
fn unless_gone(error: DocumentsError) -> Error {
    match error {
        DocumentsError::PreconditionFailed(_) => Error::not_found("passkey"),
        error => error.into(),
    }
}

/// All passkeys of a user.
pub(crate) async fn of(user_id: &str) -> Result<Vec<Passkey>> {
    let own = PASSKEYS.find(json!({"user_id": user_id}));
    let all = u32::try_from(MOST).unwrap_or(u32::MAX);
    Ok(own.limit(all).fetch().await?.documents)
}

fn checked_name(name: &str) -> Result<&str> {
    let name = name.trim();
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    match fits && !name.chars().any(char::is_control) {
        true => Ok(name),
        false => Err(Error::validation(
            "name",
            "1 to 100 characters, on one line",
        )),
    }
}

impl Sort for PasskeySort {
    const ITEMS: &'static str = "passkeys";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
        }
    }
}
