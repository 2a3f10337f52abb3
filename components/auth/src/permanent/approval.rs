//! Approval: where administrators want it, a new token does nothing until one of them has approved it. One that is
//! turned down is taken back.

use super::{PermanentToken, TokenId};
use crate::events::Happened;
use crate::model::ADMIN;
use crate::store::{PERMANENT_TOKENS, USERS};
use crate::{notices, throttle, users};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::json;

/// Administrators that are told of a token at most: each by one step of a commit.
const MOST_TOLD: u32 = 10;

/// The administrators who are to hear that a token waits: those there are, unless they know already that one does.
pub(super) async fn to_tell(user_id: &str) -> Result<Vec<String>> {
    let is_known = PERMANENT_TOKENS.count(json!({"waiting": true})).await? > 0;
    let told = throttle::TOKEN_WAITS.of(user_id);
    if is_known || told.count(time::now()).await.is_err() {
        return Ok(Vec::new());
    }
    let all = USERS.find(json!({"roles": ADMIN, "active": true}));
    let all = all.limit(MOST_TOLD).fetch().await?.documents.into_iter();
    Ok(all.map(|user| user.id).collect())
}

/// Approves a token that waits, or turns it down, for a reason. Nobody decides on their own.
pub(crate) async fn decide(by: &Caller, id: &TokenId, approved: bool, reason: &str) -> Result<()> {
    users::reasonable(reason)?;
    let token = PERMANENT_TOKENS.get(id.as_str()).await?;
    let token = token.ok_or_else(|| Error::not_found("token"))?;
    users::changeable(by, &token.user_id, reason).await?;
    let change = match approved {
        true => approve(&token, reason),
        false => turn_down(&token, reason),
    };
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::conflict(
            "this token does not wait for approval, or not any more",
        )),
        Err(error) => Err(error.into()),
    }
}

fn approve(token: &PermanentToken, reason: &str) -> Transaction {
    let waiting = json!({"_id": token.id, "waiting": true});
    let change = Transaction::new().update_one(
        &PERMANENT_TOKENS,
        waiting,
        json!({"$set": {"waiting": false}}),
    );
    let approved = Happened::TokenApproved {
        user_id: &token.user_id,
        token_id: &token.id,
        reason,
    };
    notices::token_approved(
        approved.told_by(change),
        &token.user_id,
        &token.name,
        reason,
    )
}

