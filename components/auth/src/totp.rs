//! Codes of an authenticator app (RFC 6238): six digits, another one every 30 seconds, of a secret that the app and the
//! vault have. Each is good once.
//!
//! The secret is set up first, and turned on by a code of it, so that nobody is locked out by an app that has
//! another one.

use crate::events::Happened;
use crate::model::{Proof, User};
use crate::second_factor::{self, SecondFactors};
use crate::store::{SECOND_FACTORS, TOTP_SETUPS, USERS};
use crate::{backup_codes, confirmation, notices, throttle, tokens};
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::qr::QRBuilder;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::vault::{self, Opened};
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use totp_rs::{Algorithm, Builder, Secret};

/// How long there is to turn on what was set up.
pub(crate) const SETUP: Duration = Duration::from_secs(15 * 60);
/// What secrets are sealed for; the user's id is the context.
const PURPOSE: &str = "totp";
/// Bytes of a secret, as RFC 4226 recommends.
const BYTES: usize = 20;
/// Digits of a code.
const DIGITS: u8 = 6;
/// Seconds that a code is for.
const STEP: u64 = 30;
/// Steps that an app's clock may be ahead or behind.
const DRIFT: u16 = 1;
/// Who the app says that codes are for.
const ISSUER: &str = "Second Brain";
/// The tenant that the app need not name.
const USUAL_TENANT: &str = "default";

/// A user's authenticator app, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Totp {
    /// Sealed.
    secret: String,
    /// Of the last code that was used. No code of it, or of one before, is good any more.
    last_step: u64,
    pub(crate) since: Time,
}

/// An authenticator app that is being set up, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    #[serde(rename = "_id")]
    user_id: String,
    /// Sealed.
    secret: String,
    expires_at: Time,
}

/// What an app is told of a secret, which nobody is told again.
pub(crate) struct New {
    /// In base32, for who types it.
    pub(crate) secret: String,
    pub(crate) uri: String,
    /// The same as a picture.
    pub(crate) qr: String,
}

/// Makes a secret for the caller's app.
pub(crate) async fn set_up(caller: &Caller) -> Result<New> {
    confirmation::fresh(caller).await?;
    let user = USERS.get(&caller.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    let factors = SECOND_FACTORS.get(&user.id).await?;
    if factors.is_some_and(|factors| factors.totp.is_some()) {
        return Err(is_on());
    }
    let random = tokens::random()?;
    let secret = random.get(..BYTES).unwrap_or(&random);
    let setup = Setup {
        user_id: user.id.clone(),
        secret: vault::encrypt(PURPOSE, &user.id, secret).await?,
        expires_at: time::now() + SETUP,
    };
    let change = Transaction::new()
        .delete_many(&TOTP_SETUPS, json!({"_id": user.id}))
        .insert(&TOTP_SETUPS, &setup);
    change.commit().await?;
    New::of(secret, &caller.tenant, &user)
}

/// Turns on what was set up, by a code of it; answers backup codes, which are never shown again.
pub(crate) async fn turn_on(caller: &Caller, code: &str) -> Result<Vec<String>> {
    confirmation::fresh(caller).await?;
    let setup = TOTP_SETUPS.get(&caller.user).await?;
    let setup = setup.filter(|setup| time::now() < setup.expires_at);
    let setup = setup.ok_or_else(no_setup)?;
    let attempts = throttle::SECOND_STEP.of(&caller.user);
    attempts.count(time::now()).await?;
    let step = matched(&setup.secret, &caller.user, code).await?;
    let step = step.ok_or_else(|| {
        Error::validation(
            "code",
            "is not one of this secret; see that the app's clock is right",
        )
    })?;
    attempts.forget().await?;
    let user_id = &*caller.user;
    let (codes, digests) = backup_codes::new(user_id)?;
    let factors = SecondFactors {
        user_id: user_id.to_owned(),
        totp: Some(Totp {
            secret: setup.secret.clone(),
            last_step: step,
            since: time::now(),
        }),
        backup_codes: digests,
    };
    let change = Transaction::new()
        .delete_one(
            &TOTP_SETUPS,
            json!({"_id": user_id, "secret": setup.secret}),
        )
        .check(
            &SECOND_FACTORS,
            json!({"_id": user_id, "totp": {"$ne": null}}),
            0,
        )
        .delete_many(&SECOND_FACTORS, json!({"_id": user_id}))
        .insert(&SECOND_FACTORS, &factors);
    let change = second_factor::begin_anew(change, user_id);
    let method = Proof::Totp;
    let change = Happened::SecondFactorOn { user_id, method }.told_by(change);
    match notices::second_factor_on(change, user_id).commit().await {
        Ok(_) => Ok(codes),
        Err(DocumentsError::PreconditionFailed(0)) => Err(no_setup()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(is_on()),
        Err(error) => Err(error.into()),
    }
}

/// Turns the caller's app off, by a code.
pub(crate) async fn turn_off(caller: &Caller, code: &str) -> Result<()> {
    confirmation::fresh(caller).await?;
    if second_factor::is_last(caller, &[Proof::Totp, Proof::BackupCode]).await? {
        return Err(Error::conflict(
            "accounts like yours have to have a second factor here; add another one first",
        ));
    }
    let (_, used) = confirmation::by_code(caller, code).await?;
    let user_id = &*caller.user;
    let change = used.delete_one(
        &SECOND_FACTORS,
        json!({"_id": user_id, "totp": {"$ne": null}}),
    );
    let change = second_factor::begin_anew(change, user_id);
    let method = Proof::Totp;
    let change = Happened::SecondFactorOff { user_id, method }.told_by(change);
    match notices::second_factor_off(change, user_id).commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::conflict(
            "the code was used at the same time, or no app is on; see what there is, and try again",
        )),
        Err(error) => Err(error.into()),
    }
}

