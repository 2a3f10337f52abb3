//! Devices on which a user takes the second step once a month: by a secret that the device keeps, of which the digest
//! alone is kept here. A new password, and whatever becomes of second factors, forgets them all.

use crate::events::Happened;
use crate::model::{Device, User};
use crate::store::REMEMBERED;
use crate::tokens;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Listing, Result, Sort, id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

id!(pub(crate) DeviceId, "dev", "device");

/// How long a device is remembered.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What the secret of one begins with.
const PREFIX: &str = "rd_";
/// Devices that are remembered of a user at a time; the oldest is forgotten for a new one.
pub(crate) const MOST: usize = 10;

/// A device that is remembered, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    #[serde(rename = "_id")]
    pub(crate) id: DeviceId,
    digest: String,
    user_id: String,
    #[serde(flatten)]
    pub(crate) device: Device,
    pub(crate) created_at: Time,
    pub(crate) last_used_at: Time,
    pub(crate) expires_at: Time,
}

/// The secret of a device. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

/// What the list of devices is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeviceSort {
    /// When they were first remembered.
    #[default]
    CreatedAt,
    /// When they were last used to sign in.
    LastUsedAt,
}

/// Whether a device is one that is remembered of a user, which is noted.
pub(crate) async fn knows(user: &User, device: &Device) -> Result<bool> {
    let Some(Secret(secret)) = &device.secret else {
        return Ok(false);
    };
    let now = time::now();
    let known = json!({
        "digest": tokens::digest(secret), "user_id": user.id, "expires_at": {"$gt": now},
    });
    let used = json!({"$set": {"last_used_at": now}});
    Ok(REMEMBERED.find_one_and_update(known, used).await?.is_some())
}

/// With this change a device of a user's is remembered; answers the secret that it keeps.
pub(crate) async fn remember(
    change: Transaction,
    user_id: &str,
    device: &Device,
) -> Result<(Transaction, Secret)> {
    let (now, secret) = (time::now(), tokens::secret(PREFIX)?);
    let remembered = Remembered {
        id: DeviceId::new(),
        digest: tokens::digest(&secret),
        user_id: user_id.to_owned(),
        device: device.clone(),
        created_at: now,
        last_used_at: now,
        expires_at: now + GOOD_FOR,
    };
    let own = REMEMBERED.find(json!({"user_id": user_id}));
    let own = own.sort(json!({"created_at": -1})).fetch().await?.documents;
    let surplus = own.iter().skip(MOST - 1).map(|device| &device.id);
    let surplus: Vec<_> = surplus.collect();
    let change = change
        .delete_many(&REMEMBERED, json!({"_id": {"$in": surplus}}))
        .insert(&REMEMBERED, &remembered);
    let device_id = &remembered.id;
    let change = Happened::DeviceRemembered { user_id, device_id }.told_by(change);
    Ok((change, Secret(secret)))
}

/// A page of the devices that are remembered of a user.
pub(crate) async fn list(user_id: &str, listing: &Listing<DeviceSort>) -> Result<Page<Remembered>> {
    let own = REMEMBERED.find(json!({"user_id": user_id}));
    own.page(listing).await
}

/// Forgets a device of a user's. Somebody else's is not there.
pub(crate) async fn forget(user_id: &str, device_id: &DeviceId) -> Result<()> {
    let own = json!({"_id": device_id, "user_id": user_id});
    let change = Transaction::new().delete_one(&REMEMBERED, own);
    let forgotten = Happened::DeviceForgotten { user_id, device_id };
    match forgotten.told_by(change).commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("device")),
        Err(error) => Err(error.into()),
    }
}

