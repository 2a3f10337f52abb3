//! Tokens that nobody uses end after as many days as the policy says, if it says so. Their users are told a week
//! before; whoever uses one then keeps it.

use super::{DAY, PermanentToken, policy};
use crate::events::Happened;
use crate::notices;
use crate::store::PERMANENT_TOKENS;
use sbd_sdk::Result;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use serde_json::{Value, json};
use std::time::Duration;

/// How long before its token ends a user is told.
const NOTICE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Tokens that are looked at, at a time.
const AT_ONCE: u32 = 100;

/// Which tokens were not used since then; of those that never were, which were there then.
pub(super) fn unused_since(then: Time) -> Value {
    json!({"$or": [
        {"last_used_at": {"$lt": then}},
        {"last_used_at": null, "created_at": {"$lt": then}},
    ]})
}

/// Ends the tokens whose time is over, and tells the users of those whose time comes.
pub(crate) async fn end_unused() -> Result<()> {
    let Some(patience) = policy::get().await?.patience() else {
        return Ok(());
    };
    let now = time::now();
    let told = json!({"warned_at": {"$lte": now - NOTICE}});
    for token in all(json!({"$and": [told, unused_since(now - patience)]})).await? {
        end(&token).await?;
    }
    let untold = json!({"warned_at": null});
    for token in all(json!({"$and": [untold, unused_since(now + NOTICE - patience)]})).await? {
        warn(&token, now).await?;
    }
    Ok(())
}

/// All that match, before any of them is changed.
async fn all(filter: Value) -> Result<Vec<PermanentToken>> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let search = PERMANENT_TOKENS.find(filter.clone()).limit(AT_ONCE);
        let found = search.after(cursor).fetch().await?;
        all.extend(found.documents);
        cursor = found.next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

/// Ends a token, unless it is used at this moment.
async fn end(token: &PermanentToken) -> Result<()> {
    let reason = "it was not used for as long as tokens may lie unused here";
    let unused = json!({"_id": token.id, "last_used_at": token.last_used_at});
    let change = Transaction::new().delete_one(&PERMANENT_TOKENS, unused);
    let ended = Happened::TokenEnded {
        user_id: &token.user_id,
        token_id: &token.id,
        reason: Some(reason),
    };
    let change = notices::token_ended(ended.told_by(change), &token.user_id, &token.name, reason);
    unless_used(change).await
}

async fn warn(token: &PermanentToken, now: Time) -> Result<()> {
    let unused = json!({"_id": token.id, "last_used_at": token.last_used_at, "warned_at": null});
    let set = json!({"$set": {"warned_at": now}});
    let change = Transaction::new().update_one(&PERMANENT_TOKENS, unused, set);
    unless_used(notices::token_unused(
        change,
        &token.user_id,
        &token.name,
        now + NOTICE + DAY,
    ))
    .await
}

async fn unless_used(change: Transaction) -> Result<()> {
    match change.commit().await {
        Ok(_) | Err(DocumentsError::PreconditionFailed(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permanent::tests::{POLICY, TOKENS, ada, make};
    use crate::tests::{app, bearer, root};
    use sbd_sdk::Principal;
    use sbd_sdk::testing::{App, Reply};

    fn after(app: &App, days: Value) -> Reply {
        let policy = json!({"permanent_tokens": "open", "end_unused_after_days": days});
        root(app).put(POLICY, policy)
    }

    fn tick(app: &App) {
        let host = app.by(Principal::service("test", "auth"));
        host.tick("end-unused-tokens").assert_status(200);
    }

    fn told(app: &App, kind: &str) -> usize {
        let told = app.published().into_iter();
        told.filter(|event| event.data["kind"] == kind).count()
    }

    #[test]
    fn what_nobody_uses_ends_a_week_after_its_user_was_told() {
        let app = app();
        let ada = ada(&app);
        make(&ada, "never", &["*"]).assert_status(201);
        let used = make(&ada, "used", &["*"]).assert_status(201);
        let names = || {
            let own = ada.get(TOKENS).assert_status(200);
            let own = own["items"].as_array().into_iter().flatten();
            own.map(|token| token["name"].clone()).collect::<Vec<_>>()
        };
        app.advance(DAY * 100);
        tick(&app);
        assert_eq!(names().len(), 2, "nobody has said that they end");
        after(&app, json!(30)).assert_status(200);
        // Nothing ends untold, however old it is.
        tick(&app);
        tick(&app);
        assert_eq!((told(&app, "account.token_unused"), names().len()), (2, 2));
        bearer(&app, used.text("token")).assert_status(200);
        app.advance(NOTICE - DAY);
        tick(&app);
        assert_eq!(names().len(), 2);
        app.advance(DAY);
        tick(&app);
        assert_eq!(names(), ["used"]);
        assert_eq!(told(&app, "account.token_ended"), 1);
        // Its user is told of that one in time.
        app.advance(DAY * 17);
        tick(&app);
        assert_eq!(told(&app, "account.token_unused"), 3);
        bearer(&app, used.text("token")).assert_status(200);
    }

    #[test]
    fn another_rule_tells_again() {
        let app = app();
        let ada = ada(&app);
        make(&ada, "x", &["*"]).assert_status(201);
        after(&app, json!(30)).assert_status(200);
        app.advance(DAY * 40);
        tick(&app);
        after(&app, json!(null)).assert_status(200);
        app.advance(DAY * 40);
        tick(&app);
        after(&app, json!(60)).assert_status(200);
        tick(&app);
        assert_eq!(
            (
                told(&app, "account.token_unused"),
                &ada.get(TOKENS)["total"]
            ),
            (2, &json!(1))
        );
        for wrong in [json!(29), json!(3651), json!(-1), json!("90")] {
            after(&app, wrong).assert_refused(422, "VALIDATION_ERROR");
        }
    }
}
