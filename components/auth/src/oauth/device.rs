//! Devices without a browser (RFC 8628): the device shows a short code, the user types it in elsewhere and consents, and
//! the device, which asks again and again, has its tokens.

use super::authorization::require_own;
use super::clients::{self, Client, ClientId};
use super::consents;
use super::failure::Failure;
use super::grants::{self, Grant, Issued};
use super::parameters::Parameters;
use crate::store::{OAUTH_DEVICES, USERS};
use crate::{throttle, tokens};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, Scopes};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// What a device's code begins with.
const PREFIX: &str = "odc_";
/// Where the user types the other one in.
const PAGE: &str = "/account/device";
/// How long both are good.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(10 * 60);
/// Seconds between two questions of a device; more for each that came too early.
const INTERVAL: u64 = 5;
/// What codes for people are written in: no vowels, so that no words come about, nor what looks alike (RFC 8628, 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of such a code. Of 25 thousand million, and few may be tried.
const LENGTH: usize = 8;

/// A device that waits, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    #[serde(rename = "_id")]
    digest: String,
    /// What the user types in, without its hyphen.
    user_code: String,
    pub(crate) client_id: ClientId,
    pub(crate) scopes: Scopes,
    state: State,
    /// Whoever decided.
    user_id: Option<String>,
    /// What they granted.
    #[serde(default)]
    granted: Scopes,
    interval: u64,
    asked_at: Option<Time>,
    pub(crate) expires_at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Waiting,
    Approved,
    Denied,
}

/// What a device gets to begin with.
#[derive(Debug, Serialize)]
pub(crate) struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

/// Which device waits for what.
pub(crate) struct Asked {
    pub(crate) device: Device,
    pub(crate) client: Client,
    /// What the user can grant of it.
    pub(crate) grantable: Scopes,
}

/// A device begins.
pub(crate) async fn begin(
    client: &Client,
    fields: &Parameters,
    issuer: &str,
) -> Result<Begun, Failure> {
    require_own(fields, issuer)?;
    let scopes = client.asks(fields.get("scope"))?;
    let device_code = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(tokens::random()?));
    let mut device = Device {
        digest: tokens::digest(&device_code),
        user_code: user_code()?,
        client_id: client.id.clone(),
        scopes,
        state: State::Waiting,
        user_id: None,
        granted: Scopes::default(),
        interval: INTERVAL,
        asked_at: None,
        expires_at: time::now() + GOOD_FOR,
    };
    while let Err(error) = OAUTH_DEVICES.insert(&device).await {
        match error {
            // Two never wait with one code.
            DocumentsError::Duplicate(_) => device.user_code = user_code()?,
            error => return Err(error.into()),
        }
    }
    let (first, last) = device.user_code.split_at(LENGTH / 2);
    let user_code = format!("{first}-{last}");
    Ok(Begun {
        device_code,
        verification_uri: format!("{issuer}{PAGE}"),
        verification_uri_complete: format!("{issuer}{PAGE}?user_code={user_code}"),
        user_code,
        expires_in: GOOD_FOR.as_secs(),
        interval: INTERVAL,
    })
}

/// Letters by chance, each as likely as any other.
fn user_code() -> Result<String> {
    let mut code = String::with_capacity(LENGTH);
    while code.len() < LENGTH {
        // 240 is the last multiple of 20 that a byte holds.
        let bytes = tokens::random()?.into_iter().filter(|&byte| byte < 240);
        let letters = bytes.filter_map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len()));
        code.extend(
            letters
                .take(LENGTH - code.len())
                .map(|&letter| char::from(letter)),
        );
    }
    Ok(code)
}

/// As it is stored, however somebody typed it in.
fn typed(code: &str) -> String {
    let letters = code.chars().filter(|c| !matches!(c, '-' | ' '));
    letters.map(|c| c.to_ascii_uppercase()).collect()
}

/// Which device waits with a code that the caller typed in; who has tried too many waits a while.
pub(crate) async fn request(caller: &Caller, code: &str) -> Result<Asked> {
    let user = consents::user(caller).await?;
    let attempts = throttle::DEVICE_CODE.of(&user.id);
    attempts.count(time::now()).await?;
    let gone = || Error::not_found("code of a device that waits");
    let waiting = json!({"user_code": typed(code), "state": State::Waiting});
    let device = OAUTH_DEVICES.find_one(waiting).await?;
    let now = time::now();
    let device = device
        .filter(|device| now < device.expires_at)
        .ok_or_else(gone)?;
    let client = clients::found(device.client_id.as_str())
        .await?
        .ok_or_else(gone)?;
    attempts.forget().await?;
    Ok(Asked {
        grantable: consents::grantable(&user, &device.scopes),
        device,
        client,
    })
}

