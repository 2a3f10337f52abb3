#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::model::WorkspaceId;
use crate::store::WORKSPACES;
use crate::team::Team;
use group::deletion::Closing;
use sbd_sdk::documents::Transaction;
use serde_json::{Value, json};
use std::time::Duration;

const PAYMENTS: &str = "wallet/payments";

fn to(user: &str, amount: u64) -> Value {
    json!({"to": user, "amount": amount})
}

#[test]
fn the_account_is_there_with_the_workspace_and_anybody_pays_in() {
    let team = Team::with(0);
    let account = format!("/api/v1/wallet/accounts/{}", team.id);
    let itself = team
        .wallet
        .by(sbd_sdk::Principal::service("test", "workspace"));
    assert_eq!(itself.get(&account).assert_status(200)["kind"], "workspace");
    let paid = team.send(
        "usr_4",
        "wallet/deposits",
        json!({"amount": 100, "memo": "saved"}),
    );
    assert_eq!(paid.assert_status(201)["amount"], 100);
    assert_eq!((team.balance(), team.owns("usr_4")), ((100, 0), 900));
    for user in ["usr_1", "usr_2", "usr_3", "usr_4"] {
        assert_eq!(team.read(user, "wallet")["balance"], 100);
    }
    team.get("usr_9", "wallet").assert_refused(404, "NOT_FOUND");
    team.send("usr_9", "wallet/deposits", json!({"amount": 1}))
        .assert_refused(404, "NOT_FOUND");
    team.assert_settled();
}

#[test]
fn members_spend_what_their_role_says_and_then_what_is_said_of_them() {
    let team = Team::with(1000);
    // Owners and administrators without limit, others nothing.
    for (user, may) in [
        ("usr_1", true),
        ("usr_2", true),
        ("usr_3", false),
        ("usr_4", false),
    ] {
        let paid = team.send(user, PAYMENTS, to("usr_9", 10));
        match may {
            true => paid.assert_status(201),
            false => paid.assert_refused(403, "FORBIDDEN"),
        };
    }
    // What is said of a role holds for all of them of whom nothing else is said.
    let role = |by: &str, role: &str, permission: Value| {
        team.put(by, &format!("wallet/role-permissions/{role}"), permission)
    };
    let some = json!({"may_spend": true, "per_transaction": 20, "per_day": 30, "per_month": 40});
    role("usr_3", "editor", some.clone()).assert_refused(403, "FORBIDDEN");
    role("usr_9", "editor", some.clone()).assert_refused(404, "NOT_FOUND");
    role("usr_2", "editor", some.clone()).assert_status(200);
    assert_eq!(
        team.read("usr_4", "wallet/role-permissions")["items"],
        json!([{"role": "editor", "permission": some}])
    );
    let pays = |user: &str, amount: u64| team.send(user, PAYMENTS, to("usr_9", amount));
    pays("usr_3", 21).assert_refused(409, "LIMIT_EXCEEDED");
    pays("usr_3", 20).assert_status(201);
    pays("usr_3", 11).assert_refused(409, "LIMIT_EXCEEDED");
    pays("usr_3", 10).assert_status(201);
    pays("usr_3", 1).assert_refused(409, "LIMIT_EXCEEDED");
    pays("usr_4", 1).assert_refused(403, "FORBIDDEN");
    let own = team.read("usr_3", "wallet/permissions/usr_3");
    assert_eq!((&own["permission"], &own["is_set"]), (&some, &json!(false)));
    // An administrator's role, too.
    role("usr_1", "admin", json!({"may_spend": true, "per_day": 60})).assert_status(200);
    pays("usr_2", 51).assert_refused(409, "LIMIT_EXCEEDED");
    pays("usr_2", 50).assert_status(201);
    team.delete("usr_1", "wallet/role-permissions/admin")
        .assert_status(200);
    pays("usr_2", 100).assert_status(201);
    // What is said of a member goes before.
    let nothing = json!({"may_spend": false});
    team.put("usr_2", "wallet/permissions/usr_3", nothing)
        .assert_status(200);
    pays("usr_3", 1).assert_refused(403, "FORBIDDEN");
    let more = json!({"may_spend": true, "per_transaction": 5});
    team.put("usr_1", "wallet/permissions/usr_4", more.clone())
        .assert_status(200);
    pays("usr_4", 5).assert_status(201);
    team.put("usr_4", "wallet/permissions/usr_4", more.clone())
        .assert_refused(403, "FORBIDDEN");
    team.get("usr_4", "wallet/permissions/usr_3")
        .assert_refused(403, "FORBIDDEN");
    // Who goes and comes back is allowed nothing by that.
    team.delete("usr_2", "members/usr_4").assert_status(204);
    pays("usr_4", 1).assert_refused(404, "NOT_FOUND");
    team.advance(Duration::from_secs(1));
    crate::tests::join(
        &team.app,
        &team.id,
        "usr_4",
        crate::permissions::Role::Viewer,
    );
    pays("usr_4", 1).assert_refused(403, "FORBIDDEN");
    team.assert_settled();
}

