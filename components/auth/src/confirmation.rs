//! Showing once more who one is, before what matters most: a device that lies open, or a session that was stolen,
//! does none of that for long.

use crate::model::{Proof, Session};
use crate::store::{SESSIONS, USERS};
use crate::{password, second_factor, throttle};
use http::StatusCode;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::json;
use std::time::Duration;

/// What is answered to who has not.
const REQUIRED: &str = "CONFIRMATION_REQUIRED";
/// How long it counts.
pub(crate) const FRESH: Duration = Duration::from_secs(10 * 60);

/// What somebody shows.
pub(crate) enum Shown {
    Password(String),
    Code(String),
}

/// Refuses unless the caller has shown who they are within ten minutes. Neither permanent tokens nor components can.
pub(crate) async fn fresh(caller: &Caller) -> Result<()> {
    let session = own_session(caller).await?;
    let now = time::now();
    let is_fresh = session.confirmed_at.is_some_and(|at| now.since(at) < FRESH);
    match is_fresh {
        true => Ok(()),
        false => Err(Error::new(
            StatusCode::FORBIDDEN,
            REQUIRED,
            "show once more who you are, by `POST /api/v1/auth/me/confirm`, and then try again within ten minutes",
        )),
    }
}

/// Whether an error says that the caller is to show who they are.
pub(crate) fn is_wanted(error: &Error) -> bool {
    error.code() == REQUIRED
}

/// The caller shows who they are.
pub(crate) async fn confirm(caller: &Caller, shown: &Shown) -> Result<()> {
    match shown {
        Shown::Password(given) => {
            password::shown(caller, "password", given).await?;
            confirmed(caller, Proof::Password, Transaction::new()).await
        }
        Shown::Code(code) => {
            let (proof, used) = by_code(caller, code).await?;
            confirmed(caller, proof, used).await
        }
    }
}

/// What a code of the caller's is, and the change by which it is used. Who is signed in may not try for ever either.
pub(crate) async fn by_code(caller: &Caller, code: &str) -> Result<(Proof, Transaction)> {
    let user = USERS.get(&caller.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    let attempts = throttle::SECOND_STEP.of(&user.id);
    attempts.count(time::now()).await?;
    let shown = second_factor::shown(&user, code).await?;
    let shown = shown.ok_or_else(|| Error::validation("code", "is wrong or was used"))?;
    attempts.forget().await?;
    Ok(shown)
}

/// The caller has shown who they are, by this proof, which is used with this change.
pub(crate) async fn confirmed(caller: &Caller, proof: Proof, used: Transaction) -> Result<()> {
    let session = own_session(caller).await?;
    let set = json!({"$set": {"confirmed_at": time::now()}});
    let data = json!({"session_id": session.id, "proof": proof});
    let change = used
        .update_one(&SESSIONS, json!({"_id": session.id}), set)
        .audit(&caller.user, "session.confirmed", &data);
    change.commit().await?;
    Ok(())
}

/// The session that the caller is signed in by.
async fn own_session(caller: &Caller) -> Result<Session> {
    let id = caller.session.as_deref().unwrap_or_default();
    let session = match caller.component {
        Some(_) => None,
        None => SESSIONS.get(id).await?,
    };
    let own = session.filter(|session| *session.user_id == *caller.user);
    own.ok_or_else(|| {
        Error::forbidden("this is for whoever is signed in, and for no program; sign in")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, bearer, login, register, signed_in};
    use sbd_sdk::Principal;
    use sbd_sdk::testing::{App, Reply};
    use serde_json::Value;

    const CONFIRM: &str = "/api/v1/auth/me/confirm";

    fn is_fresh(app: &App, tokens: &Reply) -> Option<String> {
        let identity = bearer(app, tokens.text("access_token")).assert_status(200);
        let principal =
            Principal::user("test", identity.text("user")).in_session(identity.text("session"));
        let refused = app.run(fresh(&Caller::of(principal).unwrap())).err();
        refused.map(|error| error.code().to_owned())
    }

    #[test]
    fn who_signed_in_long_ago_shows_once_more_who_they_are() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        assert_eq!(is_fresh(&app, &tokens), None);
        app.advance(FRESH);
        assert_eq!(
            is_fresh(&app, &tokens).as_deref(),
            Some("CONFIRMATION_REQUIRED")
        );
        let ada = signed_in(&app, &tokens);
        ada.post(CONFIRM, json!({"password": "Wrong-horse-7"}))
            .assert_refused(422, "VALIDATION_ERROR");
        assert!(is_fresh(&app, &tokens).is_some());
        ada.post(CONFIRM, json!({"password": PASSWORD}))
            .assert_status(204);
        assert_eq!(is_fresh(&app, &tokens), None);
    }

    #[test]
    fn programs_are_never_fresh() {
        let app = app();
        let id = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        for session in ["ptk_1", "ses_1"] {
            let ada = Principal::user("test", &*id).in_session(session);
            let refused = app.run(fresh(&Caller::of(ada).unwrap())).unwrap_err();
            assert_eq!(refused.code(), "FORBIDDEN");
        }
    }

    #[test]
    fn bad_input_is_refused_and_nobody_tries_for_ever() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens);
        let none: [Value; 7] = [
            json!({}),
            json!({"password": PASSWORD, "code": "123456"}),
            json!({"password": ""}),
            json!({"code": ""}),
            json!({"code": "1".repeat(65)}),
            json!({"code": 123_456}),
            json!({"pin": "1"}),
        ];
        for input in none {
            ada.post(CONFIRM, input)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        app.anonymous()
            .post(CONFIRM, json!({"password": PASSWORD}))
            .assert_refused(401, "UNAUTHENTICATED");
        let wrong = [
            (throttle::CONFIRM.most, json!({"password": "Wrong-horse-7"})),
            (throttle::SECOND_STEP.most, json!({"code": "123456"})),
        ];
        for (most, wrong) in wrong {
            for _ in 0..most {
                ada.post(CONFIRM, wrong.clone())
                    .assert_refused(422, "VALIDATION_ERROR");
            }
            ada.post(CONFIRM, wrong).assert_refused(429, "RATE_LIMITED");
        }
    }
}