/// The user consents.
pub(crate) async fn approve(caller: &Caller, code: &str, scopes: Vec<String>) -> Result<()> {
    let Asked { device, client, .. } = request(caller, code).await?;
    let user = consents::user(caller).await?;
    let scopes = consents::granted(&user, &device.scopes, scopes)?;
    let set = json!({"state": State::Approved, "user_id": user.id, "granted": scopes});
    let change = consents::given(device.decided(set), &user, &client, &scopes).await?;
    committed(change).await
}

/// The user does not consent.
pub(crate) async fn deny(caller: &Caller, code: &str) -> Result<()> {
    let Asked { device, client, .. } = request(caller, code).await?;
    let told = json!({"client_id": client.id, "scopes": device.scopes});
    let set = json!({"state": State::Denied, "user_id": caller.user});
    committed(
        device
            .decided(set)
            .audit(&caller.user, "consent.denied", &told),
    )
    .await
}

async fn committed(change: Transaction) -> Result<()> {
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => {
            Err(Error::not_found("code of a device that waits"))
        }
        Err(DocumentsError::Duplicate(_)) => Err(Error::conflict(
            "you have just consented to this client elsewhere; try again",
        )),
        Err(error) => Err(error.into()),
    }
}

/// A device asks whether its user has decided, and has a grant once they have.
pub(crate) async fn redeem(client: &Client, fields: &Parameters) -> Result<Issued, Failure> {
    let code = fields.required("device_code")?;
    let device = OAUTH_DEVICES.get(&tokens::digest(code)).await?;
    let device = device.filter(|device| device.client_id == client.id);
    let device = device.ok_or_else(Failure::grant)?;
    let now = time::now();
    if device.expires_at <= now {
        return Err(Failure::new(
            "expired_token",
            "the code has run out; begin again",
        ));
    }
    match device.state {
        State::Denied => Err(Failure::new("access_denied", "the user does not consent")),
        State::Waiting => Err(device.asked(now).await?),
        State::Approved => {
            let user = match &device.user_id {
                Some(user) => USERS.get(user).await?.filter(crate::model::User::may_act),
                None => None,
            };
            let user = user.ok_or_else(Failure::grant)?;
            let grant = Grant::new(&user.id, &client.id, device.granted, now);
            let used = json!({"_id": device.digest, "state": State::Approved});
            let used = Transaction::new().delete_one(&OAUTH_DEVICES, used);
            let issued = grants::begin(used, &grant, &user, client).await?;
            issued.ok_or_else(Failure::grant)
        }
    }
}

// === impl Device ===

impl Device {
    /// It waits no more with this change, which is not made where that has happened already.
    fn decided(&self, set: serde_json::Value) -> Transaction {
        Transaction::new().update_one(
            &OAUTH_DEVICES,
            json!({"_id": self.digest, "state": State::Waiting}),
            json!({"$set": set}),
        )
    }

    /// What a device is told that asks before its user has decided: to wait, longer if it asks too often.
    async fn asked(&self, now: Time) -> Result<Failure, Failure> {
        let wait = Duration::from_secs(self.interval);
        let early = self.asked_at.is_some_and(|last| now.since(last) < wait);
        let interval = if early {
            self.interval + INTERVAL
        } else {
            self.interval
        };
        let set = json!({"$set": {"asked_at": now, "interval": interval}});
        OAUTH_DEVICES
            .update_one(json!({"_id": self.digest}), set)
            .await?;
        Ok(match early {
            true => Failure::new("slow_down", format!("ask every {interval} seconds")),
            false => Failure::new(
                "authorization_pending",
                "the user has not decided yet; ask again",
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn codes_for_people_are_letters_and_read_as_typed() {
        let code = user_code().unwrap();
        assert!(code.len() == LENGTH && code.bytes().all(|byte| LETTERS.contains(&byte)));
        assert_ne!(code, user_code().unwrap());
        assert_eq!(typed(" wdjb-mjht "), "WDJBMJHT");
    }
}
