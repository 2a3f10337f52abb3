#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use crate::home::{Home, When};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const PAYMENTS_AT: &str = "wallet/payments";

#[test]
fn members_pay_in_and_spend_what_they_may() {
    let home = Home::new(&["usr_2", "usr_3"]);
    let paid_in = home.send(
        "usr_2",
        "wallet/deposits",
        json!({"amount": 100, "memo": " saved "}),
    );
    let paid_in = paid_in.assert_status(201);
    assert_eq!(
        (&paid_in["amount"], &paid_in["memo"]),
        (&json!(100), &json!("saved"))
    );
    assert_eq!((home.balance(), home.owns("usr_2")), ((100, 0), 900));
    home.send("usr_2", "wallet/deposits", json!({"amount": 901}))
        .assert_refused(409, "INSUFFICIENT_BALANCE");
    // The administrator spends, a member does not unless somebody says so.
    let order = json!({"to": "usr_9", "amount": 30, "memo": "tea", "type": "groceries"});
    home.send("usr_2", PAYMENTS_AT, order.clone())
        .assert_refused(403, "FORBIDDEN");
    let paid = home
        .send("usr_1", PAYMENTS_AT, order.clone())
        .assert_status(201);
    assert_eq!(
        (
            &paid["state"],
            &paid["user_id"],
            &paid["type"],
            &paid["memo"]
        ),
        (
            &json!("paid"),
            &json!("usr_1"),
            &json!("groceries"),
            &json!("tea")
        )
    );
    let address = paid.header("location").unwrap();
    assert_eq!(home.app.signed_in("usr_3").get(address).body(), paid.body());
    home.app
        .signed_in("usr_8")
        .get(address)
        .assert_refused(404, "NOT_FOUND");
    home.permit(
        "usr_2",
        json!({"per_transaction": 30, "per_day": 40, "per_month": 50}),
    );
    home.send("usr_2", PAYMENTS_AT, json!({"to": "usr_9", "amount": 31}))
        .assert_refused(409, "LIMIT_EXCEEDED");
    home.send("usr_2", PAYMENTS_AT, order.clone())
        .assert_status(201);
    home.send("usr_2", PAYMENTS_AT, order)
        .assert_refused(409, "LIMIT_EXCEEDED");
    let own = home.read("usr_2", "wallet/permissions/usr_2");
    assert_eq!(
        (&own["spent_today"], &own["is_set"]),
        (&json!(30), &json!(true))
    );
    let seen = home.read("usr_2", "wallet");
    assert_eq!(
        (&seen["balance"], &seen["spendable"]),
        (&json!(40), &json!(10))
    );
    assert_eq!(home.read("usr_3", "wallet")["spendable"], 0);
    assert_eq!((home.balance(), home.owns("usr_9")), ((40, 0), 1060));
    // Nothing is counted that could not be paid.
    home.permit("usr_2", json!({}));
    home.send("usr_2", PAYMENTS_AT, json!({"to": "usr_9", "amount": 41}))
        .assert_refused(409, "INSUFFICIENT_BALANCE");
    home.send("usr_2", PAYMENTS_AT, json!({"to": "usr_none", "amount": 1}))
        .assert_refused(409, "CONFLICT");
    assert_eq!(
        home.read("usr_2", "wallet/permissions/usr_2")["spent_today"],
        30
    );
    home.assert_settled();
}

#[test]
fn whose_doing_it_was_stands_beside_each_transaction() {
    let home = Home::new(&["usr_2"]);
    home.deposit(50);
    home.permit("usr_2", json!({}));
    home.advance(Duration::from_secs(1));
    let paid = home.send("usr_2", PAYMENTS_AT, json!({"to": "usr_9", "amount": 20}));
    let paid = paid.assert_status(201);
    home.advance(Duration::from_secs(1));
    // Somebody pays in, and says that it was that payment.
    let body = json!({"to": home.id, "amount": 1, "cause": paid.text("id")});
    let eve = home
        .wallet
        .signed_in("usr_8")
        .with_header("idempotency-key", "k-1");
    eve.post("/api/v1/wallet/transfers", body)
        .assert_status(201);
    let list = home.read("usr_1", "wallet/transactions");
    let items = list["items"].as_array().unwrap();
    let whose: Vec<_> = items
        .iter()
        .map(|item| {
            (
                item["amount"].as_i64().unwrap(),
                &item["user_id"],
                &item["payment_id"],
            )
        })
        .collect();
    let none = json!(null);
    assert_eq!(
        whose,
        [
            (1, &json!("usr_8"), &none),
            (-20, &json!("usr_2"), &paid["id"]),
            (50, &json!("usr_1"), &none),
        ]
    );
    let page = home.read("usr_2", "wallet/transactions?limit=1&type=payment");
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let first = home.read("usr_2", "wallet/transactions?limit=1");
    let next = first.text("next");
    let second = home.read(
        "usr_2",
        &format!("wallet/transactions?limit=1&cursor={next}"),
    );
    assert_eq!(second["items"][0]["amount"], -20);
    home.app
        .signed_in("usr_1")
        .get(&home.path("wallet/transactions?cursor=nonsense"))
        .assert_refused(422, "VALIDATION_ERROR");
    home.app
        .signed_in("usr_8")
        .get(&home.path("wallet/transactions"))
        .assert_refused(404, "NOT_FOUND");
}

