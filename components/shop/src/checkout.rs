//! Ordering what is in a cart. The order, its stock, its voucher and the empty cart are one commit, once per key;
//! from there on `progress` goes on with it.

use crate::cart::{self, CartLine, Priced, Sum};
use crate::commit::{busy, committed, tries};
use crate::item::Offer;
use crate::model::OrderId;
use crate::neighbours;
use crate::order::{Line, Order, PATIENCE, stops_at};
use crate::payer::Group;
use crate::saga::State;
use crate::store::ORDERS;
use crate::{progress, recipient, stock, telling, vouchers};
use http::StatusCode;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result, Tokens, time};
use serde_json::json;
use std::collections::BTreeSet;

/// What somebody orders: what is in their cart, as they have seen it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// What it costs, as they have seen it.
    pub(crate) total: u64,
    /// The account that is to pay; their own when not said.
    pub(crate) payer: Option<String>,
    pub(crate) voucher: Option<String>,
    /// This line alone, and not the cart.
    pub(crate) line: Option<CartLine>,
}

/// What was ordered, now or when the same was asked before.
pub(crate) struct Made {
    pub(crate) order: Order,
    pub(crate) replayed: bool,
}

/// Orders what is in the caller's cart, once per key.
pub(crate) async fn order(caller: &Caller, key: &str, wanted: &Wanted) -> Result<Made> {
    let payer = wanted.payer(&caller.user)?;
    let key = format!("{}/{key}", caller.user);
    let asked = json!([wanted.total, payer, wanted.voucher]).to_string();
    for _ in tries() {
        if let Some(known) = ORDERS.find_one(json!({"key": key})).await? {
            if known.asked != asked {
                return Err(Error::idempotency_key_reused());
            }
            return settled(known, true).await;
        }
        let sum = match &wanted.line {
            Some(line) => cart::sum_of(line).await?,
            None => cart::sum(&caller.user, wanted.voucher.as_deref()).await?,
        };
        let offers = bought(&sum, wanted.total)?;
        require_recipients(payer, &caller.user, &sum).await?;
        let now = time::now();
        let order = Order {
            id: OrderId::new(),
            key: key.clone(),
            asked: asked.clone(),
            buyer: caller.user.to_string(),
            buyer_name: caller.username.to_string(),
            payer: payer.to_owned(),
            lines: lines(&sum),
            cart: wanted.line.is_none().then_some(sum.cart.version + 1),
            subtotal: sum.subtotal,
            discount: sum.discount,
            voucher: sum.voucher.as_ref().map(|voucher| voucher.code.clone()),
            total: sum.total(),
            refunded: 0,
            refunds: 0,
            state: State::Reserved,
            hold_id: None,
            request_id: None,
            payment_id: None,
            transaction_id: None,
            refusal: None,
            created_at: now,
            stops_at: stops_at(State::Reserved, now),
            due_at: Some(now + PATIENCE),
            ended_at: None,
        };
        let change = stock::reserve(Transaction::new(), &caller.user, &offers).await?;
        let change = match &sum.voucher {
            Some(voucher) => vouchers::used(change, voucher, &order),
            None => change,
        };
        let change = match &wanted.line {
            Some(_) => change,
            None => cart::ordered(change, &sum.cart),
        };
        let change = change.insert(&ORDERS, &order);
        if committed(telling::placed(change, &order).commit().await)? {
            return settled(order, false).await;
        }
    }
    Err(busy())
}

/// An order that was gone through, as far as it goes; or why nothing came of it.
async fn settled(order: Order, replayed: bool) -> Result<Made> {
    let order = progress::go_on(order).await?;
    match order.state {
        State::Completed | State::AwaitingApproval | State::Granting => {
            Ok(Made { order, replayed })
        }
        State::Undone => Err(order.refusal()),
        // Others go on with it at the same time.
        _ => Err(neighbours::busy()),
    }
}