/// With this change no device of a user's is remembered.
pub(crate) fn forget_all(change: Transaction, user_id: &str) -> Transaction {
    change.delete_many(&REMEMBERED, json!({"user_id": user_id}))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

impl Sort for DeviceSort {
    const ITEMS: &'static str = "devices";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::LastUsedAt => "last_used_at",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, login, register, signed_in};
    use crate::totp::tests::with_app;
    use sbd_sdk::testing::{App, Client, Reply};

    const LIST: &str = "/api/v1/auth/me/remembered-devices";
    const STEP: &str = "/api/v1/auth/login/second-factor";

    /// Signs in on a device that is remembered.
    fn again(app: &App, name: &str, secret: &str) -> Reply {
        let request = json!({
            "identifier": name, "password": PASSWORD, "remembered_device": secret,
        });
        app.anonymous().post("/api/v1/auth/login", request)
    }

    /// Takes the second step, to be remembered.
    fn remembered(app: &App, code: &str) -> String {
        remembered_by(app, PASSWORD, code)
    }

    fn remembered_by(app: &App, password: &str, code: &str) -> String {
        let first = login(app, "ada", password).assert_status(202);
        let step = json!({
            "second_factor_token": first["second_factor_token"],
            "code": code,
            "remember_device": true,
        });
        let done = app.anonymous().post(STEP, step).assert_status(200);
        done.text("remembered_device").to_owned()
    }

    fn ada(app: &App) -> (Client<'_>, Vec<String>) {
        register(app, "ada").assert_status(201);
        let tokens = login(app, "ada", PASSWORD).assert_status(200);
        assert!(tokens.body().get("remembered_device").is_none());
        let ada = signed_in(app, &tokens);
        let (_, codes) = with_app(app, &ada);
        (ada, codes)
    }

    #[test]
    fn a_device_takes_the_second_step_once_a_month() {
        let app = app();
        let (ada, codes) = ada(&app);
        let secret = remembered(&app, &codes[0]);
        app.advance(Duration::from_millis(1));
        let tokens = again(&app, "ada", &secret).assert_status(200);
        let proofs = &signed_in(&app, &tokens).get("/api/v1/auth/sessions")["items"][0]["proofs"];
        assert_eq!(*proofs, json!(["password", "remembered_device"]));
        // Neither another secret, nor hers for somebody else, nor without the password.
        again(&app, "ada", "rd_other").assert_status(202);
        register(&app, "bob").assert_status(201);
        let bob = login(&app, "bob", PASSWORD).assert_status(200);
        with_app(&app, &signed_in(&app, &bob));
        again(&app, "bob", &secret).assert_status(202);
        let wrong = json!({
            "identifier": "ada", "password": "Wrong-horse-7", "remembered_device": secret,
        });
        let wrong = app.anonymous().post("/api/v1/auth/login", wrong);
        wrong.assert_refused(401, "INVALID_CREDENTIALS");
        let list = ada.get(LIST).assert_status(200);
        assert_eq!(list["total"], 1);
        assert!(!list.body().to_string().contains(&secret[3..]));
        app.advance(GOOD_FOR);
        again(&app, "ada", &secret).assert_status(202);
    }

    #[test]
    fn devices_are_forgotten_by_whose_they_are() {
        let app = app();
        let (ada, codes) = ada(&app);
        let one = remembered(&app, &codes[0]);
        app.advance(Duration::from_millis(1));
        let other = remembered(&app, &codes[1]);
        let list = ada.get(LIST).assert_status(200);
        let id = list["items"][1]["id"].as_str().unwrap();
        register(&app, "bob").assert_status(201);
        let bob = signed_in(&app, &login(&app, "bob", PASSWORD));
        let address = format!("{LIST}/{id}");
        bob.delete(&address).assert_refused(404, "NOT_FOUND");
        ada.delete(&address).assert_status(204);
        ada.delete(&address).assert_refused(404, "NOT_FOUND");
        ada.delete(&format!("{LIST}/x"))
            .assert_refused(404, "NOT_FOUND");
        again(&app, "ada", &one).assert_status(202);
        again(&app, "ada", &other).assert_status(200);
        ada.delete(LIST).assert_status(204);
        again(&app, "ada", &other).assert_status(202);
        app.anonymous()
            .get(LIST)
            .assert_refused(401, "UNAUTHENTICATED");
    }

    #[test]
    fn a_new_password_and_other_factors_forget_them_all() {
        let app = app();
        let (ada, codes) = ada(&app);
        let secret = remembered(&app, &codes[0]);
        let change = json!({"current_password": PASSWORD, "new_password": "Battery-staple-8"});
        ada.put("/api/v1/auth/me/password", change)
            .assert_status(204);
        let request = json!({
            "identifier": "ada", "password": "Battery-staple-8", "remembered_device": secret,
        });
        let login = app.anonymous().post("/api/v1/auth/login", request);
        login.assert_status(202);
        // An app that is turned off and on again is another one.
        let other = remembered_by(&app, "Battery-staple-8", &codes[1]);
        let off = json!({"code": codes[2]});
        ada.post("/api/v1/auth/me/totp/turn-off", off)
            .assert_status(204);
        with_app(&app, &ada);
        let request = json!({
            "identifier": "ada", "password": "Battery-staple-8", "remembered_device": other,
        });
        let login = app.anonymous().post("/api/v1/auth/login", request);
        login.assert_status(202);
    }

    #[test]
    fn there_are_ten_at_most_and_a_browser_keeps_one_in_a_cookie() {
        let app = app();
        let (ada, codes) = ada(&app);
        let first = remembered(&app, &codes[0]);
        for code in &codes[1..9] {
            app.advance(Duration::from_millis(1));
            remembered(&app, code);
        }
        let new = ada.post("/api/v1/auth/me/backup-codes", json!({}));
        let new: Vec<String> = serde_json::from_value(new["backup_codes"].clone()).unwrap();
        app.advance(Duration::from_millis(1));
        remembered(&app, &new[0]);
        again(&app, "ada", &first).assert_status(200);
        app.advance(Duration::from_millis(1));
        let request = json!({"identifier": "ada", "password": PASSWORD, "mode": "cookie"});
        let begun = app.anonymous().post("/api/v1/auth/login", request.clone());
        let step = json!({
            "second_factor_token": begun.assert_status(202)["second_factor_token"],
            "code": new[1],
            "remember_device": true,
        });
        let done = app.anonymous().post(STEP, step).assert_status(204);
        again(&app, "ada", &first).assert_status(202);
        assert_eq!(ada.get(LIST)["total"], MOST);
        let cookie = done.header("set-cookie").unwrap();
        let (pair, told) = cookie.split_once("; ").unwrap();
        let expected = "Path=/api/v1/auth/login; Max-Age=2592000; HttpOnly; SameSite=Strict";
        assert_eq!(told, expected);
        let browser = app
            .anonymous()
            .with_header("cookie", &format!("a=b; {pair}"));
        browser
            .post("/api/v1/auth/login", request)
            .assert_status(204);
    }
}
