#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::home::{Home, When};
use membership::request::{KEPT, MOST_PENDING};
use sbd_sdk::testing::Reply;
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

fn ask(home: &Home, user: &str, amount: u64) -> String {
    let body = json!({"amount": amount, "reason": "a book"});
    let made = home.send(user, "token-requests", body).assert_status(201);
    made.text("id").to_owned()
}

fn act(home: &Home, user: &str, request: &str, what: &str, body: Value) -> Reply {
    let path = home.path(&format!("token-requests/{request}/{what}"));
    home.app.signed_in(user).post(&path, body)
}

fn state(home: &Home, request: &str) -> String {
    let request = home.read("usr_1", &format!("token-requests/{request}"));
    request.text("state").to_owned()
}

#[test]
fn a_member_asks_and_an_administrator_decides() {
    let home = Home::new(&["usr_2", "usr_3"]);
    home.deposit(100);
    let request = ask(&home, "usr_2", 40);
    home.hear();
    assert_eq!(home.notices("family.token_request.created"), ["usr_1"]);
    let address = format!("token-requests/{request}");
    // One's own, and any for administrators.
    assert_eq!(home.read("usr_2", &address)["state"], "pending");
    for user in ["usr_3", "usr_8"] {
        let other = home.app.signed_in(user).get(&home.path(&address));
        other.assert_refused(404, "NOT_FOUND");
    }
    act(&home, "usr_2", &request, "approve", json!({})).assert_refused(403, "FORBIDDEN");
    act(&home, "usr_8", &request, "approve", json!({})).assert_refused(404, "NOT_FOUND");
    act(&home, "usr_1", "frq_none", "approve", json!({})).assert_refused(404, "NOT_FOUND");
    let approved = act(
        &home,
        "usr_1",
        &request,
        "approve",
        json!({"comment": " enjoy "}),
    );
    let approved = approved.assert_status(200);
    assert_eq!(
        (
            &approved["state"],
            &approved["comment"],
            &approved["reviewed_by"]
        ),
        (&json!("completed"), &json!("enjoy"), &json!("usr_1"))
    );
    assert_eq!((home.owns("usr_2"), home.balance()), (1040, (60, 0)));
    // Sent again it is the same; another decision comes too late.
    act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
    act(&home, "usr_1", &request, "deny", json!({})).assert_refused(409, "CONFLICT");
    act(&home, "usr_2", &request, "cancel", json!({})).assert_refused(409, "CONFLICT");
    let denied = ask(&home, "usr_2", 5);
    let reply = act(
        &home,
        "usr_1",
        &denied,
        "deny",
        json!({"comment": "not now"}),
    );
    assert_eq!(reply.assert_status(200)["state"], "denied");
    let canceled = ask(&home, "usr_2", 5);
    act(&home, "usr_1", &canceled, "cancel", json!({})).assert_refused(403, "FORBIDDEN");
    act(&home, "usr_3", &canceled, "cancel", json!({})).assert_refused(404, "NOT_FOUND");
    act(&home, "usr_2", &canceled, "cancel", json!({})).assert_status(200);
    act(&home, "usr_2", &canceled, "cancel", json!({})).assert_status(200);
    for kind in ["completed", "denied"] {
        let told = home.notices(&format!("family.token_request.{kind}"));
        assert_eq!(told, ["usr_2"], "{kind}");
    }
    assert_eq!(home.owns("usr_2"), 1040);
    let counted = ["approved", "denied", "canceled", "automatic"].map(|outcome| {
        home.app
            .counted("token_requests_total", &[("outcome", outcome)])
    });
    assert_eq!(counted, [1, 1, 1, 0]);
    // The administrator's payment does not count on what the member may spend.
    assert_eq!(
        home.read("usr_1", "wallet/permissions/usr_2")["spent_today"],
        0
    );
    home.assert_settled();
}

#[test]
fn nobody_decides_on_their_own_but_the_only_administrator() {
    let home = Home::new(&["usr_2"]);
    home.deposit(100);
    // More than is approved by itself.
    home.deposit(100);
    let first = ask(&home, "usr_1", 101);
    act(&home, "usr_1", &first, "approve", json!({})).assert_status(200);
    home.promote("usr_2");
    let second = ask(&home, "usr_1", 101);
    act(&home, "usr_1", &second, "approve", json!({})).assert_refused(403, "OWN_REQUEST");
    act(&home, "usr_1", &second, "deny", json!({})).assert_refused(403, "OWN_REQUEST");
    act(&home, "usr_2", &second, "deny", json!({})).assert_status(200);
}

