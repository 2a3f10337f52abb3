#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::home::{Home, When};
use membership::request::{FULFILLED_IN, KEPT};
use sbd_sdk::testing::Reply;
use sbd_sdk::{Principal, Scopes};
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

fn wish(price: u64) -> Value {
    json!({
        "item": {"component": "shop", "id": "itm_1", "title": "A red theme"},
        "price": price, "seller": "usr_9", "reason": "it is red",
    })
}

fn ask(home: &Home, price: u64) -> String {
    let made = home.send("usr_2", "purchase-requests", wish(price));
    made.assert_status(201).text("id").to_owned()
}

fn act(home: &Home, user: &str, request: &str, what: &str, body: Value) -> Reply {
    let path = home.path(&format!("purchase-requests/{request}/{what}"));
    home.app.signed_in(user).post(&path, body)
}

fn sells(home: &Home, component: &str, request: &str, what: &str) -> Reply {
    let path = home.path(&format!("purchase-requests/{request}/{what}"));
    let shop = home.app.by(Principal::service("test", component));
    shop.post(&path, json!({"reason": "sold out"}))
}

fn state(home: &Home, request: &str) -> String {
    let request = home.read("usr_1", &format!("purchase-requests/{request}"));
    request.text("state").to_owned()
}

#[test]
fn the_price_is_held_and_paid_when_it_is_delivered() {
    let home = Home::new(&["usr_2", "usr_3"]);
    home.deposit(100);
    let request = ask(&home, 40);
    assert_eq!(
        (home.balance(), state(&home, &request)),
        ((60, 40), "pending".to_owned())
    );
    home.hear();
    assert_eq!(home.notices("family.purchase.created"), ["usr_1"]);
    sells(&home, "shop", &request, "fulfilment").assert_refused(409, "CONFLICT");
    act(&home, "usr_2", &request, "approve", json!({})).assert_refused(403, "FORBIDDEN");
    let approved = act(&home, "usr_1", &request, "approve", json!({}));
    assert_eq!(approved.assert_status(200)["state"], "approved");
    let told = home.app.published();
    let told = told
        .iter()
        .find(|event| event.kind == "family.purchase.approved")
        .unwrap();
    assert_eq!(
        (
            &told.data["request_id"],
            &told.data["component"],
            &told.data["item_id"]
        ),
        (&json!(request), &json!("shop"), &json!("itm_1"))
    );
    // To others there is nothing to deliver, be they members or other components.
    for other in ["notes", "family"] {
        sells(&home, other, &request, "fulfilment").assert_refused(404, "NOT_FOUND");
        sells(&home, other, &request, "failure").assert_refused(404, "NOT_FOUND");
    }
    act(&home, "usr_1", &request, "fulfilment", json!({})).assert_refused(404, "NOT_FOUND");
    let address = home.path(&format!("purchase-requests/{request}"));
    let shop = home.app.by(Principal::service("test", "shop"));
    assert_eq!(shop.get(&address).assert_status(200)["amount"], 40);
    let other = home.app.by(Principal::service("test", "notes"));
    other.get(&address).assert_refused(404, "NOT_FOUND");
    home.app
        .signed_in("usr_3")
        .get(&address)
        .assert_refused(404, "NOT_FOUND");
    let done = sells(&home, "shop", &request, "fulfilment").assert_status(200);
    assert_eq!(done["state"], "completed");
    sells(&home, "shop", &request, "fulfilment").assert_status(200);
    sells(&home, "shop", &request, "failure").assert_refused(409, "CONFLICT");
    assert_eq!((home.balance(), home.owns("usr_9")), ((60, 0), 1040));
    home.assert_settled();
}

#[test]
fn what_is_not_bought_is_free_again() {
    let home = Home::new(&["usr_2"]);
    home.deposit(100);
    let denied = ask(&home, 10);
    act(&home, "usr_1", &denied, "deny", json!({})).assert_status(200);
    let canceled = ask(&home, 10);
    act(&home, "usr_2", &canceled, "cancel", json!({})).assert_status(200);
    let failed = ask(&home, 10);
    act(&home, "usr_1", &failed, "approve", json!({})).assert_status(200);
    let reply = sells(&home, "shop", &failed, "failure").assert_status(200);
    assert_eq!(
        (&reply["state"], &reply["failure"]),
        (&json!("failed"), &json!("sold out"))
    );
    sells(&home, "shop", &failed, "failure").assert_status(200);
    sells(&home, "shop", &failed, "fulfilment").assert_refused(409, "CONFLICT");
    assert_eq!(home.balance(), (100, 0));
    let undelivered = ask(&home, 10);
    act(&home, "usr_1", &undelivered, "approve", json!({})).assert_status(200);
    let undecided = ask(&home, 10);
    home.advance(FULFILLED_IN);
    home.tick();
    assert_eq!(state(&home, &undelivered), "failed");
    assert_eq!(home.balance(), (90, 10));
    home.advance(KEPT);
    home.tick();
    assert_eq!(state(&home, &undecided), "expired");
    assert_eq!((home.balance(), home.owns("usr_9")), ((100, 0), 1000));
    // Nothing is held where there is too little, and it is not asked for.
    home.send("usr_2", "purchase-requests", wish(101))
        .assert_refused(409, "INSUFFICIENT_BALANCE");
    home.assert_settled();
}