/// The change by which a code of a user's app is used, once; none, where it is wrong or was used.
pub(crate) async fn used(user_id: &str, totp: &Totp, code: &str) -> Result<Option<Transaction>> {
    let step = matched(&totp.secret, user_id, code).await?;
    let step = step.filter(|step| *step > totp.last_step);
    Ok(step.map(|step| {
        let not_yet = json!({"_id": user_id, "totp.last_step": {"$lt": step}});
        let used = json!({"$set": {"totp.last_step": step}});
        Transaction::new().update_one(&SECOND_FACTORS, not_yet, used)
    }))
}

/// A code as an app shows it, if it is one: people type a space in the middle.
pub(crate) fn code(typed: &str) -> Option<String> {
    let code: String = typed.split_whitespace().collect();
    let is_code = code.len() == usize::from(DIGITS) && code.bytes().all(|b| b.is_ascii_digit());
    is_code.then_some(code)
}

/// The step that a code is of, if it is one of this sealed secret's, now or a moment ago or to come.
async fn matched(sealed: &str, user_id: &str, typed: &str) -> Result<Option<u64>> {
    let secret = match vault::decrypt(PURPOSE, user_id, sealed).await? {
        Opened::Plain(secret) => secret,
        Opened::UnknownKey => return Err(left_behind()),
        Opened::Forged => return Err(Error::internal("the secret of an app does not open")),
    };
    let Some(code) = code(typed) else {
        return Ok(None);
    };
    let now = u64::try_from(time::now().seconds()).unwrap_or_default();
    Ok(totp(&secret)?.check(&code, now))
}

fn totp(secret: &[u8]) -> Result<totp_rs::Totp> {
    let builder = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_step_duration(STEP)
        .with_skew(DRIFT)
        .with_secret(Secret::new(secret.into()));
    builder.build().map_err(Error::internal)
}

/// It is not let go of: whoever has the backup codes gets in, and administrators reset it.
fn left_behind() -> Error {
    Error::conflict(
        "the secret of this app stayed where the account was imported from; use a backup code, or have an administrator reset your second factor",
    )
}

fn no_setup() -> Error {
    Error::conflict("nothing is set up, or it has run out; set the app up anew")
}