#[test]
fn what_cannot_be_paid_is_pending_again() {
    let home = Home::new(&["usr_2"]);
    let request = ask(&home, "usr_2", 40);
    act(&home, "usr_1", &request, "approve", json!({})).assert_refused(409, "INSUFFICIENT_BALANCE");
    assert_eq!(state(&home, &request), "pending");
    home.deposit(100);
    let freeze = json!({"reason": "why"});
    let root = home.app.signed_in("usr_1");
    root.post(&home.path("wallet/freeze"), freeze)
        .assert_status(200);
    act(&home, "usr_1", &request, "approve", json!({})).assert_refused(409, "ACCOUNT_FROZEN");
    root.post(&home.path("wallet/unfreeze"), json!({}))
        .assert_status(200);
    act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
    assert_eq!(home.owns("usr_2"), 1040);
    let gone = ask(&home, "usr_2", 40);
    home.leave("usr_2");
    act(&home, "usr_1", &gone, "approve", json!({})).assert_refused(409, "CONFLICT");
    act(&home, "usr_1", &gone, "deny", json!({})).assert_status(200);
    home.assert_settled();
}

#[test]
fn small_requests_are_approved_by_themselves_within_cap_and_permission() {
    let home = Home::new(&["usr_2", "usr_3"]);
    home.deposit(500);
    let settings = home.path("wallet/settings");
    let small = json!({"up_to": 20, "per_month": 50});
    let (root, bob) = (home.app.signed_in("usr_1"), home.app.signed_in("usr_2"));
    assert_eq!(bob.get(&settings).assert_status(200)["up_to"], 100);
    bob.put(&settings, small.clone())
        .assert_refused(403, "FORBIDDEN");
    assert_eq!(
        root.put(&settings, small.clone()).assert_status(200).body(),
        &small
    );
    home.permit("usr_2", json!({"per_day": 45}));
    let states = |user: &str, amounts: &[u64]| -> Vec<String> {
        let made = amounts.iter().map(|amount| ask(&home, user, *amount));
        made.map(|request| state(&home, &request)).collect()
    };
    // Above the threshold; within it; over what the member may spend on a day.
    assert_eq!(
        states("usr_2", &[21, 20, 20, 6]),
        ["pending", "completed", "completed", "pending"]
    );
    home.advance(Duration::from_secs(24 * 60 * 60));
    let left = home.read("usr_2", "wallet/permissions/usr_2");
    if left["approved_this_month"] == 40 {
        // Over the cap of the month, if it is the same.
        assert_eq!(
            states("usr_2", &[11, 10, 1]),
            ["pending", "completed", "pending"]
        );
    }
    // Who may spend nothing waits for an administrator.
    assert_eq!(states("usr_3", &[1]), ["pending"]);
    root.put(&settings, json!({})).assert_status(200);
    home.advance(Duration::from_secs(40 * 24 * 60 * 60));
    assert_eq!(states("usr_2", &[1]), ["pending"]);
    // One that cannot be paid counts nowhere, and waits.
    root.put(&settings, small).assert_status(200);
    home.send(
        "usr_1",
        "wallet/payments",
        json!({"to": "usr_9", "amount": home.balance().0}),
    )
    .assert_status(201);
    assert_eq!(states("usr_2", &[2]), ["pending"]);
    let own = home.read("usr_2", "wallet/permissions/usr_2");
    assert_eq!(
        (&own["spent_today"], &own["approved_this_month"]),
        (&json!(0), &json!(0))
    );
    for wrong in [
        json!({"up_to": 0}),
        json!({"up_to": 1.5}),
        json!({"per_month": "5"}),
        json!({"per_week": 5}),
    ] {
        root.put(&settings, wrong)
            .assert_refused(422, "VALIDATION_ERROR");
    }
    home.assert_settled();
}

#[test]
fn two_administrators_at_once_pay_once() {
    let home = Rc::new(Home::new(&["usr_2", "usr_3"]));
    home.deposit(100);
    home.promote("usr_3");
    let request = ask(&home, "usr_2", 40);
    let (other, of, once) = (Rc::clone(&home), request.clone(), Cell::new(true));
    home.whenever(move |_, when| {
        if when == When::Before && once.replace(false) {
            act(&other, "usr_3", &of, "approve", json!({})).assert_refused(409, "CONFLICT");
            act(&other, "usr_3", &of, "deny", json!({})).assert_refused(409, "CONFLICT");
            // The schedule comes by as well.
            other.app.advance(Duration::from_secs(61));
            other.tick();
        }
    });
    act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
    home.undisturbed();
    home.recover();
    assert_eq!(
        (state(&home, &request), home.owns("usr_2")),
        ("completed".to_owned(), 1040)
    );
    home.assert_settled();
}

