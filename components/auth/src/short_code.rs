//! The short code of a mail: eight digits, for whoever reads it on another device than the one they go on with. It is
//! worth nothing to anybody but whom it was mailed for, who says who they are: by being signed in, or by their address.
//!
//! Of each only a hash is kept, as of passwords, since eight digits are soon tried. Wrong ones are counted for the user
//! or the address that was given and not for an account: whether there is one does not show, nor by the time it takes.

use crate::mailed::{self, Mailed, Purpose};
use crate::model::Device;
use crate::store::{MAILED, USERS};
use crate::{throttle, tokens};
use sbd_sdk::{Caller, Error, Result, passwords, text, time};
use serde_json::json;

/// Digits of a code, which makes a hundred million of them, of which few are tried.
const DIGITS: usize = 8;
const MANY: u64 = 100_000_000;

/// A new one as it stands in a mail, and the hash of it.
pub(crate) async fn new() -> Result<(String, String)> {
    let [a, b, c, d, e, f, g, h, ..] = tokens::random()?;
    // Of so many more that none is likelier than another by anything that could be told.
    let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]) % MANY;
    let digits = format!("{number:08}");
    let hash = passwords::hash(&digits).await?;
    let (first, last) = digits.split_at(DIGITS / 2);
    Ok((format!("{first}-{last}"), hash))
}

/// The digits of a code, however it is typed; none, where it is no short one.
pub(crate) fn typed(code: &str) -> Option<String> {
    let digits = code.chars().filter(|c| !matches!(c, ' ' | '-'));
    let digits: String = digits.take(DIGITS + 1).collect();
    let right = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    right.then_some(digits)
}

/// What a code was mailed to the caller for, if it is one of these.
pub(crate) async fn of_caller(caller: &Caller, purposes: &[Purpose], code: &str) -> Result<Mailed> {
    let code = required(code)?;
    let attempts = throttle::MAILED_CODE.of(&caller.user);
    attempts.count(time::now()).await?;
    let mailed = matching(&caller.user, purposes, &code).await?;
    let mailed = mailed.ok_or_else(mailed::unknown)?;
    attempts.take_back().await?;
    Ok(mailed)
}

/// What a code was mailed for to whoever has an account with this address, if it is this.
pub(crate) async fn of_address(
    address: &str,
    purpose: Purpose,
    code: &str,
    device: &Device,
) -> Result<Mailed> {
    let (code, now) = (required(code)?, time::now());
    let network = device.address.as_deref();
    let network = network.map(|address| throttle::MAILED_CODE_FROM.of_network(address));
    if let Some(network) = &network {
        network.count(now).await?;
    }
    let attempts = throttle::MAILED_CODE.of(address);
    attempts.count(now).await?;
    let user = USERS.find_one(json!({"email_key": text::key(address)}));
    let user_id = user.await?.map(|user| user.id).unwrap_or_default();
    let mailed = matching(&user_id, &[purpose], &code).await?;
    let mailed = mailed.ok_or_else(mailed::unknown)?;
    attempts.take_back().await?;
    if let Some(network) = &network {
        network.take_back().await?;
    }
    Ok(mailed)
}

/// What was mailed to a user with this code. One is compared for each purpose, whatever was mailed.
async fn matching(user_id: &str, purposes: &[Purpose], code: &str) -> Result<Option<Mailed>> {
    for purpose in purposes {
        let of_user = json!({"user_id": user_id, "purpose": purpose});
        let mailed = MAILED.find_one(of_user).await?;
        let mailed = mailed.filter(|mailed| mailed.is_for(purposes));
        let hash = mailed.as_ref().and_then(|mailed| mailed.code.as_deref());
        if passwords::verify(code, hash).await?.valid {
            return Ok(mailed);
        }
    }
    Ok(None)
}

