//! Leaving: an account that its owner, or an administrator, wants deleted is out of use at once, and gone for good
//! two weeks later, or when the operator says. Until then it can be kept. What other components have of its owner goes when they hear of it.

use crate::events::{EndReason, Happened};
use crate::model::{ADMIN, Device, User};
use crate::store::{
    ACCOUNT_KEYS, CHALLENGES, MAILED, OAUTH_CODES, OAUTH_CONSENTS, PASSKEYS, PROVIDER_LINKS,
    REMEMBERED, SECOND_FACTORS, SECOND_STEPS, TOTP_SETUPS, USERS,
};
use crate::{lockdown, login, notices, password, users};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, config};
use serde_json::json;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Days that an account can be kept at most: the General Data Protection Regulation (Article 12, 3) gives a month for
/// an answer.
const MOST_DAYS: u32 = 30;
/// Accounts that are looked for at a time.
const AT_ONCE: u32 = 100;

/// What is left, and what ended with it.
pub(crate) struct Left {
    pub(crate) ends_at: Time,
    /// The ids of sessions and permanent tokens.
    pub(crate) ended: Vec<String>,
}

/// How long an account can be kept, as the operator says.
fn grace() -> Result<Duration> {
    match config::get_as("account_grace_days")? {
        Some(days) if days <= MOST_DAYS => Ok(DAY * days),
        days => Err(Error::internal(format!(
            "auth_account_grace_days is {}; set it to a number from 0 to {MOST_DAYS}",
            days.unwrap_or_default()
        ))),
    }
}

/// The caller leaves.
pub(crate) async fn leave(caller: &Caller, given: &str) -> Result<Left> {
    let user = password::confirmed(caller, "password", given).await?;
    let is_admin = user.roles.iter().any(|role| role == ADMIN);
    if is_admin && USERS.count(json!({"roles": ADMIN, "active": true})).await? <= 1 {
        return Err(Error::conflict(
            "you are the only administrator; appoint another one first",
        ));
    }
    let ends_at = time::now() + grace()?;
    let leaving = Happened::Leaving {
        user_id: &user.id,
        ends_at,
        reason: None,
    };
    begin(&user, ends_at, &leaving, EndReason::Departure).await
}

/// An administrator has a user's account deleted, for a reason.
pub(crate) async fn remove(by: &Caller, id: &str, reason: &str) -> Result<users::Decided> {
    let user = users::changeable(by, id, reason).await?;
    if user.ends_at.is_some() {
        return Err(Error::conflict("this account is being deleted already"));
    }
    let ends_at = time::now() + grace()?;
    let leaving = Happened::Leaving {
        user_id: id,
        ends_at,
        reason: Some(reason),
    };
    let left = begin(&user, ends_at, &leaving, EndReason::Administration).await?;
    let user = User {
        ends_at: Some(left.ends_at),
        ..user
    };
    Ok(users::Decided {
        user,
        ended: left.ended,
    })
}

/// An administrator keeps a user's account, for a reason.
pub(crate) async fn restore(by: &Caller, id: &str, reason: &str) -> Result<users::Decided> {
    let user = users::changeable(by, id, reason).await?;
    keep(&user, Some(reason)).await?;
    Ok(users::Decided {
        user: users::get(id).await?,
        ended: Vec::new(),
    })
}

/// Somebody who knows the password keeps the account. They sign in afterwards.
pub(crate) async fn stay(identifier: &str, given: &str, device: &Device) -> Result<()> {
    let user = login::recognised(identifier, given, device).await?;
    keep(&user, None).await
}

async fn begin(
    user: &User,
    ends_at: Time,
    leaving: &Happened<'_>,
    reason: EndReason,
) -> Result<Left> {
    let change = Transaction::new().update_one(
        &USERS,
        json!({"_id": user.id, "ends_at": null}),
        json!({"$set": {"ends_at": ends_at, "updated_at": time::now()}}),
    );
    let change = notices::leaving(leaving.told_by(change), &user.id, ends_at);
    let (change, ended) = users::all_over(change, &user.id, reason).await?;
    match change.commit().await {
        Ok(_) => {
            // Others whose time is over are the schedule's to end.
            if ends_at <= time::now() {
                let leaving = User {
                    ends_at: Some(ends_at),
                    ..user.clone()
                };
                end(&leaving).await?;
            }
            Ok(Left { ends_at, ended })
        }
        Err(DocumentsError::PreconditionFailed(_)) => {
            Err(Error::conflict("this account is being deleted already"))
        }
        Err(error) => Err(error.into()),
    }
}

