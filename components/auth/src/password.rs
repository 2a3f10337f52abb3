//! Passwords: compared, changed by who knows it, and set anew by who reads the account's mail.
//!
//! Whoever changes it stays signed in here and nowhere else; with a new one by mail all sessions end.

use crate::events::{EndReason, Happened};
use crate::mailed::{self, Purpose};
use crate::model::{Device, SessionId, User};
use crate::registration::{MAX_PASSWORD, email_problem, new_password, refuse};
use crate::store::{PASSKEYS, USERS};
use crate::{
    backup_codes, breached, confirmation, notices, passkeys, second_factor, sessions, short_code,
    throttle,
};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::passwords::{self, Verdict};
use sbd_sdk::{Caller, Error, Result, text, time};
use serde_json::{Value, json};

/// How hard a new password has to be to guess: more than a hundred million guesses.
const STRONG: u8 = 3;
/// How many passwords an owner had that are refused, beside the one there is.
const FORMER: usize = 4;

/// The caller's own account, if this is its password. Whoever has none has shown within ten minutes who they are.
pub(crate) async fn confirmed(caller: &Caller, field: &str, given: &str) -> Result<User> {
    if !given.is_empty() {
        check(field, given)?;
    }
    let user = own(caller).await?;
    match user.hash() {
        Some(_) => shown(caller, field, given).await,
        None => {
            confirmation::fresh(caller).await?;
            Ok(user)
        }
    }
}

/// The caller's own account, if this is its password. Who is signed in may not try for ever either: a device
/// that lies open tells nobody the password.
pub(crate) async fn shown(caller: &Caller, field: &str, given: &str) -> Result<User> {
    check(field, given)?;
    let user = own(caller).await?;
    let attempts = throttle::CONFIRM.of(&user.id);
    attempts.count(time::now()).await?;
    if !verify(given, user.hash()).await?.valid {
        return Err(Error::validation(
            field,
            "is not the password of this account",
        ));
    }
    attempts.forget().await?;
    Ok(user)
}

fn check(field: &str, given: &str) -> Result<()> {
    match (1..=MAX_PASSWORD).contains(&given.len()) {
        true => Ok(()),
        false => Err(Error::validation(field, "1 to 1024 bytes")),
    }
}

async fn own(caller: &Caller) -> Result<User> {
    let user = USERS.get(&caller.user).await?;
    user.ok_or_else(Error::unauthenticated)
}

/// Changes the caller's password; answers the sessions that ended with the old one: all others.
pub(crate) async fn change(caller: &Caller, current: &str, new: &str) -> Result<Vec<SessionId>> {
    new_password(new, "").map_err(wrong)?;
    let user = confirmed(caller, "current_password", current).await?;
    let hash = hashed(&user, new).await?;
    // None, for whoever asks with a permanent token.
    let kept: Option<SessionId> = caller.session.as_deref().and_then(|id| id.parse().ok());
    let mut ended = sessions::of_user(&user.id).await?;
    ended.retain(|session| Some(session) != kept.as_ref());
    let set = json!({"password_hash": hash, "updated_at": time::now()});
    let change = replaced(Transaction::new(), &user, set);
    committed(sessions::over(
        change,
        &user.id,
        &ended,
        EndReason::PasswordChanged,
    ))
    .await?;
    Ok(ended)
}

/// Takes the caller's password away, in whose place a passkey is; answers new backup codes. Those take the second step
/// of whoever has lost it, after a new password by mail.
pub(crate) async fn remove(caller: &Caller) -> Result<Vec<String>> {
    confirmation::fresh(caller).await?;
    let user = own(caller).await?;
    if user.hash().is_none() {
        return Err(Error::conflict("your account has no password"));
    }
    let Some(passkey) = passkeys::of(&user.id).await?.pop() else {
        return Err(Error::conflict(
            "nobody could sign in then; add a passkey first",
        ));
    };
    let (change, codes) = backup_codes::made(Transaction::new(), &user.id).await?;
    let set = json!({
        "password_hash": "", "former_passwords": former(&user), "updated_at": time::now(),
    });
    let unchanged = json!({"_id": user.id, "password_hash": user.password_hash});
    let change = change
        .check(&PASSKEYS, json!({"_id": passkey.id}), 1)
        .update_one(&USERS, unchanged, json!({"$set": set}));
    let change = second_factor::begin_anew(change, &user.id);
    let removed = Happened::PasswordRemoved { user_id: &user.id };
    committed(notices::password_removed(removed.told_by(change), &user.id)).await?;
    Ok(codes)
}