#[test]
fn an_own_role_spends_and_reviews_if_it_says_so() {
    let team = Team::with(100);
    let made = team.send(
        "usr_1",
        "roles",
        json!({"name": "Buyers", "permissions": ["spend", "review"]}),
    );
    let role = made.assert_status(201).text("id").to_owned();
    team.put("usr_1", "members/usr_3/role", json!({"role": role}))
        .assert_status(200);
    team.send("usr_3", PAYMENTS, to("usr_9", 10))
        .assert_status(201);
    let path = format!("wallet/role-permissions/{role}");
    team.put(
        "usr_1",
        &path,
        json!({"may_spend": true, "per_transaction": 5}),
    )
    .assert_status(200);
    team.send("usr_3", PAYMENTS, to("usr_9", 10))
        .assert_refused(409, "LIMIT_EXCEEDED");
    // It asks for nothing, and governs nothing.
    team.send(
        "usr_3",
        "token-requests",
        json!({"amount": 1, "reason": "a book"}),
    )
    .assert_refused(403, "FORBIDDEN");
    team.put("usr_3", &path, json!({"may_spend": true}))
        .assert_refused(403, "FORBIDDEN");
    team.send("usr_3", "wallet/freeze", json!({"reason": "why"}))
        .assert_refused(403, "FORBIDDEN");
    // What others ask for, it decides on.
    let asked = team.send(
        "usr_4",
        "token-requests",
        json!({"amount": 101, "reason": "a book"}),
    );
    let asked = asked.assert_status(201).text("id").to_owned();
    team.send("usr_3", &format!("token-requests/{asked}/deny"), json!({}))
        .assert_status(200);
    // A role of another workspace's, or none at all, is not there.
    let other = crate::tests::workspace(&team.app.signed_in("usr_1"), "Other");
    for role in [role.as_str(), "nobody", "rol_x"] {
        let path = format!(
            "/api/v1/workspaces/{}/wallet/role-permissions/{role}",
            other.text("id")
        );
        let reply = team
            .app
            .signed_in("usr_1")
            .put(&path, json!({"may_spend": true}));
        reply.assert_refused(404, "NOT_FOUND");
    }
}

#[test]
fn a_limit_that_changes_while_somebody_pays_holds() {
    let team = Team::with(100);
    let id: WorkspaceId = team.id.parse().unwrap();
    let before = team.app.run(group::account::of(&id)).unwrap();
    let role = json!({"may_spend": true, "per_transaction": 5});
    team.put("usr_1", "wallet/role-permissions/editor", role)
        .assert_status(200);
    // What was read before is not what a payment is committed by.
    let late = group::account::while_open(Transaction::new(), &before);
    assert!(team.app.run(late.commit()).is_err());
}

