#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::team::Team;
use membership::request::{FULFILLED_IN, KEPT};
use sbd_sdk::Principal;
use sbd_sdk::testing::Reply;
use serde_json::{Value, json};

fn ask(team: &Team, user: &str, amount: u64) -> Reply {
    let body = json!({"amount": amount, "reason": "a book"});
    team.send(user, "token-requests", body)
}

fn act(team: &Team, user: &str, request: &str, what: &str, body: Value) -> Reply {
    let path = team.path(&format!("token-requests/{request}/{what}"));
    team.app.signed_in(user).post(&path, body)
}

#[test]
fn small_requests_are_approved_by_themselves_up_to_a_cap() {
    let team = Team::with(1000);
    let settings = json!({"up_to": 50, "per_month": 80, "unfreezers": 2});
    team.put("usr_3", "wallet/settings", settings.clone())
        .assert_refused(403, "FORBIDDEN");
    team.put("usr_2", "wallet/settings", settings.clone())
        .assert_status(200);
    assert_eq!(*team.read("usr_4", "wallet/settings").body(), settings);
    // Viewers too, who may spend nothing.
    for (amount, state) in [
        (51, "pending"),
        (50, "completed"),
        (31, "pending"),
        (30, "completed"),
        (1, "pending"),
    ] {
        let made = ask(&team, "usr_4", amount).assert_status(201);
        assert_eq!(made["state"], state, "{amount}");
        assert_eq!(made["automatic"], state == "completed");
    }
    assert_eq!((team.balance(), team.owns("usr_4")), ((920, 0), 1080));
    // Everybody has their own cap, and the next month another one.
    assert_eq!(
        ask(&team, "usr_3", 50).assert_status(201)["state"],
        "completed"
    );
    assert_eq!(
        team.read("usr_4", "wallet/permissions/usr_4")["approved_this_month"],
        80
    );
    team.advance(std::time::Duration::from_secs(31 * 24 * 60 * 60));
    assert_eq!(
        ask(&team, "usr_4", 50).assert_status(201)["state"],
        "completed"
    );
    // Without numbers nothing is.
    let none = json!({"up_to": null, "per_month": null, "unfreezers": 2});
    team.put("usr_2", "wallet/settings", none)
        .assert_status(200);
    assert_eq!(
        ask(&team, "usr_4", 1).assert_status(201)["state"],
        "pending"
    );
    let counted = |outcome: &str| {
        team.app
            .counted("token_requests_total", &[("outcome", outcome)])
    };
    assert_eq!(
        (
            counted("automatic"),
            counted("approved"),
            counted("expired")
        ),
        (4, 0, 3)
    );
    team.assert_settled();
}

#[test]
fn others_decide_with_a_comment_and_nobody_on_their_own() {
    let team = Team::with(1000);
    let request = ask(&team, "usr_4", 150)
        .assert_status(201)
        .text("id")
        .to_owned();
    team.hear();
    assert_eq!(
        team.notices("workspace.token_request.created"),
        ["usr_1", "usr_2"]
    );
    act(&team, "usr_3", &request, "approve", json!({})).assert_refused(403, "FORBIDDEN");
    act(&team, "usr_9", &request, "approve", json!({})).assert_refused(404, "NOT_FOUND");
    let long = "x".repeat(501);
    for comment in [json!(long), json!("a\u{202E}b"), json!(5)] {
        act(
            &team,
            "usr_2",
            &request,
            "approve",
            json!({"comment": comment}),
        )
        .assert_refused(422, "VALIDATION_ERROR");
    }
    let approved = act(
        &team,
        "usr_2",
        &request,
        "approve",
        json!({"comment": "enjoy"}),
    )
    .assert_status(200);
    assert_eq!(
        (
            &approved["state"],
            &approved["comment"],
            &approved["reviewed_by"]
        ),
        (&json!("completed"), &json!("enjoy"), &json!("usr_2"))
    );
    act(&team, "usr_1", &request, "approve", json!({})).assert_refused(409, "CONFLICT");
    assert_eq!(team.owns("usr_4"), 1150);
    // Nobody decides on their own, not even the only one who could.
    let own = ask(&team, "usr_2", 150)
        .assert_status(201)
        .text("id")
        .to_owned();
    for what in ["approve", "deny"] {
        act(&team, "usr_2", &own, what, json!({})).assert_refused(403, "OWN_REQUEST");
    }
    act(&team, "usr_1", &own, "deny", json!({"comment": "no"})).assert_status(200);
    let alone = ask(&team, "usr_1", 150)
        .assert_status(201)
        .text("id")
        .to_owned();
    team.put("usr_1", "members/usr_2/role", json!({"role": "viewer"}))
        .assert_status(200);
    act(&team, "usr_1", &alone, "approve", json!({})).assert_refused(403, "OWN_REQUEST");
    act(&team, "usr_1", &alone, "cancel", json!({})).assert_status(200);
    // Others see theirs alone.
    assert_eq!(team.read("usr_4", "token-requests")["total"], 1);
    assert_eq!(team.read("usr_1", "token-requests")["total"], 3);
    team.get("usr_4", "token-requests?user_id=usr_2")
        .assert_refused(403, "FORBIDDEN");
    team.get("usr_3", &format!("token-requests/{request}"))
        .assert_refused(404, "NOT_FOUND");
}