/// What somebody has of the mail by which a password is set anew.
pub(crate) enum Mail<'a> {
    /// The token of its link.
    Token(&'a str),
    /// Its short code, and the address that it was sent to.
    Code { email: &'a str, code: &'a str },
}

/// Sets the password of whoever was sent this, once; answers the sessions that ended: all of them.
pub(crate) async fn reset(mail: &Mail<'_>, new: &str, device: &Device) -> Result<Vec<SessionId>> {
    new_password(new, "").map_err(wrong)?;
    let purpose = Purpose::ResetPassword;
    let mailed = match mail {
        Mail::Token(token) => mailed::found(&[purpose], token).await?,
        Mail::Code { email, code } => {
            refuse(&[("email", email_problem(email.trim()))])?;
            short_code::of_address(email, purpose, code, device).await?
        }
    };
    let user = mailed.user().await?;
    if user.refuses_resets(time::now()) {
        return Err(mailed::unknown());
    }
    let hash = hashed(&user, new).await?;
    let ended = sessions::of_user(&user.id).await?;
    let now = time::now();
    let mut set = json!({"password_hash": hash, "updated_at": now});
    // Whoever has the token reads what is sent there.
    if mailed.address == user.email && user.email_verified_at.is_none() {
        set["email_verified_at"] = json!(now);
    }
    let change = replaced(mailed.used(Transaction::new()), &user, set);
    committed(sessions::over(
        change,
        &user.id,
        &ended,
        EndReason::PasswordChanged,
    ))
    .await?;
    // Whoever was kept out by somebody's guesses gets in at once.
    for name in [&user.username, &user.email] {
        throttle::SIGN_IN.of(name).forget().await?;
    }
    Ok(ended)
}

/// The hash of a new password, which is not the one there was.
async fn hashed(user: &User, new: &str) -> Result<String> {
    let new = new_password(new, &user.username).map_err(wrong)?;
    if let Some(problem) = guessable(&new, &[&user.username, &user.email]).await? {
        return Err(wrong(problem));
    }
    if verify(&new, user.hash()).await?.valid {
        return Err(wrong("is the password there is; choose another one"));
    }
    for former in &user.former_passwords {
        if passwords::verify(&new, Some(former)).await?.valid {
            return Err(wrong("was the password before; choose another one"));
        }
    }
    passwords::hash(&new).await
}

/// What is wrong with a new password of the right form for an owner of whom this is known, if it is easy to guess, or
/// known to everybody who tries passwords that were stolen elsewhere.
pub(crate) async fn guessable(password: &str, known: &[&str]) -> Result<Option<&'static str>> {
    if breached::contains(password) {
        return Ok(Some(
            "was stolen somewhere, and is in lists that thieves try; choose another one, and change it wherever you use it",
        ));
    }
    let strength = passwords::strength(password, known).await?;
    Ok((strength < STRONG).then_some(
        "is easy to guess: a few words that do not belong together are better, without names, dates and rows of keys",
    ))
}

fn wrong(problem: &'static str) -> Error {
    Error::validation("new_password", problem)
}

/// The password is another one, which its owner is told, unless it has changed meanwhile.
fn replaced(change: Transaction, user: &User, mut set: Value) -> Transaction {
    set["former_passwords"] = json!(former(user));
    let unchanged =
        json!({"_id": user.id, "password_hash": user.password_hash, "email": user.email});
    let change = change.update_one(&USERS, unchanged, json!({"$set": set}));
    let changed = Happened::PasswordChanged { user_id: &user.id };
    let change = second_factor::begin_anew(change, &user.id);
    let change = changed.told_by(change);
    notices::password_changed(change, &user.id)
}

/// Hashes of the passwords before, once there is another one.
fn former(user: &User) -> Vec<&str> {
    let former = user.former_passwords.iter().map(String::as_str);
    user.hash().into_iter().chain(former).take(FORMER).collect()
}

async fn committed(change: Transaction) -> Result<()> {
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_) | DocumentsError::Duplicate(_)) => {
            Err(Error::conflict(
                "the account was changed at the same time; try again if it was not you",
            ))
        }
        Err(error) => Err(error.into()),
    }
}