fn required(code: &str) -> Result<String> {
    typed(code).ok_or_else(|| Error::validation("code", "the eight digits of the mail"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::mailed::GOOD_FOR;
    use crate::tests::{PASSWORD, app, login, mailed_code, register, signed_in};
    use crate::throttle::{MAILED_CODE, MAILED_CODE_FROM};
    use sbd_sdk::testing::{App, Reply};
    use std::time::Duration;

    const RESETS: &str = "/api/v1/auth/password-resets";
    const EMAIL: &str = "/api/v1/auth/me/email";
    const NEW: &str = "Battery-staple-8";

    fn ask(app: &App, email: &str) {
        let asked = app.anonymous().post(RESETS, json!({"email": email}));
        asked.assert_status(204);
        app.run_tasks();
    }

    fn reset_from(app: &App, network: &str, email: &str, code: &str, password: &str) -> Reply {
        let reset = json!({"email": email, "code": code, "new_password": password});
        let from = app.anonymous().with_header("spin-client-addr", network);
        from.post(&format!("{RESETS}/complete-by-code"), reset)
    }

    fn reset(app: &App, email: &str, code: &str, password: &str) -> Reply {
        reset_from(app, "192.0.2.7:1", email, code, password)
    }

    /// Another code than this.
    fn wrong(code: &str) -> String {
        let other = if code.starts_with('1') { "2" } else { "1" };
        format!("{other}{}", &code[1..])
    }

    #[test]
    fn a_code_is_eight_digits_however_it_is_typed() {
        for (text, code) in [
            ("1234-5678", Some("12345678")),
            (" 12 34 56-78 ", Some("12345678")),
            ("00000000", Some("00000000")),
            ("1234567", None),
            ("123456789", None),
            ("1234567a", None),
            ("\u{661}2345678", None),
            ("", None),
            ("mt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY", None),
        ] {
            assert_eq!(typed(text).as_deref(), code, "{text}");
        }
        assert_eq!(typed(&"1 ".repeat(1 << 20)), None);
        let app = app();
        let (one, other) = (app.run(new()).unwrap(), app.run(new()).unwrap());
        assert!(typed(&one.0).is_some() && one.0 != other.0);
        assert!(!one.1.contains(&typed(&one.0).unwrap()));
    }

    #[test]
    fn a_new_password_is_set_by_the_code_and_the_address_once() {
        let app = app();
        register(&app, "ada").assert_status(201);
        register(&app, "bob").assert_status(201);
        ask(&app, "ada@example.com");
        ask(&app, "bob@example.com");
        let code = mailed_code(&app, "reset-password", "ada@example.com");
        // It is nobody else's, and is used by nothing that fails.
        reset(&app, "bob@example.com", &code, NEW).assert_refused(401, "TOKEN_INVALID");
        reset(&app, "eve@example.com", &code, NEW).assert_refused(401, "TOKEN_INVALID");
        for _ in 0..2 * MAILED_CODE.most {
            reset(&app, "ada@example.com", &code, PASSWORD).assert_refused(422, "VALIDATION_ERROR");
        }
        reset(&app, "ADA@example.com ", &code.replace('-', ""), NEW).assert_status(204);
        reset(&app, "ada@example.com", &code, "Another-one-9").assert_refused(401, "TOKEN_INVALID");
        login(&app, "ada", NEW).assert_status(200);
    }

    #[test]
    fn neither_codes_nor_addresses_are_guessed() {
        let app = app();
        register(&app, "ada").assert_status(201);
        ask(&app, "ada@example.com");
        ask(&app, "eve@example.com");
        let code = mailed_code(&app, "reset-password", "ada@example.com");
        // What is said to a guess is the same where there is no such account, as is how many there are.
        for email in ["ada@example.com", "eve@example.com"] {
            for _ in 0..MAILED_CODE.most {
                let refused = reset(&app, email, &wrong(&code), NEW);
                refused.assert_refused(401, "TOKEN_INVALID");
            }
            reset(&app, email, &code, NEW).assert_refused(429, "RATE_LIMITED");
        }
        // The link is good all the same.
        let token = crate::tests::mailed(&app, "reset-password", "ada@example.com");
        let by_link = json!({"token": token, "new_password": NEW});
        let complete = format!("{RESETS}/complete");
        app.anonymous().post(&complete, by_link).assert_status(204);
        // Nor are they tried for many addresses from one network.
        let from = "198.51.100.7:1";
        for guess in 0..MAILED_CODE_FROM.most {
            let email = format!("user{guess}@example.com");
            let refused = reset_from(&app, from, &email, "1234-5678", NEW);
            refused.assert_refused(401, "TOKEN_INVALID");
        }
        let refused = reset_from(&app, from, "last@example.com", "1234-5678", NEW);
        refused.assert_refused(429, "RATE_LIMITED");
    }

    #[test]
    fn a_code_is_good_for_an_hour_and_the_last_one_alone() {
        let app = app();
        register(&app, "ada").assert_status(201);
        ask(&app, "ada@example.com");
        let first = mailed_code(&app, "reset-password", "ada@example.com");
        ask(&app, "ada@example.com");
        let second = mailed_code(&app, "reset-password", "ada@example.com");
        reset(&app, "ada@example.com", &first, NEW).assert_refused(401, "TOKEN_INVALID");
        app.advance(GOOD_FOR - Duration::from_secs(1));
        reset(&app, "ada@example.com", &second, "short").assert_refused(422, "VALIDATION_ERROR");
        app.advance(Duration::from_secs(1));
        reset(&app, "ada@example.com", &second, NEW).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn an_address_is_confirmed_by_the_code_of_whoever_is_signed_in() {
        let app = app();
        register(&app, "ada").assert_status(201);
        register(&app, "bob").assert_status(201);
        let (ada, bob) = (login(&app, "ada", PASSWORD), login(&app, "bob", PASSWORD));
        let (ada, bob) = (signed_in(&app, &ada), signed_in(&app, &bob));
        let confirmation = format!("{EMAIL}/confirmation");
        ada.post(&format!("{EMAIL}/verification"), json!({}))
            .assert_status(204);
        app.run_tasks();
        let code = json!({"code": mailed_code(&app, "verify-address", "ada@example.com")});
        bob.post(&confirmation, code.clone())
            .assert_refused(401, "TOKEN_INVALID");
        app.anonymous()
            .post(&confirmation, code.clone())
            .assert_refused(401, "UNAUTHENTICATED");
        ada.post(&confirmation, code.clone()).assert_status(204);
        assert_eq!(ada.get("/api/v1/auth/me")["email_verified"], true);
        ada.post(&confirmation, code)
            .assert_refused(401, "TOKEN_INVALID");
        // Another address, too, and nobody guesses for ever that one is theirs.
        let change = json!({"email": "ada@example.net", "password": PASSWORD});
        ada.put(EMAIL, change).assert_status(204);
        app.run_tasks();
        let code = mailed_code(&app, "verify-address", "ada@example.net");
        for _ in 1..MAILED_CODE.most {
            ada.post(&confirmation, json!({"code": wrong(&code)}))
                .assert_refused(401, "TOKEN_INVALID");
        }
        ada.post(&confirmation, json!({"code": code}))
            .assert_refused(429, "RATE_LIMITED");
        app.advance(GOOD_FOR - Duration::from_secs(1));
        let now = login(&app, "ada", PASSWORD);
        signed_in(&app, &now)
            .post(&confirmation, json!({"code": code}))
            .assert_refused(429, "RATE_LIMITED");
    }

    #[test]
    fn bad_input_is_refused_and_counts_for_nothing() {
        let app = app();
        register(&app, "ada").assert_status(201);
        ask(&app, "ada@example.com");
        let code = mailed_code(&app, "reset-password", "ada@example.com");
        let complete = format!("{RESETS}/complete-by-code");
        for input in [
            json!({"code": code, "new_password": NEW}),
            json!({"email": "ada@example.com", "new_password": NEW}),
            json!({"email": "ada@example.com", "code": code}),
            json!({"email": "ada@example.com", "code": "", "new_password": NEW}),
            json!({"email": "ada@example.com", "code": "1234567", "new_password": NEW}),
            json!({"email": "ada@example.com", "code": 12_345_678, "new_password": NEW}),
            json!({"email": "nowhere", "code": code, "new_password": NEW}),
            json!({"email": "ada@example.com", "code": code, "new_password": NEW, "token": "mt_1"}),
        ] {
            let refused = app.anonymous().post(&complete, input);
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
        let tokens = login(&app, "ada", PASSWORD);
        for input in [json!({}), json!({"code": "x"}), json!({"token": "mt_1"})] {
            signed_in(&app, &tokens)
                .post(&format!("{EMAIL}/confirmation"), input)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        reset(&app, "ada@example.com", &code, NEW).assert_status(204);
    }
}