#[test]
fn nothing_is_paid_while_the_workspace_is_deleted() {
    let team = Team::with(100);
    let id: WorkspaceId = team.id.parse().unwrap();
    let account = team.app.run(group::account::of(&id)).unwrap();
    let paid = || group::account::while_open(Transaction::new(), &account);
    assert!(team.app.run(paid().commit()).is_ok());
    let closing = Closing {
        by: "usr_1".to_owned(),
        to: None,
        share: None,
        at: team.app.now(),
    };
    let closing = json!({"$set": {"closing": closing}});
    let closes = WORKSPACES.update_one(json!({"_id": id}), closing);
    team.app.run(closes).unwrap();
    // Neither what was decided before, nor what is asked for now.
    assert!(team.app.run(paid().commit()).is_err());
    team.send("usr_1", PAYMENTS, to("usr_9", 1))
        .assert_refused(409, "WORKSPACE_CLOSING");
    assert_eq!((team.balance(), team.owns("usr_9")), ((100, 0), 1000));
}

#[test]
fn bad_input_is_refused() {
    let team = Team::with(100);
    let refused = |what: &str, body: Value| {
        let reply = team.send("usr_1", what, body.clone());
        assert_eq!(reply.status(), 422, "{what} {body} {reply:?}");
    };
    for amount in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!(5.0),
        json!("5"),
        json!(1e30),
        json!(null),
        json!(u64::MAX),
    ] {
        refused("wallet/deposits", json!({"amount": amount}));
        refused(PAYMENTS, json!({"to": "usr_9", "amount": amount}));
        refused(
            "token-requests",
            json!({"amount": amount, "reason": "a book"}),
        );
        refused(
            "purchase-requests",
            json!({"price": amount, "seller": "usr_9", "item": {"component": "shop", "id": "i", "title": "t"}}),
        );
    }
    let long = "x".repeat(201);
    for text in ["a\u{202E}b", "a\u{0}b", long.as_str()] {
        refused("wallet/deposits", json!({"amount": 1, "memo": text}));
        refused(PAYMENTS, json!({"to": "usr_9", "amount": 1, "memo": text}));
        refused("token-requests", json!({"amount": 1, "reason": text}));
        refused("wallet/freeze", json!({"reason": text}));
        refused(
            "purchase-requests",
            json!({"price": 1, "seller": "usr_9", "item": {"component": "shop", "id": "i", "title": text}}),
        );
    }
    for kind in ["mint", "token_request", "Two words", ""] {
        refused(PAYMENTS, json!({"to": "usr_9", "amount": 1, "type": kind}));
    }
    team.send("usr_1", PAYMENTS, to("usr_none", 1))
        .assert_refused(409, "CONFLICT");
    for permission in [
        json!({}),
        json!({"may_spend": "yes"}),
        json!({"may_spend": true, "per_day": -1}),
        json!({"may_spend": true, "per_week": 1}),
    ] {
        for what in ["wallet/permissions/usr_3", "wallet/role-permissions/editor"] {
            team.put("usr_1", what, permission.clone())
                .assert_refused(422, "VALIDATION_ERROR");
        }
    }
    for settings in [
        json!({"up_to": 5}),
        json!({"unfreezers": 0}),
        json!({"unfreezers": 3}),
        json!({"up_to": 1.5, "unfreezers": 1}),
    ] {
        team.put("usr_1", "wallet/settings", settings)
            .assert_refused(422, "VALIDATION_ERROR");
    }
    for user in ["usr_9", "nobody", "a%2Fb"] {
        team.put(
            "usr_1",
            &format!("wallet/permissions/{user}"),
            json!({"may_spend": true}),
        )
        .assert_refused(404, "NOT_FOUND");
        team.put("usr_1", &format!("wallet/backups/{user}"), json!({}))
            .assert_refused(404, "NOT_FOUND");
    }
    for query in [
        "limit=0",
        "limit=101",
        "from=yesterday",
        "format=xml",
        "x=1",
    ] {
        team.get("usr_1", &format!("wallet/transactions?{query}"))
            .assert_refused(422, "VALIDATION_ERROR");
    }
    assert_eq!(team.balance(), (100, 0));
}