/// What is bought, if all of it can be, at the price that was seen.
fn bought(sum: &Sum, seen: u64) -> Result<Vec<(&Offer, u32)>> {
    if sum.lines.is_empty() {
        let message = "the cart is empty; put something in first";
        return Err(Error::conflict(message));
    }
    if let Some(problem) = sum.lines.iter().find_map(|line| line.problem.clone()) {
        return Err(problem);
    }
    if sum.total() != seen {
        let message = format!(
            "this costs {} tokens now, and not {seen}; look at the cart again, and order at this price if you still want it",
            sum.total()
        );
        return Err(Error::new(StatusCode::CONFLICT, "PRICE_CHANGED", message));
    }
    if sum.total() > Tokens::MOST {
        let message = format!(
            "an order is of {} tokens at most; make two of it",
            Tokens::MOST
        );
        return Err(Error::conflict(message));
    }
    let offers = sum.lines.iter();
    Ok(offers
        .filter_map(|line| Some((line.offer.as_ref()?, line.line.count)))
        .collect())
}

/// Something is bought for users who are there, and out of a group's account for its members alone.
async fn require_recipients(payer: &str, buyer: &str, sum: &Sum) -> Result<()> {
    let users: BTreeSet<_> = sum.lines.iter().map(|line| &line.line.user).collect();
    for user in users.into_iter().filter(|user| *user != buyer) {
        match Group::of(payer) {
            Some(group) => group.require_member(user).await?,
            None => recipient::require(user).await?,
        }
    }
    Ok(())
}

/// The lines of an order, and what of the discount is each one's: as much of a hundred as of all of it, and the
/// last one's what is left.
fn lines(sum: &Sum) -> Vec<Line> {
    let mut left = sum.total();
    let last = sum.lines.len().saturating_sub(1);
    let mut lines = Vec::with_capacity(sum.lines.len());
    for (
        place,
        Priced {
            line, offer, price, ..
        },
    ) in sum.lines.iter().enumerate()
    {
        let (Some(offer), Some(price)) = (offer, *price) else {
            continue;
        };
        let paid = match place == last {
            true => left,
            false => share(price, sum.total(), sum.subtotal).min(left),
        };
        left -= paid;
        lines.push(Line {
            id: line.id.clone(),
            good: offer.good.clone(),
            days: line.days,
            count: line.count,
            user: line.user.clone(),
            note: line.note.clone(),
            price,
            paid,
            refund_id: None,
        });
    }
    lines
}

/// What of a price is paid, where so much of a sum is.
fn share(price: u64, total: u64, subtotal: u64) -> u64 {
    let part = u128::from(price) * u128::from(total) / u128::from(subtotal.max(1));
    u64::try_from(part).unwrap_or(price)
}

// === impl Wanted ===