fn is_on() -> Error {
    Error::conflict("an authenticator app is on already; turn it off first")
}

// === impl New ===

impl New {
    fn of(secret: &[u8], tenant: &str, user: &User) -> Result<Self> {
        let issuer = match tenant {
            USUAL_TENANT | "" => ISSUER.to_owned(),
            tenant => format!("{ISSUER} ({tenant})"),
        };
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (issuer, name) = (encode(&issuer), encode(&user.username));
        let secret = Secret::new(secret.into()).to_base32();
        let uri = format!(
            "otpauth://totp/{issuer}:{name}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}"
        );
        let qr = QRBuilder::new(uri.as_str()).build();
        let qr = qr.map_err(|error| Error::internal(format_args!("{error:?}")))?;
        Ok(Self {
            secret,
            uri,
            qr: SvgBuilder::default().to_str(&qr),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, login, register, signed_in};
    use sbd_sdk::testing::{App, Client, Reply};

    const AT: &str = "/api/v1/auth/me/totp";
    const CONFIRM: &str = "/api/v1/auth/me/totp/confirm";
    const OFF: &str = "/api/v1/auth/me/totp/turn-off";
    const CODES: &str = "/api/v1/auth/me/backup-codes";

    /// A step later, which is long enough for the next code.
    pub(crate) const NEXT: Duration = Duration::from_secs(STEP);

    /// What an app shows now, or so many steps later.
    pub(crate) fn shown(app: &App, secret: &str, steps: i64) -> String {
        let secret = Secret::try_from_base32(secret).unwrap();
        let totp = totp(secret.as_bytes()).unwrap();
        let at = app.now().seconds() + steps * STEP.cast_signed();
        totp.generate(at.cast_unsigned()).to_string()
    }

    /// Somebody whose app is on: the secret, and backup codes.
    pub(crate) fn with_app(app: &App, ada: &Client<'_>) -> (String, Vec<String>) {
        let setup = ada.post(AT, json!({})).assert_status(200);
        let secret = setup.text("secret").to_owned();
        let code = shown(app, &secret, 0);
        let on = ada.post(CONFIRM, json!({"code": code})).assert_status(200);
        assert_eq!(on.header("cache-control"), Some("no-store"));
        let codes = serde_json::from_value(on["backup_codes"].clone());
        (secret, codes.unwrap())
    }

    fn step(app: &App, first: &Reply, code: &str) -> Reply {
        let token = first.text("second_factor_token");
        let request = json!({"second_factor_token": token, "code": code});
        app.anonymous()
            .post("/api/v1/auth/login/second-factor", request)
    }

    pub(crate) fn sign_in(app: &App, code: &str) -> Reply {
        let first = login(app, "ada", PASSWORD).assert_status(202);
        step(app, &first, code)
    }

    /// RFC 6238, appendix B, of whose eight digits the last six are ours.
    #[test]
    fn codes_are_those_of_the_standard() {
        let totp = totp(b"12345678901234567890").unwrap();
        for (at, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(totp.generate(at).to_string(), code[2..]);
            let matched = |at| totp.check(&code[2..], at);
            assert_eq!(matched(at), Some(at / STEP));
            assert_eq!(matched(at + STEP), Some(at / STEP));
            assert_eq!(matched(at - STEP), Some(at / STEP));
            assert_eq!(matched(at + 2 * STEP), None);
        }
    }

    #[test]
    fn an_app_is_on_once_it_has_shown_a_code() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens);
        let setup = ada.post(AT, json!({})).assert_status(200);
        assert_eq!(setup.header("cache-control"), Some("no-store"));
        let secret = setup.text("secret");
        assert_eq!(secret.len(), 32);
        let uri = setup.text("uri");
        let expected = format!(
            "otpauth://totp/Second%20Brain%20%28test%29:ada?secret={secret}&issuer=Second%20Brain%20%28test%29&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(uri, expected);
        assert!(setup.text("qr").starts_with("<svg"));
        // Nobody is locked out by what they only began.
        login(&app, "ada", PASSWORD).assert_status(200);
        let wrong = ada.post(CONFIRM, json!({"code": "000000"}));
        wrong.assert_refused(422, "VALIDATION_ERROR");
        // The one that was set up last counts.
        let again = ada.post(AT, json!({})).assert_status(200);
        let old = json!({"code": shown(&app, secret, 0)});
        ada.post(CONFIRM, old)
            .assert_refused(422, "VALIDATION_ERROR");
        let code = json!({"code": shown(&app, again.text("secret"), 0)});
        let on = ada.post(CONFIRM, code.clone()).assert_status(200);
        assert_eq!(on["backup_codes"].as_array().unwrap().len(), 10);
        ada.post(CONFIRM, code).assert_refused(409, "CONFLICT");
        ada.post(AT, json!({})).assert_refused(409, "CONFLICT");
        login(&app, "ada", PASSWORD).assert_status(202);
        // Neither the secret nor a code is kept.
        let stored = app.run(SECOND_FACTORS.find(json!({})).fetch()).unwrap();
        let stored = serde_json::to_string(&stored.documents).unwrap();
        assert!(!stored.contains(again.text("secret")));
        assert!(!stored.contains(on["backup_codes"][0].as_str().unwrap()));
        let mine = ada.get("/api/v1/auth/me/second-factor").assert_status(200);
        assert_eq!(mine["methods"], json!(["totp", "backup_code"]));
        assert_eq!(mine["backup_codes_left"], 10);
    }

    #[test]
    fn what_was_set_up_runs_out() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens);
        let setup = ada.post(AT, json!({})).assert_status(200);
        app.advance(SETUP);
        let password = json!({"password": PASSWORD});
        let tokens = crate::tests::renew(&app, &tokens);
        let ada = signed_in(&app, &tokens);
        ada.post("/api/v1/auth/me/confirm", password)
            .assert_status(204);
        let code = json!({"code": shown(&app, setup.text("secret"), 0)});
        ada.post(CONFIRM, code).assert_refused(409, "CONFLICT");
    }

    #[test]
    fn a_code_is_good_for_a_step_before_and_after_and_once() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let (secret, _) = with_app(&app, &signed_in(&app, &tokens));
        // That which turned it on is used.
        let used = shown(&app, &secret, 0);
        sign_in(&app, &used).assert_refused(401, "INVALID_CREDENTIALS");
        app.advance(3 * NEXT);
        for steps in [-2, 2] {
            let off = shown(&app, &secret, steps);
            sign_in(&app, &off).assert_refused(401, "INVALID_CREDENTIALS");
        }
        let behind = shown(&app, &secret, -1);
        sign_in(&app, &behind).assert_status(200);
        let ahead = shown(&app, &secret, 1);
        let spaced = format!(" {} {}", &ahead[..3], &ahead[3..]);
        sign_in(&app, &spaced).assert_status(200);
        // None of a step before one that was used, though it was never used itself.
        for code in [&behind, &shown(&app, &secret, 0), &ahead] {
            sign_in(&app, code).assert_refused(401, "INVALID_CREDENTIALS");
        }
        app.advance(2 * NEXT);
        sign_in(&app, &shown(&app, &secret, 0)).assert_status(200);
    }

    #[test]
    fn two_sign_ins_at_once_do_not_share_a_code() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let (secret, codes) = with_app(&app, &signed_in(&app, &tokens));
        app.advance(NEXT);
        let user = app.run(USERS.find_one(json!({}))).unwrap().unwrap();
        for code in [&shown(&app, &secret, 0), &codes[0]] {
            // Both have looked, and neither has used it.
            let look = || {
                app.run(second_factor::shown(&user, code))
                    .unwrap()
                    .unwrap()
                    .1
            };
            let (one, other) = (look(), look());
            app.run(one.commit()).unwrap();
            let late = app.run(other.commit()).unwrap_err();
            assert!(matches!(late, DocumentsError::PreconditionFailed(0)));
        }
    }

    #[test]
    fn backup_codes_are_good_once_and_made_anew() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens);
        ada.post(CODES, json!({})).assert_refused(409, "CONFLICT");
        let (_, codes) = with_app(&app, &ada);
        sign_in(&app, &codes[0]).assert_status(200);
        sign_in(&app, &codes[0]).assert_refused(401, "INVALID_CREDENTIALS");
        let mine = ada.get("/api/v1/auth/me/second-factor");
        assert_eq!(mine["backup_codes_left"], 9);
        let new = ada.post(CODES, json!({})).assert_status(200);
        sign_in(&app, &codes[1]).assert_refused(401, "INVALID_CREDENTIALS");
        sign_in(&app, new["backup_codes"][1].as_str().unwrap()).assert_status(200);
        let kinds: Vec<_> = app
            .published()
            .into_iter()
            .map(|event| event.kind)
            .collect();
        for kind in [
            "account.second_factor_on",
            "account.backup_code_used",
            "account.backup_codes_made",
        ] {
            assert!(kinds.iter().any(|told| told == kind), "{kind}");
        }
    }

    #[test]
    fn an_app_is_turned_off_by_a_code_of_who_showed_who_they_are() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens);
        let any = json!({"code": "123456"});
        ada.post(OFF, any.clone())
            .assert_refused(422, "VALIDATION_ERROR");
        let (secret, codes) = with_app(&app, &ada);
        app.advance(confirmation::FRESH);
        let now = json!({"code": shown(&app, &secret, 0)});
        for (method, path, body) in [
            ("POST", OFF, now.clone()),
            ("POST", CODES, json!({})),
            ("POST", AT, json!({})),
            ("POST", CONFIRM, any.clone()),
        ] {
            let refused = ada.send(method.parse().unwrap(), path, Some(body));
            refused.assert_refused(403, "CONFIRMATION_REQUIRED");
        }
        ada.post("/api/v1/auth/me/confirm", now.clone())
            .assert_status(204);
        ada.post(OFF, now).assert_refused(422, "VALIDATION_ERROR");
        ada.post(OFF, json!({"code": codes[0]})).assert_status(204);
        login(&app, "ada", PASSWORD).assert_status(200);
        let mine = ada.get("/api/v1/auth/me/second-factor");
        assert_eq!(
            (&mine["methods"], &mine["totp_since"]),
            (&json!([]), &json!(null))
        );
    }

    #[test]
    fn where_the_key_is_lost_nobody_gets_in_by_a_password_alone() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let (secret, codes) = with_app(&app, &signed_in(&app, &tokens));
        app.advance(NEXT);
        app.lose_vault_keys();
        let left_behind = sign_in(&app, &shown(&app, &secret, 0));
        let left_behind = left_behind.assert_refused(409, "CONFLICT");
        let said = left_behind["error"]["message"].as_str().unwrap();
        assert!(said.contains("backup code"), "{said}");
        sign_in(&app, &codes[0]).assert_status(200);
    }

    #[test]
    fn bad_input_is_refused() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens);
        for path in [CONFIRM, OFF] {
            for body in [
                json!({}),
                json!({"code": ""}),
                json!({"code": 123_456}),
                json!({"code": "1".repeat(65)}),
                json!({"code": "123456", "more": 1}),
            ] {
                ada.post(path, body).assert_refused(422, "VALIDATION_ERROR");
            }
        }
        for path in [AT, CONFIRM, OFF, CODES] {
            let anonymous = app.anonymous().post(path, json!({"code": "123456"}));
            anonymous.assert_refused(401, "UNAUTHENTICATED");
        }
        ada.post(AT, json!({})).assert_status(200);
        for _ in 0..throttle::SECOND_STEP.most {
            let wrong = ada.post(CONFIRM, json!({"code": "x"}));
            wrong.assert_refused(422, "VALIDATION_ERROR");
        }
        ada.post(CONFIRM, json!({"code": "x"}))
            .assert_refused(429, "RATE_LIMITED");
    }
}