#[test]
fn other_workspaces_have_other_accounts() {
    let team = Team::with(100);
    let paid = team
        .send("usr_1", PAYMENTS, to("usr_9", 10))
        .assert_status(201);
    let asked = team.send(
        "usr_4",
        "token-requests",
        json!({"amount": 101, "reason": "a book"}),
    );
    let (payment, asked) = (paid.text("id"), asked.assert_status(201));
    let other = crate::tests::workspace(&team.app.signed_in("usr_1"), "Other");
    let path = |what: String| format!("/api/v1/workspaces/{}/{what}", other.text("id"));
    let ada = team.app.signed_in("usr_1");
    for what in [
        format!("wallet/payments/{payment}"),
        format!("token-requests/{}", asked.text("id")),
    ] {
        ada.get(&path(what)).assert_refused(404, "NOT_FOUND");
    }
    let approve = format!("token-requests/{}/approve", asked.text("id"));
    ada.post(&path(approve), json!({}))
        .assert_refused(404, "NOT_FOUND");
}

#[test]
fn what_is_archived_spends_nothing() {
    let team = Team::with(100);
    team.put("usr_1", "archive", json!({})).assert_status(200);
    for what in [PAYMENTS, "token-requests"] {
        let body = match what {
            PAYMENTS => to("usr_9", 1),
            _ => json!({"amount": 1, "reason": "a book"}),
        };
        team.send("usr_1", what, body)
            .assert_refused(409, "WORKSPACE_ARCHIVED");
    }
    assert_eq!(team.read("usr_4", "wallet")["balance"], 100);
}

#[test]
fn transactions_say_whose_doing_they_were_as_a_table_too() {
    let team = Team::with(0);
    team.send(
        "usr_4",
        "wallet/deposits",
        json!({"amount": 300, "memo": "=1+1"}),
    )
    .assert_status(201);
    team.advance(Duration::from_secs(1));
    let paid = team.send(
        "usr_2",
        PAYMENTS,
        json!({"to": "usr_9", "amount": 20, "type": "paper"}),
    );
    let paid = paid.assert_status(201);
    team.advance(Duration::from_secs(1));
    let asked = team.send(
        "usr_3",
        "token-requests",
        json!({"amount": 150, "reason": "a book"}),
    );
    let asked = asked.assert_status(201).text("id").to_owned();
    team.send(
        "usr_2",
        &format!("token-requests/{asked}/approve"),
        json!({}),
    )
    .assert_status(200);
    let page = team.read("usr_4", "wallet/transactions");
    let of = |n: usize| {
        let one = &page["items"][n];
        (
            one["amount"].as_i64().unwrap(),
            one["user_id"].as_str(),
            one["approved_by"].as_str(),
        )
    };
    assert_eq!(
        [of(0), of(1), of(2)],
        [
            (-150, Some("usr_3"), Some("usr_2")),
            (-20, Some("usr_2"), None),
            (300, Some("usr_4"), None)
        ]
    );
    assert_eq!(
        page["items"][1]["payment_id"].as_str().unwrap(),
        paid.text("id")
    );
    let table = team.read("usr_4", "wallet/transactions?format=csv&limit=2");
    assert_eq!(
        table.header("content-type"),
        Some("text/csv; charset=utf-8")
    );
    let lines: Vec<_> = table.body().as_str().unwrap().lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].starts_with("\"transaction_id\",\"at\",\"type\",\"amount\""),
        "{lines:?}"
    );
    assert!(lines[2].contains("\"paper\",-20,\"usr_9\""), "{lines:?}");
    let next = table.header("next-cursor").unwrap();
    let rest = team.read(
        "usr_4",
        &format!("wallet/transactions?format=csv&limit=2&cursor={next}"),
    );
    // What a spreadsheet would compute is a text.
    assert!(
        rest.body().as_str().unwrap().contains("\"'=1+1\""),
        "{rest:?}"
    );
    assert_eq!(rest.header("next-cursor"), None);
}
