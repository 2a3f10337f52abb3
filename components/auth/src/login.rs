//! Signing in with a password.
//!
//! Whether an account exists can be told neither from the answer nor from its time: a password is
//! compared either way, and wrong ones are counted for the name that was given, not for an account.

use crate::model::{Device, Proof, User};
use crate::registration::{MAX_EMAIL, MAX_PASSWORD, refuse};
use crate::sign_in::{self, Admitted};
use crate::{captcha, network_policy, password, refusals, store, throttle};
use sbd_sdk::{Error, Result, text, time};

/// Signs somebody in by username or e-mail address.
pub(crate) async fn login(identifier: &str, given: &str, device: &Device) -> Result<Admitted> {
    let user = recognised(identifier, given, device).await?;
    sign_in::admit(&user, &[Proof::Password], device).await
}

/// Whose name or address, and password, that is.
pub(crate) async fn recognised(identifier: &str, given: &str, device: &Device) -> Result<User> {
    check(identifier, given)?;
    // Before anything is compared: these guess nothing.
    network_policy::require(device).await?;
    let now = time::now();
    let network = device.address.as_deref();
    let network = network.map(|address| throttle::SIGN_IN_FROM.of_network(address));
    let from = match &network {
        Some(network) => network.count(now).await?,
        None => 0,
    };
    let attempts = throttle::SIGN_IN.of(identifier);
    let attempt = attempts.count(now).await?;
    captcha::required_after(attempt, from, device).await?;
    let user = store::user_by_identifier(&text::key(identifier)).await?;
    let hash = user.as_ref().and_then(User::hash);
    let verdict = password::verify(given, hash).await?;
    if !verdict.valid {
        refusals::noted(user.as_ref(), device, attempt).await?;
    }
    let user = user.filter(|_| verdict.valid).ok_or_else(wrong)?;
    attempts.forget().await?;
    if let Some(network) = &network {
        network.take_back().await?;
    }
    if let Some(hash) = verdict.rehashed {
        store::replace_password_hash(&user, &hash).await?;
    }
    Ok(user)
}

/// Bounds only: what cannot be a password need not be compared, whoever it is for.
fn check(identifier: &str, password: &str) -> Result<()> {
    let identifier_fits = (1..=MAX_EMAIL).contains(&identifier.trim().len());
    let password_fits = (1..=MAX_PASSWORD).contains(&password.len());
    refuse(&[
        (
            "identifier",
            (!identifier_fits).then_some("a username or an e-mail address"),
        ),
        ("password", (!password_fits).then_some("1 to 1024 bytes")),
    ])
}