#[test]
fn who_may_spend_so_much_needs_no_administrator() {
    let home = Home::new(&["usr_2"]);
    home.deposit(100);
    home.permit("usr_2", json!({"per_day": 50}));
    let made = home
        .send("usr_2", "purchase-requests", wish(40))
        .assert_status(201);
    assert_eq!(
        (&made["state"], &made["automatic"]),
        (&json!("approved"), &json!(true))
    );
    assert_eq!(
        home.read("usr_2", "wallet/permissions/usr_2")["spent_today"],
        40
    );
    // What is left is less.
    assert_eq!(state(&home, &ask(&home, 11)), "pending");
    sells(&home, "shop", made.text("id"), "failure").assert_status(200);
    assert_eq!(
        home.read("usr_2", "wallet/permissions/usr_2")["spent_today"],
        0
    );
    assert_eq!(home.balance(), (89, 11));
}

#[test]
fn a_component_asks_for_a_member_for_what_it_sells_itself() {
    let home = Home::new(&["usr_2"]);
    home.deposit(100);
    let member = || Principal::user("test", "usr_2").named("bob");
    let by = |component: &str| {
        let by = member().delegated_to(component, &Scopes::everything());
        home.app.by(by).with_header("idempotency-key", "k-1")
    };
    let path = home.path("purchase-requests");
    let refused = by("notes")
        .post(&path, wish(10))
        .assert_refused(422, "VALIDATION_ERROR");
    assert_eq!(refused["error"]["details"][0]["field"], "item.component");
    let made = by("shop").post(&path, wish(10)).assert_status(201);
    assert_eq!(made["user_id"], "usr_2");
    let again = by("shop").post(&path, wish(10)).assert_status(201);
    assert_eq!(again.body(), made.body());
    by("shop")
        .post(&path, wish(11))
        .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(home.balance(), (90, 10));
    let stranger = Principal::user("test", "usr_8").delegated_to("shop", &Scopes::everything());
    let stranger = home.app.by(stranger).with_header("idempotency-key", "k-1");
    stranger
        .post(&path, wish(10))
        .assert_refused(404, "NOT_FOUND");
}

#[test]
fn a_decision_and_a_delivery_at_once_are_one_of_the_two() {
    for (first, second) in [("fulfilment", "failure"), ("failure", "fulfilment")] {
        let home = Rc::new(Home::new(&["usr_2"]));
        home.deposit(100);
        let request = ask(&home, 40);
        act(&home, "usr_1", &request, "approve", json!({})).assert_status(200);
        let (other, of, once) = (Rc::clone(&home), request.clone(), Cell::new(true));
        home.whenever(move |_, when| {
            if when == When::Before && once.replace(false) {
                let status = sells(&other, "shop", &of, second).status();
                assert_eq!(status, 409);
            }
        });
        sells(&home, "shop", &request, first).assert_status(200);
        home.undisturbed();
        home.recover();
        let expected = match first {
            "fulfilment" => ("completed".to_owned(), (60, 0)),
            _ => ("failed".to_owned(), (100, 0)),
        };
        assert_eq!((state(&home, &request), home.balance()), expected);
        home.assert_settled();
    }
}

#[test]
fn killed_anywhere_a_purchase_is_paid_or_free() {
    for what in ["ask", "deny", "fulfilment", "failure"] {
        for point in 0.. {
            let home = Home::new(&["usr_2"]);
            home.deposit(100);
            let request = (what != "ask").then(|| ask(&home, 40));
            let died = home.dies_at(point, || match (&request, what) {
                (Some(request), "deny") => drop(act(&home, "usr_1", request, "deny", json!({}))),
                (Some(request), _) => {
                    act(&home, "usr_1", request, "approve", json!({})).assert_status(200);
                    sells(&home, "shop", request, what);
                }
                _ => drop(
                    home.keyed("usr_2", "k-1")
                        .post(&home.path("purchase-requests"), wish(40)),
                ),
            });
            home.recover();
            let expected = match what {
                "ask" => ("pending", (60, 40)),
                "deny" => ("denied", (100, 0)),
                "fulfilment" => ("completed", (60, 0)),
                _ => ("failed", (100, 0)),
            };
            let list = home.read("usr_1", "purchase-requests");
            assert_eq!(list["total"], 1);
            let found = (list["items"][0]["state"].as_str().unwrap(), home.balance());
            assert_eq!(found, expected, "{what} {point}");
            if !died {
                break;
            }
        }
    }
}

/// Who sells asks before the schedule comes: what whoever asked has died over is held by then.
#[test]
fn whoever_sells_goes_on_with_what_was_left() {
    for point in 0.. {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        let died = home.dies_at(point, || drop(ask(&home, 40)));
        home.undisturbed();
        let list = home.read("usr_1", "purchase-requests");
        let request = list["items"][0]["id"].as_str().unwrap().to_owned();
        home.advance(Duration::from_secs(11));
        let shop = home.app.by(Principal::service("test", "shop"));
        shop.get(&home.path(&format!("purchase-requests/{request}")))
            .assert_status(200);
        assert_eq!(home.balance(), (60, 40), "{point}");
        if !died {
            assert!(point > 0);
            break;
        }
    }
}
