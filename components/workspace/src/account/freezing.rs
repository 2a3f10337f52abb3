#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::team::Team;
use membership::freeze::VOTE;
use sbd_sdk::testing::Reply;
use serde_json::{Value, json};
use std::time::Duration;

const EMERGENCY: &str = "wallet/emergency-unfreeze";

fn frozen() -> Team {
    let team = Team::with(1000);
    team.send(
        "usr_2",
        "wallet/freeze",
        json!({"reason": "The card is lost"}),
    )
    .assert_status(200);
    team
}

fn backup(team: &Team, user: &str) {
    team.put("usr_1", &format!("wallet/backups/{user}"), json!({}))
        .assert_status(204);
}

fn emergency(team: &Team, user: &str) -> Reply {
    team.send(user, EMERGENCY, json!({"reason": "Salaries are due today"}))
}

fn vote(team: &Team, user: &str, what: &str) -> Reply {
    team.send(user, &format!("{EMERGENCY}/{what}"), json!({}))
}

#[test]
fn nothing_is_spent_from_a_frozen_account_and_paid_in_it_is() {
    let team = Team::with(1000);
    for user in ["usr_3", "usr_4"] {
        team.send(user, "wallet/freeze", json!({"reason": "why"}))
            .assert_refused(403, "FORBIDDEN");
    }
    team.send("usr_9", "wallet/freeze", json!({"reason": "why"}))
        .assert_refused(404, "NOT_FOUND");
    team.send("usr_2", "wallet/freeze", json!({"reason": ""}))
        .assert_refused(422, "VALIDATION_ERROR");
    let request = team.send(
        "usr_4",
        "token-requests",
        json!({"amount": 150, "reason": "a book"}),
    );
    let request = request.assert_status(201).text("id").to_owned();
    let state = team.send(
        "usr_2",
        "wallet/freeze",
        json!({"reason": "The card is lost"}),
    );
    let state = state.assert_status(200);
    assert_eq!(
        (&state["frozen"]["reason"], &state["frozen"]["by"]),
        (&json!("The card is lost"), &json!("usr_2"))
    );
    team.send("usr_1", "wallet/freeze", json!({"reason": "Twice"}))
        .assert_refused(409, "CONFLICT");
    let pay = json!({"to": "usr_9", "amount": 1});
    team.send("usr_1", "wallet/payments", pay.clone())
        .assert_refused(409, "ACCOUNT_FROZEN");
    team.send(
        "usr_4",
        "token-requests",
        json!({"amount": 1, "reason": "a book"}),
    )
    .assert_refused(409, "ACCOUNT_FROZEN");
    let approve = format!("token-requests/{request}/approve");
    team.send("usr_2", &approve, json!({}))
        .assert_refused(409, "ACCOUNT_FROZEN");
    team.send("usr_4", "wallet/deposits", json!({"amount": 5}))
        .assert_status(201);
    assert_eq!(team.read("usr_1", "wallet")["spendable"], 0);
    team.hear();
    assert_eq!(team.notices("workspace.wallet.frozen").len(), 4);
    team.send("usr_3", "wallet/unfreeze", json!({}))
        .assert_refused(403, "FORBIDDEN");
    team.send("usr_1", "wallet/unfreeze", json!({}))
        .assert_status(200);
    team.send("usr_1", "wallet/unfreeze", json!({}))
        .assert_refused(409, "CONFLICT");
    team.send("usr_1", "wallet/payments", pay)
        .assert_status(201);
    team.assert_settled();
}

