use crate::home::{Home, When};
use serde_json::json;
use std::rc::Rc;

#[test]
fn administrators_say_what_members_may_spend() {
    let home = Home::new(&["usr_2", "usr_3"]);
    let own = home.read("usr_1", "wallet/permissions/usr_1");
    assert_eq!(own["permission"]["may_spend"], true);
    let path = home.path("wallet/permissions/usr_2");
    let (ada, bob, eve) = (
        home.app.signed_in("usr_1"),
        home.app.signed_in("usr_2"),
        home.app.signed_in("usr_3"),
    );
    assert_eq!(
        bob.get(&path).assert_status(200)["permission"]["may_spend"],
        false
    );
    eve.get(&path).assert_refused(403, "FORBIDDEN");
    let may = json!({"may_spend": true, "per_day": 10});
    for by in [&bob, &eve] {
        by.put(&path, may.clone()).assert_refused(403, "FORBIDDEN");
    }
    home.app
        .signed_in("usr_8")
        .get(&path)
        .assert_refused(404, "NOT_FOUND");
    home.app
        .signed_in("usr_8")
        .put(&path, may.clone())
        .assert_refused(404, "NOT_FOUND");
    ada.put(&home.path("wallet/permissions/usr_8"), may.clone())
        .assert_refused(404, "NOT_FOUND");
    let set = ada.put(&path, may.clone()).assert_status(200);
    assert_eq!(
        (&set["set_by"], &set["is_set"]),
        (&json!("usr_1"), &json!(true))
    );
    assert_eq!(ada.put(&path, may).assert_status(200).body(), set.body());
    assert_eq!(home.notices("family.wallet.permission"), ["usr_2"]);
    // Administrators are unlimited unless somebody says otherwise, and then they are not.
    home.deposit(100);
    home.permit("usr_1", json!({"per_transaction": 5}));
    home.send(
        "usr_1",
        "wallet/payments",
        json!({"to": "usr_9", "amount": 6}),
    )
    .assert_refused(409, "LIMIT_EXCEEDED");
}

#[test]
fn guardians_say_what_a_minor_may_spend_and_minors_do_not() {
    let home = Home::new(&["usr_2", "usr_3", "usr_4"]);
    home.deposit(100);
    let guardians = json!({"guardians": ["usr_3"]});
    home.app
        .signed_in("usr_1")
        .put(&home.path("members/usr_2/guardians"), guardians)
        .assert_status(200);
    let path = home.path("wallet/permissions/usr_2");
    let may = |amount: u64| json!({"may_spend": true, "per_day": amount});
    let set = |user: &str, amount| home.app.signed_in(user).put(&path, may(amount));
    set("usr_2", 50).assert_refused(403, "FORBIDDEN");
    set("usr_4", 50).assert_refused(403, "FORBIDDEN");
    set("usr_3", 5).assert_status(200);
    home.app.signed_in("usr_3").get(&path).assert_status(200);
    home.app
        .signed_in("usr_4")
        .get(&path)
        .assert_refused(403, "FORBIDDEN");
    // A guardian governs the minor alone.
    home.app
        .signed_in("usr_3")
        .put(&home.path("wallet/permissions/usr_3"), may(50))
        .assert_refused(403, "FORBIDDEN");
    home.send(
        "usr_2",
        "wallet/payments",
        json!({"to": "usr_9", "amount": 6}),
    )
    .assert_refused(409, "LIMIT_EXCEEDED");
    home.send(
        "usr_2",
        "wallet/payments",
        json!({"to": "usr_9", "amount": 5}),
    )
    .assert_status(201);
}

#[test]
fn who_comes_back_is_allowed_nothing_by_what_was_said_before() {
    let home = Home::new(&["usr_2"]);
    home.deposit(100);
    home.permit("usr_2", json!({}));
    let order = json!({"to": "usr_9", "amount": 10});
    home.send("usr_2", "wallet/payments", order.clone())
        .assert_status(201);
    home.leave("usr_2");
    home.send("usr_2", "wallet/payments", order.clone())
        .assert_refused(404, "NOT_FOUND");
    home.advance(std::time::Duration::from_secs(1));
    home.join("usr_2");
    home.send("usr_2", "wallet/payments", order.clone())
        .assert_refused(403, "FORBIDDEN");
    home.permit("usr_2", json!({"per_day": 15}));
    // What was spent is spent.
    home.send("usr_2", "wallet/payments", order)
        .assert_refused(409, "LIMIT_EXCEEDED");
}

#[test]
fn who_is_sent_away_while_paying_has_paid_or_has_not() {
    let home = Rc::new(Home::new(&["usr_2"]));
    home.deposit(100);
    home.permit("usr_2", json!({}));
    let (other, order) = (Rc::clone(&home), json!({"to": "usr_9", "amount": 10}));
    home.whenever(move |call, when| {
        if when == When::Before && call.path.ends_with("/holds") {
            other.leave("usr_2");
        }
    });
    // It was decided while they were a member.
    home.send("usr_2", "wallet/payments", order.clone())
        .assert_status(201);
    home.undisturbed();
    home.send("usr_2", "wallet/payments", order)
        .assert_refused(404, "NOT_FOUND");
    assert_eq!(home.balance(), (90, 0));
}