fn wrong() -> Error {
    Error::invalid_credentials("name or password is wrong; check both and try again")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, login, register};
    use crate::throttle::{SIGN_IN, SIGN_IN_FROM};
    use sbd_sdk::passwords;
    use serde_json::json;
    use std::time::Duration;

    const WRONG: &str = "Wrong-password-1";

    #[test]
    fn name_and_address_sign_in_and_existence_does_not_show() {
        let app = app();
        register(&app, "ada").assert_status(201);
        for identifier in ["ada", "ADA", " ada@Example.com "] {
            let tokens = login(&app, identifier, PASSWORD).assert_status(200);
            assert_eq!(
                (&tokens["token_type"], &tokens["expires_in"]),
                (&json!("Bearer"), &json!(900))
            );
            assert_eq!(tokens.header("cache-control"), Some("no-store"));
        }
        let wrong = login(&app, "ada", WRONG).assert_refused(401, "INVALID_CREDENTIALS");
        let nobody = login(&app, "nobody", PASSWORD).assert_refused(401, "INVALID_CREDENTIALS");
        assert_eq!(wrong.body(), nobody.body());
    }

    #[test]
    fn one_password_signs_in_however_it_is_typed() {
        let app = app();
        let (composed, decomposed) = ("\u{dc}n\u{ef} code-1", "U\u{308}ni\u{308}\u{a0}code-1");
        for (name, password) in [("ada", composed), ("bob", decomposed)] {
            let email = format!("{name}@example.com");
            let account = json!({"username": name, "email": email, "password": password});
            let opened = app.anonymous().post("/api/v1/auth/register", account);
            opened.assert_status(201);
            for typed in [composed, decomposed] {
                login(&app, name, typed).assert_status(200);
                login(&app, name, &typed.to_lowercase()).assert_refused(401, "INVALID_CREDENTIALS");
            }
        }
        for identifier in ["\u{ff21}\u{ff24}\u{ff21}", "ada\u{ff20}EXAMPLE.com"] {
            login(&app, identifier, composed).assert_status(200);
        }
    }

    #[test]
    fn a_hash_of_what_was_typed_becomes_one_of_the_form() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let typed = |password: &str| {
            let hash = app.run(passwords::hash(password)).unwrap();
            let set = json!({"$set": {"password_hash": hash}});
            app.run(store::USERS.update_one(json!({}), set)).unwrap();
        };
        typed("U\u{308}ni-code-1");
        login(&app, "ada", "\u{dc}ni-code-1").assert_refused(401, "INVALID_CREDENTIALS");
        login(&app, "ada", "U\u{308}ni-code-1").assert_status(200);
        for password in ["\u{dc}ni-code-1", "U\u{308}ni-code-1"] {
            login(&app, "ada", password).assert_status(200);
        }
        // What could not be a new password is still that of who has it.
        typed("bell\u{7}");
        login(&app, "ada", "bell\u{7}").assert_status(200);
        login(&app, "ada", "bell").assert_refused(401, "INVALID_CREDENTIALS");
    }

    #[test]
    fn after_ten_failures_everybody_waits_with_the_name() {
        let app = app();
        register(&app, "ada").assert_status(201);
        register(&app, "bob").assert_status(201);
        for identifier in ["ada", "nobody"] {
            for _ in 0..SIGN_IN.most {
                login(&app, identifier, WRONG).assert_refused(401, "INVALID_CREDENTIALS");
            }
            app.advance(Duration::from_millis(500));
            let wait = login(&app, identifier, PASSWORD).assert_refused(429, "RATE_LIMITED");
            assert_eq!(wait.header("retry-after"), Some("900"));
        }
        login(&app, "bob", PASSWORD).assert_status(200);
        app.advance(SIGN_IN.window);
        login(&app, "ada", PASSWORD).assert_status(200);
    }

    #[test]
    fn who_goes_on_waits_longer_each_time() {
        let app = app();
        for wait in ["900", "1800", "3600", "3600"] {
            for _ in 0..SIGN_IN.most {
                login(&app, "ada", WRONG).assert_refused(401, "INVALID_CREDENTIALS");
            }
            let refused = login(&app, "ada", WRONG).assert_refused(429, "RATE_LIMITED");
            assert_eq!(refused.header("retry-after"), Some(wait));
            login(&app, "ada", WRONG).assert_refused(429, "RATE_LIMITED");
            app.advance(Duration::from_secs(wait.parse().unwrap()));
        }
    }

    #[test]
    fn one_network_does_not_try_name_after_name() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let from = |address: &str, name: &str, password: &str| {
            let device = app.anonymous().with_header("spin-client-addr", address);
            let request = json!({"identifier": name, "password": password});
            device.post("/api/v1/auth/login", request)
        };
        // Who gets in is no guess.
        from("[2001:db8::1]:1", "ada", PASSWORD).assert_status(200);
        for at in 0..SIGN_IN_FROM.most {
            let address = format!("[2001:db8::{at:x}]:{at}");
            let wrong = from(&address, &format!("name-{at}"), WRONG);
            wrong.assert_refused(401, "INVALID_CREDENTIALS");
        }
        from("[2001:db8::ffff]:1", "ada", PASSWORD).assert_refused(429, "RATE_LIMITED");
        from("[2001:db8:0:1::1]:1", "ada", PASSWORD).assert_status(200);
    }

    #[test]
    fn who_gets_in_starts_anew() {
        let app = app();
        register(&app, "ada").assert_status(201);
        for _ in 0..3 {
            for _ in 1..SIGN_IN.most {
                login(&app, "ada", WRONG).assert_refused(401, "INVALID_CREDENTIALS");
            }
            login(&app, "ada", PASSWORD).assert_status(200);
        }
    }

    #[test]
    fn who_is_switched_off_stays_out() {
        let app = app();
        let id = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        let off = json!({"$set": {"active": false}});
        app.run(store::USERS.update_one(json!({"_id": id}), off))
            .unwrap();
        login(&app, "ada", PASSWORD).assert_refused(403, "FORBIDDEN");
        // Who does not know the password is told nothing.
        login(&app, "ada", WRONG).assert_refused(401, "INVALID_CREDENTIALS");
    }

    #[test]
    fn out_of_bounds_is_refused_for_everybody_alike() {
        assert!(check("ada", "x").is_ok());
        for (identifier, password, field) in [
            ("", "x", "identifier"),
            ("  ", "x", "identifier"),
            ("ada", "", "password"),
            ("ada", &"x".repeat(1025), "password"),
        ] {
            let error = check(identifier, password).unwrap_err();
            assert_eq!(error.details().first().unwrap().field, field);
        }
        assert!(check(&"a".repeat(255), "x").is_err());
    }
}
