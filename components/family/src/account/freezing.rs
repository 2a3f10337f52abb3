#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::home::{Home, When};
use membership::freeze::VOTE;
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;

fn act(home: &Home, user: &str, what: &str) -> sbd_sdk::testing::Reply {
    let body = json!({"reason": "a reason"});
    home.app.signed_in(user).post(&home.path(what), body)
}

fn ledger_is_frozen(home: &Home) -> bool {
    let family = home
        .wallet
        .by(sbd_sdk::Principal::service("test", "family"));
    let account = family.get(&format!("/api/v1/wallet/accounts/{}", home.id));
    account["frozen"] != Value::Null
}

#[test]
fn an_administrator_freezes_and_unfreezes() {
    let home = Home::new(&["usr_2"]);
    home.deposit(100);
    let order = json!({"to": "usr_9", "amount": 10});
    act(&home, "usr_2", "wallet/freeze").assert_refused(403, "FORBIDDEN");
    act(&home, "usr_8", "wallet/freeze").assert_refused(404, "NOT_FOUND");
    act(&home, "usr_1", "wallet/unfreeze").assert_refused(409, "CONFLICT");
    let frozen = act(&home, "usr_1", "wallet/freeze").assert_status(200);
    assert_eq!(frozen["frozen"]["by"], "usr_1");
    act(&home, "usr_1", "wallet/freeze").assert_refused(409, "CONFLICT");
    assert!(ledger_is_frozen(&home));
    let seen = home.read("usr_2", "wallet");
    assert_eq!(
        (&seen["frozen"]["reason"], &seen["spendable"]),
        (&json!("a reason"), &json!(0))
    );
    home.send("usr_1", "wallet/payments", order.clone())
        .assert_refused(409, "ACCOUNT_FROZEN");
    home.send(
        "usr_2",
        "token-requests",
        json!({"amount": 1, "reason": "a book"}),
    )
    .assert_refused(409, "ACCOUNT_FROZEN");
    // It can be paid into.
    home.deposit(1);
    home.hear();
    assert_eq!(home.notices("family.wallet.frozen"), ["usr_1", "usr_2"]);
    act(&home, "usr_2", "wallet/unfreeze").assert_refused(403, "FORBIDDEN");
    act(&home, "usr_1", "wallet/unfreeze").assert_status(200);
    assert!(!ledger_is_frozen(&home));
    home.send("usr_1", "wallet/payments", order)
        .assert_status(201);
    for reason in ["", " ", "a\u{7}b", &"x".repeat(201)] {
        let body = json!({"reason": reason});
        let refused = home
            .app
            .signed_in("usr_1")
            .post(&home.path("wallet/freeze"), body);
        refused.assert_refused(422, "VALIDATION_ERROR");
    }
}

#[test]
fn members_unfreeze_it_together() {
    let home = Home::new(&["usr_2", "usr_3", "usr_4"]);
    let vote = "wallet/emergency-unfreeze";
    act(&home, "usr_2", vote).assert_refused(409, "CONFLICT");
    act(&home, "usr_1", "wallet/freeze").assert_status(200);
    act(&home, "usr_8", vote).assert_refused(404, "NOT_FOUND");
    let asked = act(&home, "usr_2", vote).assert_status(200);
    assert_eq!(
        (&asked["vote"]["required"], &asked["vote"]["approvals"]),
        (&json!(2), &json!(1))
    );
    let approve = "wallet/emergency-unfreeze/approve";
    act(&home, "usr_2", approve).assert_refused(409, "CONFLICT");
    act(&home, "usr_3", vote).assert_refused(409, "CONFLICT");
    let open = act(&home, "usr_3", approve).assert_status(200);
    assert_eq!(
        (&open["frozen"], &open["vote"]),
        (&json!(null), &json!(null))
    );
    assert!(!ledger_is_frozen(&home));
    // Who left does not count, and who never answers does not hinder.
    act(&home, "usr_1", "wallet/freeze").assert_status(200);
    act(&home, "usr_2", vote).assert_status(200);
    home.leave("usr_2");
    assert_eq!(
        act(&home, "usr_3", approve).assert_status(200)["frozen"]["by"],
        "usr_1"
    );
    home.advance(VOTE);
    act(&home, "usr_4", approve).assert_refused(409, "CONFLICT");
    act(&home, "usr_3", vote).assert_status(200);
    act(&home, "usr_4", approve).assert_status(200);
    assert!(!ledger_is_frozen(&home));
    let told = home.told();
    let unfrozen = told.iter().filter(|kind| *kind == "family.wallet.unfrozen");
    assert_eq!(unfrozen.count(), 2);
}

#[test]
fn a_freeze_comes_between_a_payment_and_its_hold() {
    let home = Rc::new(Home::new(&["usr_2"]));
    home.deposit(100);
    home.permit("usr_2", json!({}));
    let (other, once) = (Rc::clone(&home), Cell::new(true));
    home.whenever(move |call, when| {
        if when == When::Before && call.path.ends_with("/holds") && once.replace(false) {
            act(&other, "usr_1", "wallet/freeze").assert_status(200);
        }
    });
    let order = json!({"to": "usr_9", "amount": 10});
    home.send("usr_2", "wallet/payments", order)
        .assert_refused(409, "ACCOUNT_FROZEN");
    home.undisturbed();
    assert_eq!(
        home.read("usr_2", "wallet/permissions/usr_2")["spent_today"],
        0
    );
    home.assert_settled();
}

#[test]
fn killed_anywhere_the_ledger_follows_what_was_decided() {
    for point in 0.. {
        let home = Home::new(&[]);
        home.deposit(100);
        let died = home.dies_at(point, || drop(act(&home, "usr_1", "wallet/freeze")));
        // Even then nothing is spent through the family.
        let order = json!({"to": "usr_9", "amount": 10});
        home.send("usr_1", "wallet/payments", order)
            .assert_refused(409, "ACCOUNT_FROZEN");
        home.recover();
        assert!(ledger_is_frozen(&home), "{point}");
        if !died {
            assert_eq!(point, 2);
            break;
        }
    }
    // Switched off, it is decided, and done when the wallet is there again.
    let home = Home::new(&[]);
    home.instead(503, "OVERLOADED");
    act(&home, "usr_1", "wallet/freeze").assert_status(200);
    home.undisturbed();
    assert!(!ledger_is_frozen(&home));
    home.recover();
    assert!(ledger_is_frozen(&home));
}

#[test]
fn thousands_are_told() {
    let home = Home::new(&[]);
    for number in 0..200 {
        home.join(&format!("usr_m{number}"));
    }
    act(&home, "usr_1", "wallet/freeze").assert_status(200);
    home.hear();
    assert_eq!(home.notices("family.wallet.frozen").len(), 201);
}