impl Wanted {
    fn payer<'a>(&'a self, buyer: &'a str) -> Result<&'a str> {
        match self.payer.as_deref() {
            None => Ok(buyer),
            Some(payer) if payer == buyer || Group::of(payer).is_some() => Ok(payer),
            Some(_) => Err(Error::validation(
                "pay_from",
                "the id of a family or a workspace that you belong to; leave it out to pay out of your own account",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::market::{Market, SHOP, When};
    use crate::saga::State;
    use sbd_sdk::{Principal, Tokens};
    use serde_json::{Value, json};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;
    use std::time::Duration;

    #[test]
    fn what_is_in_the_cart_is_bought_once() {
        let market = Market::new();
        let (red, blue) = (market.item("Red", 30), market.item("Blue", 12));
        market.put("usr_2", &red, json!({})).assert_status(201);
        let rented = json!({"days": 10, "for": "usr_3", "note": "for you"});
        let cart = market.put("usr_2", &blue, rented).assert_status(201);
        assert_eq!(
            (&cart["total"], &cart["orderable"]),
            (&json!(32), &json!(true))
        );
        let key = market
            .app
            .signed_in("usr_2")
            .with_header("idempotency-key", "k");
        let order = || key.post(&format!("{SHOP}/orders"), json!({"total": 32}));
        let done = order().assert_status(201);
        assert_eq!(
            (&done["state"], &done["total"]),
            (&json!("completed"), &json!(32))
        );
        assert_eq!(order().assert_status(201).body(), done.body());
        assert_eq!(order().header("idempotency-replayed"), Some("true"));
        key.post(&format!("{SHOP}/orders"), json!({"total": 33}))
            .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
        let address = done.header("location").unwrap();
        assert_eq!(
            market.app.signed_in("usr_2").get(address).body(),
            done.body()
        );
        market
            .app
            .signed_in("usr_3")
            .get(address)
            .assert_refused(404, "NOT_FOUND");
        assert_eq!(
            (market.owns("usr_2"), market.owns("usr_3")),
            (vec!["Red".to_owned()], vec!["Blue".to_owned()])
        );
        assert_eq!(market.balance("usr_2"), (968, 0));
        let counted = market
            .app
            .counted("shop_orders_total", &[("outcome", "completed")]);
        assert_eq!(
            (
                counted,
                market.app.counted("shop_revenue_tokens_total", &[])
            ),
            (1, 32)
        );
        assert_eq!(key.get(&format!("{SHOP}/cart"))["lines"], json!([]));
        market
            .send("usr_2", "orders", json!({"total": 0}))
            .assert_refused(409, "CONFLICT");
        market
            .put("usr_2", &red, json!({}))
            .assert_refused(409, "CONFLICT");
        market.assert_settled();
    }

    #[test]
    fn a_gift_is_for_whoever_is_named_by_id_or_name_and_is_there() {
        let market = Market::new();
        for (named, user) in [("bob", "usr_3"), ("BOB", "usr_3"), ("usr_4", "usr_4")] {
            let item = market.item(named, 1);
            let cart = market.put("usr_2", &item, json!({"for": named, "note": "for you"}));
            assert_eq!(cart.assert_status(201)["lines"][0]["for"], user, "{named}");
            market
                .send("usr_2", "orders", json!({"total": 1}))
                .assert_status(201);
            assert!(market.owns(user).contains(&named.to_owned()), "{named}");
        }
        // One's own name is no gift, and needs no note.
        let red = market.item("Red", 1);
        let cart = market.put("usr_2", &red, json!({"for": "alan"}));
        assert_eq!(cart.assert_status(201)["lines"][0]["for"], "usr_2");
        // Whoever never was, and whoever is not there any more: the same is said of them, and nobody pays.
        let blue = market.item("Blue", 1);
        let refused = |named: &str| {
            let refused = market.put("usr_2", &blue, json!({"for": named}));
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            refused["error"]["details"].clone()
        };
        market
            .put("usr_2", &blue, json!({"for": "bob"}))
            .assert_status(201);
        let before = refused("nobody");
        market.leaves("usr_3");
        assert_eq!((refused("bob"), refused("usr_3")), (before.clone(), before));
        market
            .send("usr_2", "orders", json!({"total": 2}))
            .assert_refused(409, "CONFLICT");
        assert_eq!(market.balance("usr_2"), (997, 0));
        market.assert_settled();
    }

    #[test]
    fn another_price_is_shown_and_not_paid() {
        let market = Market::new();
        let red = market.item("Red", 30);
        market.put("usr_2", &red, json!({})).assert_status(201);
        market.reprice(&red, 50);
        let cart = market.app.signed_in("usr_2").get(&format!("{SHOP}/cart"));
        let line = &cart.assert_status(200)["lines"][0];
        assert_eq!((&line["price"], &line["was"]), (&json!(50), &json!(30)));
        market
            .send("usr_2", "orders", json!({"total": 30}))
            .assert_refused(409, "PRICE_CHANGED");
        assert_eq!(market.balance("usr_2"), (1000, 0));
        let done = market.send("usr_2", "orders", json!({"total": 50}));
        assert_eq!(done.assert_status(201)["state"], "completed");
        // What is not offered any more, nobody buys, whoever has it in a cart.
        market.put("usr_3", &red, json!({})).assert_status(201);
        market
            .app
            .run(crate::store::ITEMS.update_one(
                json!({"_id": red}),
                json!({"$set": {"listed": false}, "$inc": {"version": 1}}),
            ))
            .unwrap();
        market
            .send("usr_3", "orders", json!({"total": 50}))
            .assert_refused(409, "CONFLICT");
        market.assert_settled();
    }

    #[test]
    fn what_cannot_be_paid_is_in_stock_again() {
        let market = Market::new();
        let one = market.offer("One", 5000, |item| item.stock = Some(1));
        market
            .buy("usr_2", &one, json!({"total": 5000}))
            .assert_refused(409, "INSUFFICIENT_BALANCE");
        assert_eq!(market.stock(&one), Some(1));
        let order = &market.orders()[0];
        assert_eq!(order.state, State::Undone);
        assert_eq!(
            market
                .app
                .counted("shop_orders_total", &[("outcome", "not_paid")]),
            1
        );
        market.assert_settled();
    }

    #[test]
    fn of_a_stock_of_one_is_sold_one() {
        let market = Market::new();
        let one = market.offer("One", 10, |item| item.stock = Some(1));
        let users = ["usr_2", "usr_3", "usr_4", "usr_5"];
        for user in users {
            market.put(user, &one, json!({})).assert_status(201);
        }
        let replies = users.map(|user| market.send(user, "orders", json!({"total": 10})).status());
        assert_eq!(replies, [201, 409, 409, 409]);
        market.assert_settled();
    }

    #[test]
    fn a_family_pays_when_its_administrator_says_so() {
        let market = Market::new();
        let red = market.offer("Red", 40, |item| item.stock = Some(3));
        market
            .put("usr_2", &red, json!({"for": "usr_3"}))
            .assert_status(201);
        let family = json!({"total": 40, "pay_from": market.family_id});
        let placed = market
            .send("usr_2", "orders", family.clone())
            .assert_status(201);
        assert_eq!(placed["state"], "awaiting_approval");
        assert_eq!(
            (market.family_balance(), market.stock(&red)),
            ((460, 40), Some(2))
        );
        market.decide("approve");
        let id = placed.text("id").to_owned();
        let done = market
            .app
            .signed_in("usr_2")
            .get(&format!("{SHOP}/orders/{id}"));
        assert_eq!(done.assert_status(200)["state"], "completed");
        assert_eq!(
            (market.owns("usr_3"), market.owns("usr_2").len()),
            (vec!["Red".to_owned()], 0)
        );
        // What is denied is undone, and in the cart again.
        market.buy("usr_2", &red, family.clone()).assert_status(201);
        market.decide("deny");
        assert_eq!(market.orders()[1].state, State::Undone);
        // Who may spend so much waits for nobody.
        market.permit("usr_2", 100);
        let done = market.send("usr_2", "orders", family).assert_status(201);
        assert_eq!(done["state"], "completed");
        // Nothing is bought for strangers, and nothing by them.
        let blue = market.item("Blue", 1);
        let family = json!({"total": 1, "pay_from": market.family_id});
        market
            .put("usr_2", &blue, json!({"for": "usr_8"}))
            .assert_status(201);
        market
            .send("usr_2", "orders", family.clone())
            .assert_refused(409, "CONFLICT");
        market
            .buy("usr_8", &blue, family)
            .assert_refused(404, "NOT_FOUND");
        let refused = market.send("usr_8", "orders", json!({"total": 1, "pay_from": "usr_1"}));
        refused.assert_refused(422, "VALIDATION_ERROR");
        market.assert_settled();
    }

    #[test]
    fn a_workspace_pays_for_its_members_when_somebody_says_so() {
        let market = Market::new();
        let team = market.team();
        let red = market.offer("Red", 40, |item| item.stock = Some(3));
        let pays = json!({"total": 40, "pay_from": team});
        let for_owner = json!({"for": "usr_1"});
        market.put("usr_2", &red, for_owner).assert_status(201);
        for (how, expected) in [("deny", State::Undone), ("approve", State::Completed)] {
            let placed = market.send("usr_2", "orders", pays.clone());
            assert_eq!(placed.assert_status(201)["state"], "awaiting_approval");
            assert_eq!(market.team_balance(&team), (460, 40));
            market.team_decides(&team, how);
            assert_eq!(market.orders().pop().unwrap().state, expected);
        }
        assert_eq!(
            (market.owns("usr_1"), market.team_balance(&team)),
            (vec!["Red".to_owned()], (460, 0))
        );
        // For nobody else, and by nobody else.
        market
            .put("usr_2", &red, json!({"for": "usr_3"}))
            .assert_status(201);
        market
            .send("usr_2", "orders", pays.clone())
            .assert_refused(409, "CONFLICT");
        market
            .buy("usr_3", &red, pays)
            .assert_refused(404, "NOT_FOUND");
        // It is paid back what it has paid.
        let order = market
            .orders()
            .into_iter()
            .find(|order| order.state == State::Completed);
        let path = format!("orders/{}/refunds", order.unwrap().id);
        market.send("usr_2", &path, json!({})).assert_status(201);
        assert_eq!(market.team_balance(&team), (500, 0));
        market.assert_settled();
    }

    #[test]
    fn what_nobody_approves_is_undone() {
        let market = Market::new();
        let red = market.offer("Red", 40, |item| item.stock = Some(1));
        let family = json!({"total": 40, "pay_from": market.family_id});
        let placed = market.buy("usr_2", &red, family.clone()).assert_status(201);
        let path = format!("{SHOP}/orders/{}/cancel", placed.text("id"));
        let canceled = market.app.signed_in("usr_2").post(&path, json!({}));
        assert_eq!(canceled.assert_status(200)["state"], "undone");
        assert_eq!(
            (market.family_balance(), market.stock(&red)),
            ((500, 0), Some(1))
        );
        market.send("usr_2", "orders", family).assert_status(201);
        market.advance(Duration::from_secs(8 * 24 * 60 * 60));
        market.recover();
        assert_eq!(market.orders()[1].state, State::Undone);
        market.assert_settled();
    }

    /// Whoever dies wherever the shop asks others: all of it happens, or nothing.
    #[test]
    fn whoever_dies_pays_once_or_not_at_all() {
        for pays in ["own", "family", "permitted"] {
            for again in [false, true] {
                for point in 0.. {
                    let market = Rc::new(Market::new());
                    let red = market.offer("Red", 40, |item| item.stock = Some(2));
                    let blue = market.item("Blue", 10);
                    if pays == "permitted" {
                        market.permit("usr_2", 100);
                    }
                    market.put("usr_2", &red, json!({})).assert_status(201);
                    market
                        .put("usr_2", &blue, json!({"for": "usr_3"}))
                        .assert_status(201);
                    let from: Value = match pays {
                        "own" => json!("usr_2"),
                        _ => json!(market.family_id),
                    };
                    let body = json!({"total": 50, "pay_from": from});
                    let order = || {
                        let keyed = market
                            .app
                            .signed_in("usr_2")
                            .with_header("idempotency-key", "k");
                        keyed.post(&format!("{SHOP}/orders"), body.clone())
                    };
                    let whole = || {
                        order();
                        market.decide("approve");
                    };
                    let died = market.dies_at(point, whole);
                    if again {
                        order();
                        market.decide("approve");
                    }
                    market.recover();
                    if !again {
                        // Nobody decides.
                        market.advance(Duration::from_secs(8 * 24 * 60 * 60));
                        market.recover();
                    }
                    market.assert_settled();
                    let orders = market.orders();
                    assert!(orders.len() <= 1);
                    if again || !died {
                        assert_eq!(orders[0].state, State::Completed, "{pays} {point}");
                        assert_eq!(market.owns("usr_3"), ["Blue"]);
                    }
                    if !died {
                        assert!(point > 3, "{pays} {point}");
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn what_the_wallet_says_no_or_nothing_to_is_not_paid() {
        for (path, status, code) in [
            ("/capture", 409, "CONFLICT"),
            ("/capture", 503, "OVERLOADED"),
            ("/holds", 503, "OVERLOADED"),
            ("/holds", 404, "FEATURE_DISABLED"),
            ("/release", 503, "OVERLOADED"),
        ] {
            let market = Market::new();
            let red = market.offer("Red", 40, |item| item.stock = Some(2));
            market.instead(path, status, code);
            let reply = market.buy("usr_2", &red, json!({"total": 40}));
            assert_eq!(reply.status() == 201, path == "/release", "{path} {status}");
            market.undisturbed();
            market.recover();
            market.assert_settled();
        }
    }

    #[test]
    fn what_the_family_says_no_or_nothing_to_is_not_paid() {
        for (path, status, code) in [
            ("/purchase-requests", 409, "ACCOUNT_FROZEN"),
            ("/purchase-requests", 503, "OVERLOADED"),
            ("/fulfilment", 404, "NOT_FOUND"),
            ("/fulfilment", 409, "CONFLICT"),
            ("/fulfilment", 503, "OVERLOADED"),
        ] {
            let market = Market::new();
            market.permit("usr_2", 100);
            let red = market.offer("Red", 40, |item| item.stock = Some(2));
            market.instead(path, status, code);
            let family = json!({"total": 40, "pay_from": market.family_id});
            let reply = market.buy("usr_2", &red, family);
            assert_eq!(reply.status(), status, "{path} {:?}", reply.body());
            market.undisturbed();
            market.recover();
            let expected = match (path, status) {
                ("/fulfilment", 503) => State::Completed,
                _ => State::Undone,
            };
            assert_eq!(market.orders()[0].state, expected, "{path} {status}");
            market.assert_settled();
        }
    }

    /// One commit has at most 100 steps.
    #[test]
    fn an_order_may_be_of_as_many_lines_as_a_cart() {
        let market = Market::new();
        let root = market.root(&market.app);
        let voucher = json!({"code": "HALF", "percent": 50});
        root.post(&format!("{SHOP}/vouchers"), voucher)
            .assert_status(201);
        let fill = |price| {
            for number in 0..40 {
                let item = market.offer(&format!("Item {number}"), price, |item| {
                    item.stock = Some(1);
                    item.draft.per_buyer = Some(1);
                });
                let gift = json!({"for": format!("usr_{}", 100 + number)});
                market.put("usr_2", &item, gift).assert_status(201);
            }
        };
        fill(1000);
        let dear = json!({"total": 20_000, "voucher": "half"});
        let refused = market.send("usr_2", "orders", dear);
        refused.assert_refused(409, "INSUFFICIENT_BALANCE");
        market
            .app
            .signed_in("usr_2")
            .delete(&format!("{SHOP}/cart"))
            .assert_status(204);
        fill(10);
        let order = json!({"total": 200, "voucher": "half"});
        let done = market.send("usr_2", "orders", order).assert_status(201);
        assert_eq!(done["state"], "completed");
        market.assert_settled();
        let path = format!("{SHOP}/orders/{}/refunds", done.text("id"));
        let keyed = root.with_header("idempotency-key", "r");
        assert_eq!(
            keyed.post(&path, json!({})).assert_status(201)["state"],
            "done"
        );
        assert_eq!(market.balance("usr_2"), (1000, 0));
        market.assert_settled();
    }

    /// The hold ends before it is paid: what was handed over is taken back.
    #[test]
    fn a_hold_that_ends_undoes_the_order() {
        let market = Rc::new(Market::new());
        let red = market.offer("Red", 40, |item| item.stock = Some(2));
        let wallet = Rc::clone(&market.wallet);
        market.whenever(move |call, when| {
            if call.path.ends_with("/capture") && when == When::Before {
                wallet.advance(Duration::from_secs(60 * 60));
                wallet.run_tasks();
            }
        });
        market
            .buy("usr_2", &red, json!({"total": 40}))
            .assert_refused(409, "CONFLICT");
        market.undisturbed();
        assert_eq!(
            (market.owns("usr_2").len(), market.stock(&red)),
            (0, Some(2))
        );
        market.assert_settled();
    }

    /// It is deleted before the shop hears whether it has paid: what it has paid is bought, and what not is undone.
    #[test]
    fn a_group_that_is_gone_has_paid_or_not() {
        for (when, expected) in [
            (When::After, State::Completed),
            (When::Before, State::Undone),
        ] {
            let market = Rc::new(Market::new());
            market.permit("usr_2", 100);
            let family = market.family_id.clone();
            let red = market.offer("Red", 40, |item| item.stock = Some(2));
            market.whenever(move |call, now| {
                if call.path.ends_with("/fulfilment") && now == when {
                    std::panic::resume_unwind(Box::new("killed"));
                }
            });
            let body = json!({"total": 40, "pay_from": family});
            let died = catch_unwind(AssertUnwindSafe(|| market.buy("usr_2", &red, body)));
            assert!(died.is_err());
            market.undisturbed();
            assert_eq!(market.orders()[0].state, State::Capturing);
            let ada = market.family.signed_in("usr_1");
            let path = format!("/api/v1/families/{family}?balance_to=usr_1");
            if when == When::Before {
                // Nothing is deleted while its tokens are held, which end after two days.
                ada.delete(&path).assert_refused(409, "HOLDS_OPEN");
                market.advance(Duration::from_secs(3 * 24 * 60 * 60));
                let itself = market.family.by(Principal::service("test", "family"));
                itself.tick("settle").assert_status(200);
            }
            ada.delete(&path).assert_status(204);
            // The schedule is quicker than the events.
            market.advance(Duration::from_secs(2 * 60));
            market.tick();
            market.hear();
            let order = &market.orders()[0];
            assert_eq!(order.state, expected, "{order:?}");
            let is_paid = expected == State::Completed;
            assert_eq!(order.transaction_id.is_some(), is_paid);
            let (income, owned, left) = if is_paid { (40, 1, 1) } else { (0, 0, 2) };
            assert_eq!(
                (
                    market.income(),
                    market.owns("usr_2").len(),
                    market.stock(&red)
                ),
                (income, owned, Some(left))
            );
            if is_paid {
                // Whoever paid is not there: the buyer has it back.
                let path = format!("orders/{}/refunds", order.id);
                market.send("usr_2", &path, json!({})).assert_status(201);
                assert_eq!((market.income(), market.balance("usr_2")), (0, (1040, 0)));
            }
        }
    }

    #[test]
    fn a_forged_request_pays_for_nothing() {
        let market = Market::new();
        let red = market.item("Red", 40);
        let family = json!({"total": 40, "pay_from": market.family_id});
        let placed = market.buy("usr_2", &red, family).assert_status(201);
        let wishes = [
            json!({"component": "shop", "id": placed.text("id"), "title": "x"}),
            json!({"component": "shop", "id": "ord_1", "title": "x"}),
        ];
        for item in wishes {
            let path = format!("/api/v1/families/{}/purchase-requests", market.family_id);
            let keyed = market.family.signed_in("usr_2").with_header(
                "idempotency-key",
                &format!("x-{}", item["id"].as_str().unwrap()),
            );
            keyed
                .post(&path, json!({"item": item, "price": 1, "seller": "shop"}))
                .assert_status(201);
        }
        market.decide("approve");
        assert_eq!(market.orders()[0].state, State::Completed);
        assert_eq!((market.family_balance(), market.income()), ((460, 0), 40));
        market.assert_settled();
    }

    #[test]
    fn a_voucher_is_used_once_and_given_back() {
        let market = Market::new();
        let root = market.root(&market.app);
        let vouchers = format!("{SHOP}/vouchers");
        root.post(
            &vouchers,
            json!({"code": "spring-10", "percent": 50, "uses": 2}),
        )
        .assert_status(201);
        root.post(&vouchers, json!({"code": "ALL-OF-IT", "percent": 100}))
            .assert_status(201);
        root.post(&vouchers, json!({"code": "SPRING-10", "amount": 5}))
            .assert_refused(409, "CONFLICT");
        let (red, dear) = (market.item("Red", 31), market.item("Dear", 5000));
        let half = |total: u64| json!({"total": total, "voucher": "Spring-10"});
        market
            .buy("usr_2", &dear, half(2500))
            .assert_refused(409, "INSUFFICIENT_BALANCE");
        let cart = format!("{SHOP}/cart");
        // What was in the cart is in it again.
        let ada = market.app.signed_in("usr_2");
        assert_eq!(ada.get(&cart)["lines"][0]["title"], "Dear");
        ada.delete(&cart).assert_status(204);
        let done = market.buy("usr_2", &red, half(16)).assert_status(201);
        assert_eq!(
            (&done["discount"], &done["total"]),
            (&json!(15), &json!(16))
        );
        market
            .buy("usr_2", &dear, half(2500))
            .assert_refused(409, "VOUCHER_REFUSED");
        market.buy("usr_3", &red, half(16)).assert_status(201);
        market
            .buy("usr_4", &red, half(16))
            .assert_refused(409, "VOUCHER_REFUSED");
        // What a voucher pays alone is nobody's to pay.
        let free = json!({"total": 0, "voucher": "all-of-it"});
        let done = market.send("usr_4", "orders", free).assert_status(201);
        assert_eq!(
            (&done["state"], market.balance("usr_4")),
            (&json!("completed"), (1000, 0))
        );
        root.delete(&format!("{vouchers}/ALL-OF-IT"))
            .assert_status(204);
        root.delete(&format!("{vouchers}/ALL-OF-IT"))
            .assert_refused(404, "NOT_FOUND");
        for wrong in [
            json!({"code": "abc", "percent": 1}),
            json!({"code": "ABC D", "percent": 1}),
            json!({"code": "ABCD"}),
            json!({"code": "ABCD", "percent": 1, "amount": 1}),
            json!({"code": "ABCD", "percent": 101}),
            json!({"code": "ABCD", "percent": -1}),
            json!({"code": "ABCD", "percent": 1.5}),
            json!({"code": "ABCD", "amount": 0}),
            json!({"code": "ABCD", "percent": 1, "uses": 0}),
            json!({"code": "ABCD", "percent": 1, "from": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
            json!({"code": "ABCD", "percent": 1, "note": "a\u{202e}b"}),
        ] {
            root.post(&vouchers, wrong.clone())
                .assert_refused(422, "VALIDATION_ERROR");
        }
        market.assert_settled();
    }

    #[test]
    fn what_is_no_cart_or_order_is_refused() {
        let market = Market::new();
        let red = market.item("Red", 31);
        for more in [
            json!({"count": 0}),
            json!({"count": -1}),
            json!({"count": 1.5}),
            json!({"count": 1001}),
            json!({"days": 0}),
            json!({"days": 1097}),
            json!({"for": ""}),
            json!({"for": "b"}),
            json!({"for": "bob "}),
            json!({"for": "bob@example.com"}),
            json!({"for": "nobody"}),
            json!({"for": "fam_1"}),
            json!({"for": "shop"}),
            json!({"for": "usr_"}),
            json!({"for": "usr_\u{202e}"}),
            json!({"for": "usr_019a2f3c8b7e7c2d9f00112233445566"}),
            json!({"for": "../usr_3"}),
            json!({"for": "x".repeat(51)}),
            json!({"for": 3}),
            json!({"for": "Alan", "note": "for myself"}),
            json!({"note": "for myself"}),
            json!({"for": "usr_3", "note": "a\u{202e}b"}),
            json!({"for": "usr_3", "note": "x".repeat(201)}),
            json!({"price": 1}),
            json!({"item_id": "itm_1"}),
        ] {
            market
                .put("usr_2", &red, more.clone())
                .assert_refused(422, "VALIDATION_ERROR");
        }
        market
            .put("usr_2", &red, json!({"days": 11}))
            .assert_refused(409, "CONFLICT");
        market
            .put("usr_2", &red, json!({"count": 2}))
            .assert_refused(409, "CONFLICT");
        market
            .put("usr_2", &crate::item::ItemId::new(), json!({}))
            .assert_refused(404, "NOT_FOUND");
        for place in 0..40 {
            let item = market.item(&format!("Item {place}"), Tokens::MOST);
            market.put("usr_2", &item, json!({})).assert_status(201);
        }
        for _ in 40..10_000 {
            market
                .put("usr_2", &red, json!({}))
                .assert_refused(422, "VALIDATION_ERROR");
        }
        let total = 40 * Tokens::MOST;
        market
            .send("usr_2", "orders", json!({"total": total}))
            .assert_refused(409, "CONFLICT");
        for body in [
            json!({}),
            json!({"total": -1}),
            json!({"total": 1.5}),
            json!({"total": "1"}),
            json!({"total": 1, "pay_from": "shop"}),
            json!({"total": 1, "pay_from": "system"}),
            json!({"total": 1, "lines": []}),
            json!({"total": 1, "lines": vec![json!({"item_id": red}); 10_000]}),
        ] {
            market
                .send("usr_2", "orders", body)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        let keyless = market.app.signed_in("usr_2");
        keyless
            .post(&format!("{SHOP}/orders"), json!({"total": 1}))
            .assert_refused(422, "VALIDATION_ERROR");
        market.assert_settled();
    }
}