#[test]
fn killed_anywhere_a_request_is_paid_once() {
    for point in 0.. {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        let request = ask(&home, "usr_2", 40);
        let died = home.dies_at(point, || {
            drop(act(&home, "usr_1", &request, "approve", json!({})));
        });
        home.recover();
        assert_eq!(
            (state(&home, &request), home.owns("usr_2")),
            ("completed".to_owned(), 1040)
        );
        act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
        assert_eq!(home.owns("usr_2"), 1040);
        home.assert_settled();
        if !died {
            assert_eq!(point, 4);
            break;
        }
    }
}

#[test]
fn what_nobody_decides_on_expires() {
    let home = Home::new(&["usr_2"]);
    home.deposit(100);
    let request = ask(&home, "usr_2", 40);
    home.advance(KEPT);
    // Whether the schedule has come or not.
    assert_eq!(state(&home, &request), "expired");
    act(&home, "usr_1", &request, "approve", json!({})).assert_refused(409, "CONFLICT");
    let list = home.read("usr_1", "token-requests?state=expired");
    assert_eq!(
        (&list["total"], &list["items"][0]["state"]),
        (&json!(1), &json!("expired"))
    );
    assert_eq!(
        home.read("usr_1", "token-requests?state=pending")["total"],
        0
    );
    home.tick();
    home.tick();
    assert_eq!(home.notices("family.token_request.expired"), ["usr_2"]);
    // It is kept.
    home.advance(Duration::from_secs(400 * 24 * 60 * 60));
    home.app.sweep();
    assert_eq!(state(&home, &request), "expired");
}

#[test]
fn requests_are_listed_to_whom_they_concern() {
    let home = Home::new(&["usr_2", "usr_3"]);
    for amount in [5, 7, 6] {
        ask(&home, "usr_2", amount);
        home.advance(Duration::from_secs(1));
    }
    let last = ask(&home, "usr_3", 9);
    act(&home, "usr_1", &last, "deny", json!({})).assert_status(200);
    let amounts = |user: &str, query: &str| -> Vec<i64> {
        let list = home.read(user, &format!("token-requests?{query}"));
        let items = list["items"].as_array().unwrap().iter();
        items.map(|item| item["amount"].as_i64().unwrap()).collect()
    };
    assert_eq!(amounts("usr_1", ""), [9, 6, 7, 5]);
    assert_eq!(amounts("usr_1", "sort=amount&order=asc&per_page=2"), [5, 6]);
    assert_eq!(amounts("usr_1", "per_page=2&page=2"), [7, 5]);
    assert_eq!(amounts("usr_1", "state=denied"), [9]);
    assert_eq!(amounts("usr_1", "user_id=usr_3"), [9]);
    assert_eq!(amounts("usr_2", ""), [6, 7, 5]);
    assert_eq!(amounts("usr_3", "user_id=usr_3"), [9]);
    let until = home.app.now() - Duration::from_secs(2);
    assert_eq!(amounts("usr_1", &format!("to={until}")), [5]);
    let path = |query: &str| home.path(&format!("token-requests?{query}"));
    let bob = home.app.signed_in("usr_2");
    bob.get(&path("user_id=usr_3"))
        .assert_refused(403, "FORBIDDEN");
    home.app
        .signed_in("usr_8")
        .get(&path(""))
        .assert_refused(404, "NOT_FOUND");
    for wrong in [
        "state=paid",
        "from=now",
        "sort=reason",
        "per_page=0",
        "who=me",
    ] {
        bob.get(&path(wrong))
            .assert_refused(422, "VALIDATION_ERROR");
    }
}

#[test]
fn a_member_has_so_many_requests_pending() {
    let home = Home::new(&["usr_2"]);
    let keyed = home.keyed("usr_2", "k-1");
    let body = json!({"amount": 1, "reason": "a book"});
    let path = home.path("token-requests");
    let first = keyed.post(&path, body.clone()).assert_status(201);
    assert_eq!(keyed.post(&path, body).body(), first.body());
    let other = json!({"amount": 2, "reason": "a book"});
    keyed
        .post(&path, other)
        .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
    for _ in 1..MOST_PENDING {
        ask(&home, "usr_2", 1);
    }
    let one_more = json!({"amount": 1, "reason": "a book"});
    home.send("usr_2", "token-requests", one_more)
        .assert_refused(409, "CONFLICT");
    act(&home, "usr_2", first.text("id"), "cancel", json!({})).assert_status(200);
    ask(&home, "usr_2", 1);
    for reason in ["", " ", "a\u{7}b", &"x".repeat(201)] {
        let body = json!({"amount": 1, "reason": reason});
        let refused = home.send("usr_2", "token-requests", body);
        refused.assert_refused(422, "VALIDATION_ERROR");
    }
}