fn turn_down(token: &PermanentToken, reason: &str) -> Transaction {
    let waiting = json!({"_id": token.id, "waiting": true});
    let change = Transaction::new().delete_one(&PERMANENT_TOKENS, waiting);
    let ended = Happened::TokenEnded {
        user_id: &token.user_id,
        token_id: &token.id,
        reason: Some(reason),
    };
    notices::token_ended(ended.told_by(change), &token.user_id, &token.name, reason)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::permanent::tests::{POLICY, TOKENS, USER_TOKENS, ada, make};
    use crate::store::USERS;
    use crate::tests::{app, bearer, register, root};
    use sbd_sdk::testing::{App, Reply};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::json;

    fn policy(app: &App, permanent_tokens: &str) -> Reply {
        root(app).put(POLICY, json!({"permanent_tokens": permanent_tokens}))
    }

    fn decide(app: &App, id: &str, approved: bool) -> Reply {
        let path = format!("{USER_TOKENS}/{id}/approval");
        root(app).post(&path, json!({"approved": approved, "reason": "known"}))
    }

    fn told(app: &App, kind: &str) -> usize {
        let told = app.published().into_iter();
        told.filter(|event| event.data["kind"] == kind).count()
    }

    #[test]
    fn a_token_waits_until_an_administrator_approves_it() {
        let app = app();
        let ada = ada(&app);
        let before = make(&ada, "before", &["*"]).assert_status(201);
        policy(&app, "approved").assert_status(200);
        let made = make(&ada, "x", &["*"]).assert_status(201);
        assert_eq!(
            (&before["waiting"], &made["waiting"]),
            (&json!(false), &json!(true))
        );
        let (id, token) = (made.text("id"), made.text("token"));
        bearer(&app, token).assert_refused(401, "TOKEN_INVALID");
        bearer(&app, before.text("token")).assert_status(200);
        let waiting = root(&app).get(&format!("{USER_TOKENS}?waiting=true"));
        let waiting = waiting.assert_status(200);
        assert_eq!(
            (&waiting["total"], &waiting["items"][0]["id"]),
            (&json!(1), &made["id"])
        );
        decide(&app, id, true).assert_status(204);
        bearer(&app, token).assert_status(200);
        assert_eq!(told(&app, "account.token_approved"), 1);
        // Of two who decide, the first did.
        for approved in [true, false] {
            decide(&app, id, approved).assert_refused(409, "CONFLICT");
        }
        bearer(&app, token).assert_status(200);
        let entry = app
            .recorded()
            .into_iter()
            .find(|entry| entry.action == "token.approved");
        assert_eq!(
            entry.map(|entry| entry.data["reason"].clone()),
            Some(json!("known"))
        );
    }

    #[test]
    fn administrators_are_told_of_the_first_that_waits() {
        let app = app();
        let ada = ada(&app);
        for name in ["grace", "joan"] {
            register(&app, name).assert_status(201);
        }
        let admin = json!({"$set": {"roles": ["user", "admin"]}});
        let both = json!({"username": {"$in": ["grace", "joan"]}});
        app.run(USERS.update_many(both, admin)).unwrap();
        make(&ada, "open", &["*"]).assert_status(201);
        policy(&app, "approved").assert_status(200);
        let waits = || told(&app, "account.token_waits");
        assert_eq!(waits(), 0);
        let first = make(&ada, "first", &["*"]).assert_status(201);
        assert_eq!(waits(), 2);
        make(&ada, "second", &["*"]).assert_status(201);
        assert_eq!(waits(), 2);
        // None waits any more: the next one is news, but not whatever one user makes and takes back.
        for more in [4, 6, 6] {
            ada.delete(TOKENS).assert_status(204);
            make(&ada, "again", &["*"]).assert_status(201);
            assert_eq!(waits(), more);
        }
        decide(&app, first.text("id"), true).assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn one_that_is_turned_down_is_gone() {
        let app = app();
        let ada = ada(&app);
        policy(&app, "approved").assert_status(200);
        let made = make(&ada, "x", &["*"]).assert_status(201);
        let (id, token) = (made.text("id"), made.text("token"));
        let path = format!("{USER_TOKENS}/{id}/approval");
        for reason in ["", " ", &"x".repeat(501)] {
            let decision = json!({"approved": false, "reason": reason});
            root(&app)
                .post(&path, decision)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        decide(&app, id, false).assert_status(204);
        bearer(&app, token).assert_refused(401, "TOKEN_INVALID");
        assert_eq!(told(&app, "account.token_ended"), 1);
        decide(&app, id, true).assert_refused(404, "NOT_FOUND");
        assert_eq!(ada.get(TOKENS)["total"], 0);
    }

    #[test]
    fn nobody_approves_their_own() {
        let app = app();
        let ada = ada(&app);
        policy(&app, "approved").assert_status(200);
        let made = make(&ada, "x", &["*"]).assert_status(201);
        let path = format!("{USER_TOKENS}/{}/approval", made.text("id"));
        let decision = json!({"approved": true, "reason": "mine"});
        let all = root(&app).get(USER_TOKENS);
        let ada = all["items"][0]["user_id"].as_str().unwrap_or_default();
        let scopes = Scopes::everything().with_administration();
        app.by(Principal::user("test", ada).with_scopes(scopes))
            .post(&path, decision)
            .assert_refused(409, "CONFLICT");
    }

    #[test]
    fn where_there_are_none_nobody_makes_one_and_none_acts() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "x", &["*"]).assert_status(201);
        policy(&app, "none").assert_status(200);
        make(&ada, "y", &["*"]).assert_refused(403, "FORBIDDEN");
        bearer(&app, made.text("token")).assert_refused(401, "TOKEN_INVALID");
        policy(&app, "open").assert_status(200);
        bearer(&app, made.text("token")).assert_status(200);
        for wrong in ["some", ""] {
            policy(&app, wrong).assert_refused(422, "VALIDATION_ERROR");
        }
    }
}