#[test]
fn the_same_key_is_the_same_payment() {
    let home = Home::new(&[]);
    home.deposit(100);
    let keyed = home.keyed("usr_1", "k-1");
    let path = home.path(PAYMENTS_AT);
    let order = json!({"to": "usr_9", "amount": 30});
    let first = keyed.post(&path, order.clone()).assert_status(201);
    let again = keyed.post(&path, order.clone()).assert_status(201);
    assert_eq!(first.body(), again.body());
    assert_eq!(
        (
            first.header("idempotency-replayed"),
            again.header("idempotency-replayed")
        ),
        (None, Some("true"))
    );
    keyed
        .post(&path, json!({"to": "usr_9", "amount": 31}))
        .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
    let deposits = home.path("wallet/deposits");
    let paid_in = keyed
        .post(&deposits, json!({"amount": 5}))
        .assert_status(201);
    assert_eq!(
        keyed.post(&deposits, json!({"amount": 5})).body(),
        paid_in.body()
    );
    // What was refused is refused again, and does not come to be later.
    let keyed = home.keyed("usr_1", "k-2");
    let order = json!({"to": "usr_9", "amount": 80});
    keyed
        .post(&path, order.clone())
        .assert_refused(409, "INSUFFICIENT_BALANCE");
    home.deposit(100);
    keyed
        .post(&path, order)
        .assert_refused(409, "INSUFFICIENT_BALANCE");
    assert_eq!(home.balance(), (175, 0));
    home.assert_settled();
}

/// What is no amount, in a body as it comes.
#[test]
fn what_is_no_whole_number_of_tokens_is_refused() {
    let home = Home::new(&[]);
    home.deposit(100);
    let routes = [
        ("wallet/deposits", "amount", json!({})),
        (PAYMENTS_AT, "amount", json!({"to": "usr_9"})),
        ("token-requests", "amount", json!({"reason": "a book"})),
        (
            "purchase-requests",
            "price",
            json!({"seller": "usr_9", "item": {"component": "shop", "id": "i", "title": "t"}}),
        ),
    ];
    let amounts = [
        json!(0),
        json!(-1),
        json!(1.5),
        json!(5.0),
        json!("5"),
        json!(true),
        json!(null),
        json!([5]),
        json!({}),
        json!(1_000_000_000_001_u64),
        json!(u64::MAX),
        json!(1e30),
    ];
    for (route, field, body) in routes {
        let refused = home.send("usr_1", route, body.clone());
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], field);
        for amount in &amounts {
            let mut body = body.clone();
            body[field] = amount.clone();
            let refused = home.send("usr_1", route, body);
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field, "{amount}");
        }
        let mut body = body;
        body[field] = json!(5);
        let path = home.path(route);
        let refused = home.app.signed_in("usr_1").post(&path, body.clone());
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], "Idempotency-Key");
        let strangers = home.send("usr_8", route, body.clone());
        strangers.assert_refused(404, "NOT_FOUND");
    }
    for permission in [
        json!({}),
        json!({"may_spend": "yes"}),
        json!({"may_spend": true, "per_day": 0}),
        json!({"may_spend": true, "per_day": -1}),
        json!({"may_spend": true, "per_month": 1.5}),
        json!({"may_spend": true, "per_week": 1}),
    ] {
        let path = home.path("wallet/permissions/usr_1");
        let refused = home.app.signed_in("usr_1").put(&path, permission);
        refused.assert_refused(422, "VALIDATION_ERROR");
    }
    for kind in [
        "",
        "Gift",
        "a b",
        "mint",
        "burn",
        "deposit",
        "token_request",
    ] {
        let order = json!({"to": "usr_9", "amount": 1, "type": kind});
        let refused = home.send("usr_1", PAYMENTS_AT, order);
        refused.assert_refused(422, "VALIDATION_ERROR");
    }
    assert_eq!(home.balance(), (100, 0));
}

/// Each payment is stopped where the wallet is about to be asked, so that others come between.
#[test]
fn a_thousand_spends_at_once_are_never_over_a_limit() {
    // One within the other, they need room.
    let thread = std::thread::Builder::new().stack_size(256 << 20);
    thread.spawn(a_thousand_spends).unwrap().join().unwrap();
}