#[test]
fn two_backup_administrators_unfreeze_it() {
    let team = frozen();
    backup(&team, "usr_3");
    backup(&team, "usr_4");
    backup(&team, "usr_4");
    assert_eq!(team.told("workspace.backup.designated"), 2);
    assert_eq!(
        team.notices("workspace.backup.designated"),
        ["usr_3", "usr_4"]
    );
    let listed = team.read("usr_4", "wallet/backups");
    let listed = listed["items"].as_array().unwrap().iter();
    assert_eq!(
        listed
            .map(|one| one["user_id"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["usr_3", "usr_4"]
    );
    // Nobody else, be they owner.
    for user in ["usr_1", "usr_2"] {
        emergency(&team, user).assert_refused(403, "FORBIDDEN");
    }
    for reason in ["", "too short", "         a", "a\u{202E}bcdefghijk"] {
        team.send("usr_3", EMERGENCY, json!({"reason": reason}))
            .assert_refused(422, "VALIDATION_ERROR");
    }
    vote(&team, "usr_4", "approve").assert_refused(409, "CONFLICT");
    let asked = emergency(&team, "usr_3").assert_status(200);
    assert_eq!(
        (
            &asked["vote"]["approvals"],
            &asked["vote"]["required"],
            &asked["frozen"]["by"]
        ),
        (&json!(1), &json!(2), &json!("usr_2"))
    );
    team.hear();
    assert_eq!(
        team.notices("workspace.wallet.unfreeze_asked"),
        ["usr_3", "usr_4"]
    );
    emergency(&team, "usr_4").assert_refused(409, "CONFLICT");
    vote(&team, "usr_3", "approve").assert_refused(409, "CONFLICT");
    vote(&team, "usr_1", "approve").assert_refused(403, "FORBIDDEN");
    let open = vote(&team, "usr_4", "approve").assert_status(200);
    assert_eq!(
        (&open["frozen"], &open["vote"]),
        (&Value::Null, &Value::Null)
    );
    team.send(
        "usr_1",
        "wallet/payments",
        json!({"to": "usr_9", "amount": 1}),
    )
    .assert_status(201);
    assert_eq!(team.told("workspace.wallet.unfrozen"), 1);
    emergency(&team, "usr_3").assert_refused(409, "CONFLICT");
}

#[test]
fn one_is_enough_where_the_workspace_says_so() {
    let team = frozen();
    backup(&team, "usr_3");
    emergency(&team, "usr_3").assert_status(200);
    assert!(!team.read("usr_1", EMERGENCY)["frozen"].is_null());
    team.advance(VOTE + Duration::from_secs(1));
    let settings = json!({"up_to": 100, "per_month": 500, "unfreezers": 1});
    team.put("usr_1", "wallet/settings", settings)
        .assert_status(200);
    let open = emergency(&team, "usr_3").assert_status(200);
    assert!(open["frozen"].is_null() && open["vote"].is_null());
    team.send(
        "usr_1",
        "wallet/payments",
        json!({"to": "usr_9", "amount": 1}),
    )
    .assert_status(201);
}

#[test]
fn a_backup_is_one_as_long_as_they_are_a_member() {
    let team = frozen();
    team.put("usr_1", "wallet/backups/usr_9", json!({}))
        .assert_refused(404, "NOT_FOUND");
    for user in ["usr_3", "usr_4"] {
        team.put(user, "wallet/backups/usr_3", json!({}))
            .assert_refused(403, "FORBIDDEN");
        team.delete(user, "wallet/backups/usr_3")
            .assert_refused(403, "FORBIDDEN");
        backup(&team, user);
    }
    emergency(&team, "usr_3").assert_status(200);
    // Who is gone is for nothing any more, nor after coming back.
    team.delete("usr_3", "members/usr_3").assert_status(204);
    emergency(&team, "usr_3").assert_refused(404, "NOT_FOUND");
    let one = vote(&team, "usr_4", "approve").assert_status(200);
    assert!(!one["frozen"].is_null());
    crate::tests::join(
        &team.app,
        &team.id,
        "usr_3",
        crate::permissions::Role::Editor,
    );
    vote(&team, "usr_3", "approve").assert_refused(403, "FORBIDDEN");
    // One who is none any more does not count either.
    backup(&team, "usr_3");
    team.delete("usr_1", "wallet/backups/usr_4")
        .assert_status(204);
    team.delete("usr_1", "wallet/backups/usr_4")
        .assert_status(204);
    let still = vote(&team, "usr_3", "approve").assert_status(200);
    assert!(!still["frozen"].is_null());
    backup(&team, "usr_4");
    let still = team.read("usr_1", EMERGENCY);
    assert!(!still["frozen"].is_null());
}