/// Compares a password in the form that is hashed, then as it was typed: accounts of before there was
/// such a form have a hash of what was typed, and get one of the form. Whether there is an account
/// decides neither, so that it does not show.
pub(crate) async fn verify(password: &str, hash: Option<&str>) -> Result<Verdict> {
    let form = text::password(password).ok();
    let form = form.filter(|form| form.len() <= MAX_PASSWORD);
    if let Some(form) = &form {
        let verdict = passwords::verify(form, hash).await?;
        if verdict.valid || form == password {
            return Ok(verdict);
        }
    }
    let verdict = passwords::verify(password, hash).await?;
    match form.filter(|_| verdict.valid) {
        None => Ok(verdict),
        Some(form) => Ok(Verdict {
            rehashed: Some(passwords::hash(&form).await?),
            ..verdict
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::mailed::GOOD_FOR;
    use crate::store::{MAILED, USERS};
    use crate::tests::{PASSWORD, app, bearer, login, mailed, register, renew, signed_in};
    use crate::throttle::{CONFIRM, MAIL, SIGN_IN};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::json;
    use std::time::Duration;

    const NEW: &str = "Battery-staple-8";
    const RESETS: &str = "/api/v1/auth/password-resets";

    #[test]
    fn none_of_the_last_five_passwords_comes_back() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens);
        let change = |from: &str, to: &str| {
            let change = json!({"current_password": from, "new_password": to});
            ada.put("/api/v1/auth/me/password", change)
        };
        let all: Vec<String> = (0..5).map(|at| format!("Battery-staple-{at}x")).collect();
        let mut now = PASSWORD.to_owned();
        for new in &all {
            for former in all.iter().take_while(|former| *former != new) {
                change(&now, former).assert_refused(422, "VALIDATION_ERROR");
            }
            change(&now, new).assert_status(204);
            now.clone_from(new);
        }
        // The sixth last is forgotten.
        change(&now, &all[0]).assert_refused(422, "VALIDATION_ERROR");
        change(&now, PASSWORD).assert_status(204);
        let user = app.run(USERS.find_one(json!({}))).unwrap().unwrap();
        assert_eq!(user.former_passwords.len(), 4);
    }

    #[test]
    fn what_is_easy_to_guess_is_no_password() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens);
        for weak in [
            "Password1!",
            "Qwerty-123",
            "Monkey-1!",
            "Aaaaaa-1",
            // Hard to guess, and stolen.
            "phJf6uZ9dWA-#x_",
        ] {
            let account = json!({"username": "bob", "email": "b@example.com", "password": weak});
            let refused = app.anonymous().post("/api/v1/auth/register", account);
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(
                refused["error"]["details"][0]["field"], "password",
                "{weak}"
            );
            let change = json!({"current_password": PASSWORD, "new_password": weak});
            let refused = ada.put("/api/v1/auth/me/password", change);
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], "new_password");
        }
    }

    fn ask(app: &App, email: &str) -> Reply {
        let asked = app.anonymous().post(RESETS, json!({"email": email}));
        app.run_tasks();
        asked
    }

    fn reset(app: &App, token: &str, password: &str) -> Reply {
        let reset = json!({"token": token, "new_password": password});
        app.anonymous().post(&format!("{RESETS}/complete"), reset)
    }

    #[test]
    fn who_knows_a_password_changes_it_and_stays_signed_in_here_alone() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let (here, there) = (login(&app, "ada", PASSWORD), login(&app, "ada", PASSWORD));
        let elsewhere = bearer(&app, there.text("access_token"))
            .text("session")
            .to_owned();
        let change = |current: &str, new: &str| {
            let change = json!({"current_password": current, "new_password": new});
            signed_in(&app, &here).put("/api/v1/auth/me/password", change)
        };
        for (current, new, field) in [
            (NEW, NEW, "current_password"),
            ("", NEW, "current_password"),
            (PASSWORD, PASSWORD, "new_password"),
            (PASSWORD, "short", "new_password"),
            (PASSWORD, "With-ada-in-it-7", "new_password"),
        ] {
            let refused = change(current, new).assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        let changed = change(PASSWORD, NEW).assert_status(204);
        assert_eq!(
            changed.header(sbd_sdk::header::REVOKED.as_str()),
            Some(&*elsewhere)
        );
        renew(&app, &here).assert_status(200);
        renew(&app, &there).assert_refused(401, "TOKEN_INVALID");
        login(&app, "ada", PASSWORD).assert_refused(401, "INVALID_CREDENTIALS");
        login(&app, "ada", NEW).assert_status(200);
        let told = app.published().into_iter().map(|event| event.kind);
        let told: Vec<_> = told
            .filter(|kind| kind != "notification.requested")
            .collect();
        let expected = [
            "account.registered",
            "account.password_changed",
            "session.ended",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn who_is_signed_in_does_not_guess_for_ever() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let here = login(&app, "ada", PASSWORD);
        let change = |current: &str| {
            let change = json!({"current_password": current, "new_password": NEW});
            signed_in(&app, &here).put("/api/v1/auth/me/password", change)
        };
        for _ in 0..CONFIRM.most {
            change("Wrong-password-1").assert_refused(422, "VALIDATION_ERROR");
        }
        change(PASSWORD).assert_refused(429, "RATE_LIMITED");
        app.advance(CONFIRM.window);
        let here = login(&app, "ada", PASSWORD);
        let change = json!({"current_password": PASSWORD, "new_password": NEW});
        let changed = signed_in(&app, &here).put("/api/v1/auth/me/password", change);
        changed.assert_status(204);
    }

    #[test]
    fn who_reads_the_mail_sets_a_new_password_once() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let before = login(&app, "ada", PASSWORD);
        for _ in 0..SIGN_IN.most {
            login(&app, "ada", "Wrong-password-1").assert_refused(401, "INVALID_CREDENTIALS");
        }
        ask(&app, " ADA@example.com ").assert_status(204);
        let token = mailed(&app, "reset-password", "ada@example.com");
        // What is too weak uses nothing up.
        reset(&app, &token, "short").assert_refused(422, "VALIDATION_ERROR");
        reset(&app, &token, PASSWORD).assert_refused(422, "VALIDATION_ERROR");
        reset(&app, &token, NEW).assert_status(204);
        reset(&app, &token, "Another-one-9").assert_refused(401, "TOKEN_INVALID");
        renew(&app, &before).assert_refused(401, "TOKEN_INVALID");
        // Those who guessed are in the owner's way no more, and the address is shown to be theirs.
        let tokens = login(&app, "ada", NEW).assert_status(200);
        let me = signed_in(&app, &tokens).get("/api/v1/auth/me");
        assert_eq!(me["email_verified"], true);
        let stored = app.run(MAILED.find(json!({})).fetch()).unwrap();
        assert!(stored.documents.is_empty());
    }

    #[test]
    fn whether_there_is_an_account_does_not_show() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let (known, unknown) = (ask(&app, "ada@example.com"), ask(&app, "eve@example.com"));
        assert_eq!(
            (known.status(), known.bytes()),
            (unknown.status(), unknown.bytes())
        );
        assert_eq!((app.mails().len(), app.enqueued().len()), (1, 2));
        // Nobody who is switched off, either.
        app.run(USERS.update_one(json!({}), json!({"$set": {"active": false}})))
            .unwrap();
        ask(&app, "ada@example.com").assert_status(204);
        assert_eq!(app.mails().len(), 1);
        for email in ["ada@example.com", "eve@example.com"] {
            while ask(&app, email).status() == 204 {}
            ask(&app, email).assert_refused(429, "RATE_LIMITED");
        }
        app.advance(MAIL.window);
        ask(&app, "ada@example.com").assert_status(204);
    }

    #[test]
    fn a_code_is_good_for_an_hour_and_the_last_one_alone() {
        let app = app();
        register(&app, "ada").assert_status(201);
        ask(&app, "ada@example.com");
        let first = mailed(&app, "reset-password", "ada@example.com");
        ask(&app, "ada@example.com");
        let second = mailed(&app, "reset-password", "ada@example.com");
        reset(&app, &first, NEW).assert_refused(401, "TOKEN_INVALID");
        app.advance(GOOD_FOR - Duration::from_secs(1));
        let stored = app.run(MAILED.find(json!({})).fetch()).unwrap();
        assert!(
            !serde_json::to_string(&stored.documents)
                .unwrap()
                .contains(&second)
        );
        app.advance(Duration::from_secs(1));
        reset(&app, &second, NEW).assert_refused(401, "TOKEN_INVALID");
        for nothing in [
            "",
            "x",
            "mt_",
            "rt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY",
        ] {
            let refused = reset(&app, nothing, NEW);
            assert!([401, 422].contains(&refused.status()), "{nothing}");
        }
    }
}
