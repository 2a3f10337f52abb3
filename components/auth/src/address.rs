//! The address of an account: shown to be its owner's, and changed to another one that is.

use crate::events::Happened;
use crate::mailed::{self, Mailed, Purpose};
use crate::registration::email_problem;
use crate::store::USERS;
use crate::{notices, password, short_code, throttle};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result, text, time};
use serde_json::json;

/// What shows that an address is somebody's.
const PURPOSES: [Purpose; 2] = [Purpose::VerifyAddress, Purpose::ChangeAddress];

/// Has the caller show that the account's address is theirs.
pub(crate) async fn verify(caller: &Caller) -> Result<()> {
    let user = USERS.get(&caller.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    if user.email_verified_at.is_some() {
        return Err(Error::conflict("this address is verified already"));
    }
    throttle::MAIL.of(&user.email).count(time::now()).await?;
    mailed::to_user(Purpose::VerifyAddress, &user, &user.email).await
}

/// Has the caller show that another address is theirs; until then the account keeps the one it has. Whether
/// another account has it is not said before that.
pub(crate) async fn change(caller: &Caller, password: &str, address: &str) -> Result<()> {
    if let Some(problem) = email_problem(address) {
        return Err(Error::validation("email", problem));
    }
    let user = password::confirmed(caller, "password", password).await?;
    if user.email == address {
        return Err(Error::validation("email", "is the address there is"));
    }
    throttle::MAIL.of(address).count(time::now()).await?;
    mailed::to_user(Purpose::ChangeAddress, &user, address).await
}

/// The address that a token was mailed to is the account's, and its owner's.
pub(crate) async fn confirm(token: &str) -> Result<()> {
    confirmed(mailed::found(&PURPOSES, token).await?).await
}

/// The same by the short code, of whoever is signed in.
pub(crate) async fn confirm_by_code(caller: &Caller, code: &str) -> Result<()> {
    confirmed(short_code::of_caller(caller, &PURPOSES, code).await?).await
}

async fn confirmed(mailed: Mailed) -> Result<()> {
    let user = mailed.user().await?;
    let (now, change) = (time::now(), mailed.used(Transaction::new()));
    let is = json!({"_id": user.id, "email": user.email});
    let change = match mailed.purpose {
        Purpose::ChangeAddress => {
            let set = json!({
                "email": mailed.address, "email_key": text::key(&mailed.address),
                "email_verified_at": now, "updated_at": now,
            });
            let change = change.update_one(&USERS, is, json!({"$set": set}));
            let changed = Happened::AddressChanged { user_id: &user.id };
            notices::address_changed(changed.told_by(change), &user.id, &mailed.address)
        }
        // It was mailed to an address that is not the account's any more.
        _ if mailed.address != user.email => return Err(mailed::unknown()),
        _ => {
            let set = json!({"$set": {"email_verified_at": now, "updated_at": now}});
            let change = change.update_one(&USERS, is, set);
            Happened::AddressVerified { user_id: &user.id }.told_by(change)
        }
    };
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(mailed::unknown()),
        Err(DocumentsError::Duplicate(_)) => Err(Error::conflict(
            "another account has this address; sign in there, or use another address",
        )),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{PASSWORD, app, login, mailed, register, signed_in};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::json;

    const EMAIL: &str = "/api/v1/auth/me/email";

    fn confirm(app: &App, token: &str) -> Reply {
        let token = json!({"token": token});
        app.anonymous()
            .post("/api/v1/auth/email-verifications", token)
    }

    fn change(app: &App, tokens: &Reply, email: &str, password: &str) -> Reply {
        let change = json!({"email": email, "password": password});
        let asked = signed_in(app, tokens).put(EMAIL, change);
        app.run_tasks();
        asked
    }

    #[test]
    fn an_address_is_shown_to_be_ones_own() {
        let app = app();
        let made = register(&app, "ada").assert_status(201);
        assert_eq!(made["email_verified"], false);
        let tokens = login(&app, "ada", PASSWORD);
        let ada = signed_in(&app, &tokens);
        let verify = || ada.post(&format!("{EMAIL}/verification"), json!({}));
        verify().assert_status(204);
        app.run_tasks();
        let token = mailed(&app, "verify-address", "ada@example.com");
        confirm(&app, &token).assert_status(204);
        assert_eq!(ada.get("/api/v1/auth/me")["email_verified"], true);
        confirm(&app, &token).assert_refused(401, "TOKEN_INVALID");
        verify().assert_refused(409, "CONFLICT");
    }

    #[test]
    fn another_address_counts_once_it_is_confirmed_and_the_old_one_is_told() {
        let app = app();
        register(&app, "ada").assert_status(201);
        register(&app, "bob").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD);
        for (email, password, field) in [
            ("nowhere", PASSWORD, "email"),
            ("ada@example.com", PASSWORD, "email"),
            ("ada@example.net", "Wrong-password-1", "password"),
        ] {
            let refused = change(&app, &tokens, email, password);
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        change(&app, &tokens, "ada@example.net", PASSWORD).assert_status(204);
        let mails = app.mails();
        let to: Vec<_> = mails
            .iter()
            .map(|mail| (&*mail.to, &*mail.template))
            .collect();
        let expected = [
            ("ada@example.com", "other-address"),
            ("ada@example.net", "verify-address"),
        ];
        assert_eq!(to, expected);
        login(&app, "ada@example.com", PASSWORD).assert_status(200);
        let token = mailed(&app, "verify-address", "ada@example.net");
        // It sets no password.
        let reset = json!({"token": token, "new_password": "Battery-staple-8"});
        app.anonymous()
            .post("/api/v1/auth/password-resets/complete", reset)
            .assert_refused(401, "TOKEN_INVALID");
        confirm(&app, &token).assert_status(204);
        login(&app, "ada@example.net", PASSWORD).assert_status(200);
        login(&app, "ada@example.com", PASSWORD).assert_refused(401, "INVALID_CREDENTIALS");
        let me = signed_in(&app, &tokens).get("/api/v1/auth/me");
        assert_eq!(
            (me.text("email"), &me["email_verified"]),
            ("ada@example.net", &json!(true))
        );
        // Another account's is refused where it would be taken, and not before: nobody learns of it by asking.
        change(&app, &tokens, "BOB@example.com", PASSWORD).assert_status(204);
        let token = mailed(&app, "verify-address", "BOB@example.com");
        confirm(&app, &token).assert_refused(409, "CONFLICT");
    }
}
