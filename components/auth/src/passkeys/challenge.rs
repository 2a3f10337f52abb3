//! What a passkey has to answer: random, good for five minutes and once, for one purpose and whoever asked for it.
//!
//! An answer names the challenge that it is to, so that nothing else has to be carried along.

use crate::store::CHALLENGES;
use crate::tokens;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sbd_sdk::Result;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::{self, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use webauthn_rs::prelude::{DiscoverableAuthentication, PasskeyRegistration, Uuid};

/// How long one is good: as long as the browser waits for its user.
pub(super) const GOOD_FOR: Duration = webauthn_rs::DEFAULT_AUTHENTICATOR_TIMEOUT;

/// What an answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// Another passkey of a user's.
    Add,
    /// An account of whoever has the passkey.
    Open,
    /// A sign-in of whoever has the passkey.
    SignIn,
    /// The second step of a user's sign-in.
    SecondStep,
    /// That a user who is signed in is still there.
    Confirm,
}

/// A challenge, as stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Challenge {
    #[serde(rename = "_id")]
    digest: String,
    purpose: Purpose,
    /// Whose answer is awaited, where it is known.
    user_id: Option<String>,
    pub(super) awaited: Awaited,
    expires_at: Time,
}

/// What the answer is checked against.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Awaited {
    Addition {
        /// By what the device is to know the user.
        handle: Uuid,
        state: Box<PasskeyRegistration>,
    },
    Proof(Box<DiscoverableAuthentication>),
}

/// Keeps a challenge; of those for a user and a purpose the last alone.
pub(super) async fn keep(
    challenge: &[u8],
    purpose: Purpose,
    user_id: Option<&str>,
    awaited: Awaited,
) -> Result<()> {
    let kept = Challenge {
        digest: tokens::digest(&URL_SAFE_NO_PAD.encode(challenge)),
        purpose,
        user_id: user_id.map(str::to_owned),
        awaited,
        expires_at: time::now() + GOOD_FOR,
    };
    let change = Transaction::new();
    let change = match user_id {
        Some(user_id) => {
            let same = json!({"user_id": user_id, "purpose": purpose});
            change.delete_many(&CHALLENGES, same)
        }
        None => change,
    };
    change.insert(&CHALLENGES, &kept).commit().await?;
    Ok(())
}

/// Uses up the challenge that an answer is to, whatever is found out about the answer; none where there is none for this.
/// Of several who try at once one gets it.
pub(super) async fn used(
    client_data: &[u8],
    purpose: Purpose,
    user_id: Option<&str>,
) -> Result<Option<Awaited>> {
    let data: Value = serde_json::from_slice(client_data).unwrap_or_default();
    let digest = tokens::digest(data["challenge"].as_str().unwrap_or_default());
    let Some(challenge) = CHALLENGES.get(&digest).await? else {
        return Ok(None);
    };
    let is_for_this = challenge.purpose == purpose
        && challenge.user_id.as_deref() == user_id
        && time::now() < challenge.expires_at;
    if !is_for_this || !CHALLENGES.delete_one(json!({"_id": digest})).await? {
        return Ok(None);
    }
    Ok(Some(challenge.awaited))
}