#[test]
fn what_nobody_decides_on_expires_and_what_cannot_be_paid_is_pending_again() {
    let team = Team::with(0);
    let request = ask(&team, "usr_4", 150)
        .assert_status(201)
        .text("id")
        .to_owned();
    act(&team, "usr_2", &request, "approve", json!({})).assert_refused(409, "INSUFFICIENT_BALANCE");
    assert_eq!(
        team.read("usr_4", &format!("token-requests/{request}"))["state"],
        "pending"
    );
    team.advance(KEPT);
    let read = team.read("usr_4", &format!("token-requests/{request}"));
    assert_eq!(read["state"], "expired");
    act(&team, "usr_2", &request, "approve", json!({})).assert_refused(409, "CONFLICT");
    assert_eq!(team.notices("workspace.token_request.expired"), ["usr_4"]);
    assert_eq!(team.told("workspace.token_request.expired"), 1);
}

#[test]
fn what_was_approved_by_itself_and_not_paid_leaves_its_room() {
    let team = Team::with(0);
    let made = ask(&team, "usr_4", 60).assert_status(201);
    assert_eq!(made["state"], "pending");
    let own = "wallet/permissions/usr_4";
    assert_eq!(team.read("usr_4", own)["approved_this_month"], 0);
    team.send("usr_1", "wallet/deposits", json!({"amount": 100}))
        .assert_status(201);
    let made = ask(&team, "usr_4", 60).assert_status(201);
    assert_eq!(made["state"], "completed");
    let own = team.read("usr_4", own);
    assert_eq!(
        (&own["approved_this_month"], &own["spent_today"]),
        (&json!(60), &json!(0))
    );
}

#[test]
fn whoever_asked_and_is_gone_is_not_paid() {
    let team = Team::with(1000);
    let request = ask(&team, "usr_4", 150)
        .assert_status(201)
        .text("id")
        .to_owned();
    team.delete("usr_2", "members/usr_4").assert_status(204);
    act(&team, "usr_2", &request, "approve", json!({})).assert_refused(409, "CONFLICT");
    assert_eq!((team.balance(), team.owns("usr_4")), ((1000, 0), 1000));
}

fn wish(price: u64) -> Value {
    json!({
        "item": {"component": "shop", "id": "itm_1", "title": "A red theme"},
        "price": price, "seller": "usr_9",
    })
}

fn sells(team: &Team, component: &str, request: &str, what: &str) -> Reply {
    let path = team.path(&format!("purchase-requests/{request}/{what}"));
    let shop = team.app.by(Principal::service("test", component));
    shop.post(&path, json!({"reason": "sold out"}))
}

#[test]
fn a_purchase_is_held_approved_and_paid_when_it_is_delivered() {
    let team = Team::with(100);
    let made = team
        .send("usr_3", "purchase-requests", wish(40))
        .assert_status(201);
    let request = made.text("id").to_owned();
    assert_eq!(
        (&made["state"], team.balance()),
        (&json!("pending"), (60, 40))
    );
    sells(&team, "shop", &request, "fulfilment").assert_refused(409, "CONFLICT");
    let path = format!("purchase-requests/{request}/approve");
    team.send("usr_3", &path, json!({}))
        .assert_refused(403, "FORBIDDEN");
    team.send("usr_2", &path, json!({})).assert_status(200);
    let told = team.app.published();
    let told = told
        .iter()
        .find(|event| event.kind == "workspace.purchase.approved")
        .unwrap();
    assert_eq!(
        (
            &told.data["workspace_id"],
            &told.data["request_id"],
            &told.data["component"],
            &told.data["item_id"]
        ),
        (
            &json!(team.id),
            &json!(request),
            &json!("shop"),
            &json!("itm_1")
        )
    );
    for other in ["notes", "family", "workspace"] {
        sells(&team, other, &request, "fulfilment").assert_refused(404, "NOT_FOUND");
    }
    sells(&team, "shop", &request, "fulfilment").assert_status(200);
    sells(&team, "shop", &request, "fulfilment").assert_status(200);
    assert_eq!((team.balance(), team.owns("usr_9")), ((60, 0), 1040));
    // Who may spend so much needs nobody.
    let made = team
        .send("usr_1", "purchase-requests", wish(10))
        .assert_status(201);
    assert_eq!(
        (&made["state"], &made["automatic"]),
        (&json!("approved"), &json!(true))
    );
    sells(&team, "shop", made.text("id"), "failure").assert_status(200);
    // What nobody delivers is free again.
    let late = team
        .send("usr_1", "purchase-requests", wish(10))
        .assert_status(201);
    team.advance(FULFILLED_IN);
    let read = team.read("usr_1", &format!("purchase-requests/{}", late.text("id")));
    assert_eq!(read["state"], "failed");
    team.send("usr_3", "purchase-requests", wish(61))
        .assert_refused(409, "INSUFFICIENT_BALANCE");
    team.assert_settled();
}