fn a_thousand_spends() {
    const AT_ONCE: u32 = 25;
    let home = Rc::new(Home::new(&["usr_2"]));
    home.deposit(900);
    home.permit("usr_2", json!({"per_day": 333}));
    let (others, running) = (Rc::clone(&home), Rc::new(Cell::new(0)));
    let (paid, refused) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let spend = {
        let (paid, refused) = (Rc::clone(&paid), Rc::clone(&refused));
        move || {
            let reply = others.send("usr_2", PAYMENTS_AT, json!({"to": "usr_9", "amount": 2}));
            match reply.status() {
                201 => paid.set(paid.get() + 1),
                409 => refused.set(refused.get() + 1),
                status => assert_eq!(status, 201, "{:?}", reply.body()),
            }
        }
    };
    let spend = Rc::new(spend);
    let between = Rc::clone(&spend);
    let count = Rc::clone(&running);
    home.whenever(move |call, when| {
        let is_hold = when == When::Before && call.path.ends_with("/holds");
        if is_hold && count.get() < AT_ONCE {
            count.set(count.get() + 1);
            between();
        }
    });
    while paid.get() + refused.get() < 1000 {
        running.set(0);
        spend();
    }
    home.undisturbed();
    assert_eq!(paid.get(), 166);
    assert_eq!(home.owns("usr_9"), 1000 + 332);
    assert_eq!(
        home.read("usr_2", "wallet/permissions/usr_2")["spent_today"],
        332
    );
    home.assert_settled();
}

#[test]
fn killed_anywhere_a_payment_is_complete_or_undone() {
    let mut points = 0;
    for point in 0.. {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        home.permit("usr_2", json!({"per_day": 50}));
        let order = json!({"to": "usr_9", "amount": 30});
        let path = home.path(PAYMENTS_AT);
        let keyed = home.keyed("usr_2", "k-1");
        let died = home.dies_at(point, || drop(keyed.post(&path, order.clone())));
        home.recover();
        home.assert_settled();
        // Whoever sends it again learns what became of it; nothing happens twice.
        keyed.post(&path, order).assert_status(201);
        assert_eq!(
            (home.balance(), home.owns("usr_9")),
            ((70, 0), 1030),
            "{point}"
        );
        assert_eq!(
            home.read("usr_2", "wallet/permissions/usr_2")["spent_today"],
            30
        );
        let told = home
            .told()
            .iter()
            .filter(|kind| *kind == "family.wallet.paid")
            .count();
        assert_eq!(told, 1);
        if !died {
            break;
        }
        points += 1;
    }
    // Before and after it holds, and before and after it captures.
    assert_eq!(points, 4);
}

#[test]
fn what_the_wallet_does_not_answer_is_gone_on_with() {
    let home = Home::new(&[]);
    home.deposit(100);
    home.instead(503, "OVERLOADED");
    let order = json!({"to": "usr_9", "amount": 30});
    let (keyed, path) = (home.keyed("usr_1", "k-1"), home.path(PAYMENTS_AT));
    keyed
        .post(&path, order.clone())
        .assert_refused(503, "OVERLOADED");
    home.recover();
    keyed
        .post(&path, order.clone())
        .assert_refused(503, "OVERLOADED");
    home.undisturbed();
    home.recover();
    home.recover();
    assert_eq!(home.owns("usr_9"), 1030);
    keyed.post(&path, order.clone()).assert_status(201);
    assert_eq!(home.owns("usr_9"), 1030);
    // Switched off, it says so, and nothing is left to be done.
    home.instead(404, "FEATURE_DISABLED");
    home.send("usr_1", PAYMENTS_AT, order)
        .assert_refused(404, "FEATURE_DISABLED");
    home.undisturbed();
    home.recover();
    assert_eq!(home.owns("usr_9"), 1030);
    home.assert_settled();
}

#[test]
fn a_family_that_was_made_without_the_wallet_has_its_account_later() {
    let home = Home::new(&[]);
    home.instead(404, "FEATURE_DISABLED");
    let id = crate::tests::family(&home.app.signed_in("usr_2"), "B")
        .text("id")
        .to_owned();
    let itself = home.app.by(sbd_sdk::Principal::service("test", "family"));
    let created = json!({"family_id": id, "created_by": "usr_2"});
    let account = format!("/api/v1/wallet/accounts/{id}");
    let opened = || {
        let family = home
            .wallet
            .by(sbd_sdk::Principal::service("test", "family"));
        family.get(&account).status()
    };
    // What else happens does not wait for that.
    itself
        .event("family.created", created.clone())
        .assert_status(204);
    home.app.run_tasks();
    assert_eq!(opened(), 404);
    home.undisturbed();
    home.advance(Duration::from_secs(60 * 60));
    home.app.run_tasks();
    assert_eq!(opened(), 200);
    itself.event("family.created", created).assert_status(204);
    // Or is opened by whoever looks.
    let id = crate::tests::family(&home.app.signed_in("usr_2"), "C")
        .text("id")
        .to_owned();
    let seen = home
        .app
        .signed_in("usr_2")
        .get(&format!("/api/v1/families/{id}/wallet"));
    assert_eq!(seen.assert_status(200)["spendable"], 0);
}