async fn keep(user: &User, reason: Option<&str>) -> Result<()> {
    let stays = Happened::Stays {
        user_id: &user.id,
        reason,
    };
    let change = Transaction::new().update_one(
        &USERS,
        json!({"_id": user.id, "ends_at": {"$gt": time::now()}}),
        json!({"$unset": {"ends_at": ""}, "$set": {"updated_at": time::now()}}),
    );
    match stays.told_by(change).commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => {
            Err(Error::conflict("this account is not being deleted"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Deletes the accounts whose time is over.
pub(crate) async fn end_due() -> Result<()> {
    loop {
        let due = USERS.find(json!({"ends_at": {"$lte": time::now()}}));
        let due = due.limit(AT_ONCE).fetch().await?.documents;
        if due.is_empty() {
            return Ok(());
        }
        for user in &due {
            end(user).await?;
        }
    }
}

/// Deletes an account with all that is its owner's here, unless it is kept at this moment.
async fn end(user: &User) -> Result<()> {
    let (own, of_user) = (json!({"_id": user.id}), json!({"user_id": user.id}));
    let change = Transaction::new()
        .delete_one(&USERS, json!({"_id": user.id, "ends_at": user.ends_at}))
        .delete_many(&ACCOUNT_KEYS, own.clone())
        .delete_many(&SECOND_FACTORS, own.clone())
        .delete_many(&TOTP_SETUPS, own)
        .delete_many(&MAILED, of_user.clone())
        .delete_many(&SECOND_STEPS, of_user.clone())
        .delete_many(&REMEMBERED, of_user.clone())
        .delete_many(&PASSKEYS, of_user.clone())
        .delete_many(&CHALLENGES, of_user.clone())
        .delete_many(&PROVIDER_LINKS, of_user.clone())
        .delete_many(&OAUTH_CODES, of_user.clone())
        .delete_many(&OAUTH_CONSENTS, of_user);
    let change = lockdown::forget(change, &user.id);
    // There are none but those that began while it was being asked for.
    let (change, _) = users::all_over(change, &user.id, EndReason::Departure).await?;
    let deleted = Happened::Deleted { user_id: &user.id };
    match deleted.told_by(change).commit().await {
        Ok(_) | Err(DocumentsError::PreconditionFailed(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, bearer, login, register, renew, root, signed_in};
    use sbd_sdk::Principal;
    use sbd_sdk::testing::{App, Reply};
    use serde_json::Value;

    const DELETION: &str = "/api/v1/auth/me/deletion";
    const GRACE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn leave(app: &App, tokens: &Reply, password: &str) -> Reply {
        signed_in(app, tokens).put(DELETION, json!({"password": password}))
    }

    fn stay(app: &App, identifier: &str, password: &str) -> Reply {
        let who = json!({"identifier": identifier, "password": password});
        app.anonymous().post("/api/v1/auth/kept-accounts", who)
    }

    fn told(app: &App, kind: &str) -> usize {
        let told = app.published();
        told.iter().filter(|event| event.kind == kind).count()
    }

    fn tick(app: &App) {
        let host = app.by(Principal::service("test", "auth"));
        host.tick("end-accounts").assert_status(200);
    }

    #[test]
    fn who_leaves_is_out_at_once_and_gone_after_two_weeks() {
        let app = app();
        let id = register(&app, "ada").text("id").to_owned();
        let tokens = login(&app, "ada", PASSWORD);
        let wanted = json!({"name": "x", "scopes": ["*"]});
        let made = signed_in(&app, &tokens).post("/api/v1/auth/permanent-tokens", wanted);
        leave(&app, &tokens, "Wrong-password-1").assert_refused(422, "VALIDATION_ERROR");
        let left = leave(&app, &tokens, PASSWORD).assert_status(200);
        assert_eq!(left["ends_at"], json!(app.now() + GRACE));
        let revoked = left.header(sbd_sdk::header::REVOKED.as_str()).unwrap();
        assert!(revoked.contains("ses_") && revoked.contains(made.text("id")));
        renew(&app, &tokens).assert_refused(401, "TOKEN_INVALID");
        bearer(&app, made.text("token")).assert_refused(401, "TOKEN_INVALID");
        login(&app, "ada", PASSWORD).assert_refused(403, "FORBIDDEN");
        // Who does not know the password is told nothing.
        login(&app, "ada", "Wrong-password-1").assert_refused(401, "INVALID_CREDENTIALS");
        // The name is kept back as long as the account may be kept.
        register(&app, "ada").assert_refused(409, "CONFLICT");
        app.advance(GRACE - HOUR);
        tick(&app);
        assert_eq!(told(&app, "account.deleted"), 0);
        app.advance(HOUR);
        tick(&app);
        tick(&app);
        assert_eq!(told(&app, "account.deleted"), 1);
        login(&app, "ada", PASSWORD).assert_refused(401, "INVALID_CREDENTIALS");
        stay(&app, "ada", PASSWORD).assert_refused(401, "INVALID_CREDENTIALS");
        let again = register(&app, "ada").assert_status(201);
        assert_ne!(again.text("id"), id);
    }

    #[test]
    fn who_thinks_again_keeps_the_account() {
        let app = app();
        register(&app, "ada").assert_status(201);
        stay(&app, "ada", PASSWORD).assert_refused(409, "CONFLICT");
        let tokens = login(&app, "ada", PASSWORD);
        leave(&app, &tokens, PASSWORD).assert_status(200);
        app.advance(GRACE - HOUR);
        stay(&app, "ada", "Wrong-password-1").assert_refused(401, "INVALID_CREDENTIALS");
        stay(&app, "nobody", PASSWORD).assert_refused(401, "INVALID_CREDENTIALS");
        stay(&app, "ada@example.com", PASSWORD).assert_status(204);
        app.advance(2 * HOUR);
        tick(&app);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        signed_in(&app, &tokens)
            .get("/api/v1/auth/me")
            .assert_status(200);
        assert_eq!(told(&app, "account.deleted"), 0);
        // When its time is over, it is over.
        leave(&app, &tokens, PASSWORD).assert_status(200);
        app.advance(GRACE);
        stay(&app, "ada", PASSWORD).assert_refused(409, "CONFLICT");
    }

    #[test]
    fn administrators_delete_and_keep_accounts_of_others_for_a_reason() {
        let app = app();
        let id = register(&app, "ada").text("id").to_owned();
        let address = format!("/api/v1/auth/users/{id}/deletion");
        let set = |deleted: Value, reason: &str| {
            root(&app).put(&address, json!({"deleted": deleted, "reason": reason}))
        };
        set(json!(true), " ").assert_refused(422, "VALIDATION_ERROR");
        set(json!(false), "kept").assert_refused(409, "CONFLICT");
        let gone = set(json!(true), "asked by letter").assert_status(200);
        assert_eq!(gone["ends_at"], json!(app.now() + GRACE));
        set(json!(true), "again").assert_refused(409, "CONFLICT");
        login(&app, "ada", PASSWORD).assert_refused(403, "FORBIDDEN");
        let kept = set(json!(false), "was a mistake").assert_status(200);
        assert_eq!(kept["ends_at"], Value::Null);
        login(&app, "ada", PASSWORD).assert_status(200);
        let reasons: Vec<_> = app
            .recorded()
            .iter()
            .filter_map(|entry| entry.data["reason"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(reasons, ["asked by letter", "was a mistake"]);
    }

    #[test]
    fn an_operator_says_how_long_an_account_can_be_kept() {
        let days = |days: &str| {
            let app = app().variable("account_grace_days", days);
            register(&app, "ada").assert_status(201);
            app
        };
        for wrong in ["", "31", "-1", "soon"] {
            let app = days(wrong);
            let tokens = login(&app, "ada", PASSWORD);
            leave(&app, &tokens, PASSWORD).assert_refused(500, "INTERNAL");
            login(&app, "ada", PASSWORD).assert_status(200);
        }
        let app = days("0");
        let tokens = login(&app, "ada", PASSWORD);
        leave(&app, &tokens, PASSWORD).assert_status(200);
        assert_eq!(told(&app, "account.deleted"), 1);
        register(&app, "ada").assert_status(201);
    }

    #[test]
    fn the_last_administrator_stays() {
        let app = app();
        let appoint = |name: &str| {
            let email = format!("{name}@example.com");
            let admin = json!({"email": email, "username": name, "password": PASSWORD});
            app.anonymous()
                .post(sbd_sdk::path::ADMINISTRATORS, admin)
                .assert_status(201);
        };
        appoint("ada");
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        leave(&app, &tokens, PASSWORD).assert_refused(409, "CONFLICT");
        appoint("bob");
        leave(&app, &tokens, PASSWORD).assert_status(200);
    }
}
