//! Another name for a token, or other networks that it is good in. Where administrators approve tokens, one that is to
//! be good in more than they have seen waits for them again.

use super::policy::Making;
use super::{PermanentToken, TokenId, approval, making, named, own};
use crate::events::Happened;
use crate::networks::Networks;
use crate::notices;
use crate::store::PERMANENT_TOKENS;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result};
use serde_json::json;

/// What of a token is to be otherwise; the rest stays.
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) networks: Option<Vec<String>>,
}

/// Changes a token of the caller's. Answers what it is then, and that the host is told of it, where it is good elsewhere.
pub(crate) async fn change(
    caller: &Caller,
    id: &TokenId,
    wanted: &Change,
) -> Result<(PermanentToken, Option<TokenId>)> {
    let making = making(caller).await?;
    let name = wanted.name.as_deref().map(named).transpose()?;
    let networks = wanted.networks.as_deref();
    let networks = networks.map(|texts| Networks::read("networks", texts));
    let networks = networks.transpose()?;
    let before = own(&caller.user, id).await?;
    let name = name.map_or_else(|| before.name.clone(), str::to_owned);
    let networks = networks.unwrap_or_else(|| before.networks.clone());
    let is_moved = networks != before.networks;
    if !is_moved && name == before.name {
        return Ok((before, None));
    }
    let is_wider = !networks.is_within(&before.networks);
    // An administrator may be looking at it, and approve what it was.
    if is_wider && before.waiting {
        return Err(Error::conflict(
            "this token waits for approval as it is; take it back, and make another one",
        ));
    }
    let after = PermanentToken {
        name,
        networks,
        waiting: before.waiting || is_wider && making == Making::Approved,
        ..before.clone()
    };
    let unchanged = json!({"_id": id, "user_id": before.user_id, "waiting": before.waiting});
    let set = json!({"name": after.name, "networks": after.networks, "waiting": after.waiting});
    let set = Transaction::new().update_one(&PERMANENT_TOKENS, unchanged, json!({"$set": set}));
    let changed = Happened::TokenChanged {
        user_id: &after.user_id,
        token_id: id,
        networks: is_moved,
    };
    let mut set = changed.told_by(set);
    if is_moved {
        let administrators = match after.waiting && !before.waiting {
            true => approval::to_tell(&after.user_id).await?,
            false => Vec::new(),
        };
        set = notices::token_waits(set, &administrators);
        set = notices::token_moved(set, &after.user_id, &after.name, after.waiting);
    }
    match set.commit().await {
        Ok(_) => {
            let told = is_moved.then(|| after.id.clone());
            Ok((after, told))
        }
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::conflict(
            "this token was approved or taken back at the same time; look at your tokens",
        )),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::permanent::tests::{POLICY, TOKENS, USER_TOKENS, ada, make};
    use crate::tests::{PASSWORD, app, bearer, bearer_from, login, register, root, signed_in};
    use sbd_sdk::Principal;
    use sbd_sdk::testing::{App, Client, Reply};
    use serde_json::{Value, json};

    const HOME: &str = "192.0.2.7";
    const AWAY: &str = "198.51.100.1";

    fn change(by: &Client<'_>, id: &str, change: Value) -> Reply {
        by.patch(&format!("{TOKENS}/{id}"), change)
    }

    fn recorded(app: &App) -> Vec<Value> {
        let all = app.recorded().into_iter();
        all.filter(|entry| entry.action == "token.changed")
            .map(|entry| entry.data["networks"].clone())
            .collect()
    }

    #[test]
    fn its_owner_calls_it_something_else_and_binds_it_elsewhere() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "backup", &["*"]).assert_status(201);
        let (id, token) = (made.text("id"), made.text("token"));
        let bound = change(&ada, id, json!({"networks": [AWAY]})).assert_status(200);
        assert_eq!(
            (&bound["name"], &bound["networks"]),
            (&json!("backup"), &json!([AWAY]))
        );
        assert_eq!(bound.header("sbd-revoked"), Some(id));
        bearer_from(&app, token, AWAY, "curl").assert_status(200);
        bearer_from(&app, token, HOME, "curl").assert_refused(401, "TOKEN_INVALID");
        let named = change(&ada, id, json!({"name": " copies "})).assert_status(200);
        assert_eq!(named.header("sbd-revoked"), None);
        assert_eq!(
            (&named["name"], &named["networks"]),
            (&json!("copies"), &json!([AWAY]))
        );
        change(&ada, id, json!({"networks": []})).assert_status(200);
        bearer(&app, token).assert_status(200);
        // What changes nothing is no change.
        for nothing in [json!({}), json!({"name": "copies", "networks": []})] {
            change(&ada, id, nothing).assert_status(200);
        }
        assert_eq!(recorded(&app), [json!(true), json!(false), json!(true)]);
        let told = app.published().into_iter();
        let told = told.filter(|event| event.data["kind"] == "account.token_moved");
        assert_eq!(told.count(), 2);
    }

    #[test]
    fn nothing_is_taken_that_is_not_taken_when_one_is_made_and_from_nobody_else() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "x", &["*"]).assert_status(201);
        let id = made.text("id");
        for (wrong, field) in [
            (json!({"name": " "}), "name"),
            (json!({"name": "x".repeat(101)}), "name"),
            (json!({"name": "a\nb"}), "name"),
            (json!({"networks": ["everywhere"]}), "networks"),
            (json!({"networks": ["10.0.0.1/8"]}), "networks"),
            (json!({"networks": vec!["10.0.0.0/8"; 51]}), "networks"),
        ] {
            let refused = change(&ada, id, wrong).assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        change(&ada, id, json!({"scopes": ["*"]})).assert_refused(422, "VALIDATION_ERROR");
        let who = bearer(&app, made.text("token"));
        let itself = Principal::user("test", who.text("user")).in_session(id);
        change(&app.by(itself), id, json!({"name": "y"})).assert_refused(403, "FORBIDDEN");
        register(&app, "bob").assert_status(201);
        let bob = signed_in(&app, &login(&app, "bob", PASSWORD));
        change(&bob, id, json!({"name": "y"})).assert_refused(404, "NOT_FOUND");
        root(&app)
            .put(POLICY, json!({"permanent_tokens": "none"}))
            .assert_status(200);
        change(&ada, id, json!({"name": "y"})).assert_refused(403, "FORBIDDEN");
        assert!(recorded(&app).is_empty());
    }

    #[test]
    fn one_that_is_to_be_good_in_more_than_was_approved_waits_again() {
        let app = app();
        let ada = ada(&app);
        root(&app)
            .put(POLICY, json!({"permanent_tokens": "approved"}))
            .assert_status(200);
        let wanted = json!({"name": "x", "scopes": ["*"], "networks": ["192.0.2.0/24"]});
        let made = ada.post(TOKENS, wanted).assert_status(201);
        let (id, token) = (made.text("id"), made.text("token"));
        let approve = || {
            let decision = json!({"approved": true, "reason": "known"});
            root(&app)
                .post(&format!("{USER_TOKENS}/{id}/approval"), decision)
                .assert_status(204);
        };
        // What an administrator looks at does not become more.
        change(&ada, id, json!({"networks": []})).assert_refused(409, "CONFLICT");
        approve();
        let less = change(&ada, id, json!({"networks": [HOME]})).assert_status(200);
        assert_eq!(less["waiting"], json!(false));
        bearer_from(&app, token, HOME, "curl").assert_status(200);
        let more = change(&ada, id, json!({"networks": [HOME, AWAY]})).assert_status(200);
        assert_eq!(more["waiting"], json!(true));
        bearer_from(&app, token, HOME, "curl").assert_refused(401, "TOKEN_INVALID");
        approve();
        bearer_from(&app, token, AWAY, "curl").assert_status(200);
    }
}
