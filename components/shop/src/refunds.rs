//! Paying back what was bought: what is paid back is taken back first, and in stock again at last.
//!
//! ```text
//! taking back ── taken back ──▶ paying ── paid ──▶ done
//! ```
//!
//! A refund only goes forward, each step of it may be gone again, and the lines are marked in the commit that
//! begins it, so that each is paid back once. The buyer has 14 days, for what is theirs or a member's: what was
//! given away is the other one's, and a file that could be read stays read. Administrators pay back whatever was
//! paid, whenever that was.
//!
//! What is rented is paid back for what is left of the days that the line itself has added (`grants::left`): an extension
//! that has not begun is paid back whole, whenever it was ordered, and where what was before it is paid back, it moves
//! up and loses nothing. Of a bundle all counts alike that was given.

use crate::commit::{busy, committed, tries};
use crate::grants;
use crate::kinds::Kind;
use crate::model::{LineId, OrderId};
use crate::order::{Line, Order};
use crate::orders;
use crate::payer;
use crate::progress::stored;
use crate::saga::State as Orders;
use crate::store::{ORDERS, REFUNDS};
use crate::{stock, telling};
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result, id, metrics, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;

/// Pays back, and lets orders be seen, of everybody.
pub(crate) const GOVERN: &str = "admin:shop:orders";
/// How long a buyer may have it paid back.
const PAID_BACK_IN: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How long whoever began a refund has, before the schedule goes on with it.
const PATIENCE: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(5 * 60);
const AT_ONCE: u32 = 50;

id!(pub(crate) RefundId, "rfd", "refund");

/// A refund, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refund {
    #[serde(rename = "_id")]
    pub(crate) id: RefundId,
    /// What makes it happen once: whose it is, and by which key.
    pub(crate) key: String,
    /// What was asked for, as text.
    pub(crate) asked: String,
    pub(crate) order_id: OrderId,
    pub(crate) lines: Vec<LineId>,
    pub(crate) amount: u64,
    /// Who is paid: whoever paid, or the buyer, if that account is closed.
    pub(crate) to: String,
    pub(crate) reason: Option<String>,
    pub(crate) by: String,
    pub(crate) state: State,
    pub(crate) transaction_id: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) due_at: Option<Time>,
    pub(crate) ended_at: Option<Time>,
}

/// Where a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RefundState)]
pub(crate) enum State {
    /// What was bought is being taken back.
    TakingBack,
    /// It is being paid.
    Paying,
    /// For good.
    Done,
}

/// What is to be paid back.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// These lines; all that are not yet, when none is named.
    pub(crate) lines: Vec<LineId>,
    pub(crate) reason: Option<String>,
}

/// Pays lines of an order back, once per key.
pub(crate) async fn pay_back(
    caller: &Caller,
    key: &str,
    order_id: &OrderId,
    wanted: &Wanted,
) -> Result<(Refund, bool)> {
    let governs = caller.scopes.allow(GOVERN);
    let key = format!("{}/{key}", caller.user);
    let asked = json!([order_id, wanted.lines, wanted.reason]).to_string();
    for _ in tries() {
        if let Some(known) = REFUNDS.find_one(json!({"key": key})).await? {
            return match known.asked == asked {
                true => Ok((go_on(known).await?, true)),
                false => Err(Error::idempotency_key_reused()),
            };
        }
        let order = orders::visible(caller, order_id).await?;
        if order.buyer != *caller.user && !governs {
            return Err(Error::not_found("order"));
        }
        let now = time::now();
        let lines = refundable(&order, &wanted.lines, governs, now)?;
        let mut amount = 0;
        for line in &lines {
            amount += worth(&order, line, now).await?;
        }
        let refund = Refund {
            id: RefundId::new(),
            key: key.clone(),
            asked: asked.clone(),
            order_id: order.id.clone(),
            lines: lines.iter().map(|line| line.id.clone()).collect(),
            amount,
            to: order.payer.clone(),
            reason: wanted.reason.clone(),
            by: caller.user.to_string(),
            state: State::TakingBack,
            transaction_id: None,
            created_at: now,
            due_at: Some(now + PATIENCE),
            ended_at: None,
        };
        let change = marked(&order, &refund).insert(&REFUNDS, &refund);
        if committed(telling::refund_begun(change, &refund).commit().await)? {
            metrics::count("shop_orders_total", &[("outcome", "refunded")]).await;
            return Ok((go_on(refund).await?, false));
        }
    }
    Err(busy())
}

/// The lines that can be paid back, of those that are named.
fn refundable<'a>(
    order: &'a Order,
    named: &[LineId],
    governs: bool,
    now: Time,
) -> Result<Vec<&'a Line>> {
    let done_at = order.ended_at.filter(|_| order.state == Orders::Completed);
    let done_at = done_at.ok_or_else(|| {
        Error::conflict("nothing of the order is paid; cancel it instead, while it is not")
    })?;
    if !governs && now.since(done_at) > PAID_BACK_IN {
        let message = "what was bought is paid back within 14 days; ask an administrator";
        return Err(Error::conflict(message));
    }
    let mut lines = Vec::new();
    for id in named {
        let line = order.line(id)?;
        if line.refund_id.is_some() {
            let message = format!("\"{}\" was paid back already", line.good.title);
            return Err(Error::conflict(message));
        }
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if named.is_empty() {
        lines.extend(order.lines.iter().filter(|line| line.refund_id.is_none()));
    }
    if !governs && let Some(why) = lines.iter().find_map(|line| unreturnable(order, line)) {
        return Err(Error::conflict(why));
    }
    if lines.is_empty() {
        return Err(Error::conflict("all of the order was paid back already"));
    }
    Ok(lines)
}

/// Why a buyer does not have a line paid back.
fn unreturnable(order: &Order, line: &Line) -> Option<String> {
    let title = &line.good.title;
    let is_file = line.good.kind == Kind::File
        || line
            .good
            .contains
            .iter()
            .any(|good| good.kind == Kind::File);
    match (order.is_own() && line.user != order.buyer, is_file) {
        (true, _) => Some(format!(
            "\"{title}\" was given away, and is not yours to give back"
        )),
        (_, true) => Some(format!(
            "\"{title}\" is a file, which is not paid back; ask an administrator"
        )),
        _ => None,
    }
}

/// What of a line is paid back: all of it, or for what is rented what is left of its time.
async fn worth(order: &Order, line: &Line, now: Time) -> Result<u64> {
    if line.days.is_none() {
        return Ok(line.paid);
    }
    let (left, all) = grants::left(&order.delivery(line), now).await?;
    let part = u128::from(line.paid) * left.as_millis() / all.as_millis().max(1);
    Ok(u64::try_from(part).unwrap_or(line.paid))
}

/// Marks what is paid back from now on, if nobody else does.
fn marked(order: &Order, refund: &Refund) -> Transaction {
    let lines = order.lines.iter().cloned();
    let lines: Vec<_> = lines
        .map(|line| match refund.lines.contains(&line.id) {
            true => Line {
                refund_id: Some(refund.id.to_string()),
                ..line
            },
            false => line,
        })
        .collect();
    let as_read = json!({"_id": order.id, "state": order.state, "refunds": order.refunds});
    let set = json!({
        "lines": lines, "refunded": order.refunded + refund.amount, "refunds": order.refunds + 1,
    });
    Transaction::new().update_one(&ORDERS, as_read, json!({"$set": set}))
}

/// Goes on with a refund, as far as it goes.
pub(crate) async fn go_on(mut refund: Refund) -> Result<Refund> {
    for _ in tries() {
        let order = stored(&refund.order_id).await?;
        let change = match refund.state {
            State::Done => return Ok(refund),
            State::TakingBack => {
                for line in refund.lines(&order) {
                    grants::take_back(&order.delivery(line)).await?;
                }
                refund.moved(State::Paying, None)
            }
            State::Paying => {
                let transaction = pay(&refund, &order).await?;
                let lines = refund.lines(&order);
                let counts: Vec<_> = lines.map(|line| (&line.good.item, line.count)).collect();
                let change = refund.moved(State::Done, transaction.as_deref());
                let change = stock::give_back(change, &order.buyer, &counts);
                telling::refund_paid(change, &refund, &order)
            }
        };
        let is_paid = committed(change.commit().await)? && refund.state == State::Paying;
        if is_paid {
            metrics::add("shop_refunded_tokens_total", &[], refund.amount).await;
        }
        refund = get(&refund.id).await?;
    }
    Err(busy())
}

/// Pays it; whoever paid may have no account any more, and the buyer has.
async fn pay(refund: &Refund, order: &Order) -> Result<Option<String>> {
    if refund.amount == 0 {
        return Ok(None);
    }
    let memo = format!("back for {}", order.title());
    let id = refund.id.as_str();
    match payer::pay_back(&refund.to, refund.amount, id, &memo).await {
        Err(error) if matches!(error.code(), "ACCOUNT_CLOSED" | "NOT_FOUND") && !order.is_own() => {
            let key = format!("{id}/buyer");
            payer::pay_back(&order.buyer, refund.amount, &key, &memo)
                .await
                .map(Some)
        }
        paid => paid.map(Some),
    }
}

/// Goes on with refunds that stopped on the way.
pub(crate) async fn go_on_with_due() -> Result<()> {
    let now = time::now();
    let due = REFUNDS.find(json!({"due_at": {"$lte": now}}));
    let due = due
        .sort(json!({"due_at": 1}))
        .limit(AT_ONCE)
        .fetch()
        .await?;
    for refund in due.documents {
        let still = json!({"_id": refund.id, "state": refund.state});
        if let Err(error) = go_on(refund).await {
            eprintln!("warning: a refund could not be gone on with: {error:?}; it is later");
            REFUNDS
                .update_one(still, json!({"$set": {"due_at": now + LATER}}))
                .await?;
        }
    }
    Ok(())
}

/// The refunds of an order that one may see.
pub(crate) async fn of_order(caller: &Caller, order: &OrderId) -> Result<Vec<Refund>> {
    let order = orders::visible(caller, order).await?;
    let refunds = REFUNDS
        .find(json!({"order_id": order.id}))
        .sort(json!({"_id": 1}));
    Ok(refunds.limit(100).fetch().await?.documents)
}

async fn get(id: &RefundId) -> Result<Refund> {
    let refund = REFUNDS.get(id.as_str()).await?;
    refund.ok_or_else(|| Error::internal("a refund that is not there"))
}

// === impl Refund ===

impl Refund {
    fn lines<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = &'a Line> {
        let lines = order.lines.iter();
        lines.filter(|line| self.lines.contains(&line.id))
    }

    fn moved(&self, to: State, transaction: Option<&str>) -> Transaction {
        let now = time::now();
        let is_done = to == State::Done;
        let set = json!({
            "state": to, "transaction_id": transaction,
            "due_at": (!is_done).then(|| now + PATIENCE), "ended_at": is_done.then_some(now),
        });
        let as_read = json!({"_id": self.id, "state": self.state});
        Transaction::new().update_one(&REFUNDS, as_read, json!({"$set": set}))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::kinds::Kind;
    use crate::market::{Market, SHOP};
    use sbd_sdk::testing::Reply;
    use serde_json::{Value, json};
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn refund(market: &Market, user: &str, order: &Reply, body: Value) -> Reply {
        market.send(user, &format!("orders/{}/refunds", order.text("id")), body)
    }

    #[test]
    fn what_is_paid_back_is_taken_back_and_in_stock_again() {
        let market = Market::new();
        let red = market.offer("Red", 30, |item| item.stock = Some(1));
        let blue = market.item("Blue", 12);
        market.put("usr_2", &red, json!({})).assert_status(201);
        let order = market
            .buy("usr_2", &blue, json!({"total": 42}))
            .assert_status(201);
        let line = order["lines"][0]["id"].clone();
        let other = refund(&market, "usr_3", &order, json!({}));
        other.assert_refused(404, "NOT_FOUND");
        let body = json!({"lines": [line], "reason": "too red"});
        let path = format!("{SHOP}/orders/{}/refunds", order.text("id"));
        let keyed = market
            .app
            .signed_in("usr_2")
            .with_header("idempotency-key", "r");
        let done = keyed.post(&path, body.clone()).assert_status(201);
        assert_eq!(
            (&done["state"], &done["amount"], &done["to"]),
            (&json!("done"), &json!(30), &json!("usr_2"))
        );
        assert_eq!(
            keyed.post(&path, body.clone()).assert_status(201).body(),
            done.body()
        );
        keyed
            .post(&path, json!({}))
            .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!((market.balance("usr_2"), market.income()), ((988, 0), 12));
        assert_eq!(
            (market.owns("usr_2"), market.stock(&red)),
            (vec!["Blue".to_owned()], Some(1))
        );
        refund(&market, "usr_2", &order, body).assert_refused(409, "CONFLICT");
        refund(&market, "usr_2", &order, json!({})).assert_status(201);
        refund(&market, "usr_2", &order, json!({})).assert_refused(409, "CONFLICT");
        assert_eq!(
            market.app.signed_in("usr_2").get(&path)["items"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        market
            .app
            .signed_in("usr_3")
            .get(&path)
            .assert_refused(404, "NOT_FOUND");
        assert_eq!((market.balance("usr_2"), market.income()), ((1000, 0), 0));
        let counted = |counter: &str| market.app.counted(counter, &[]);
        assert_eq!(
            (
                counted("shop_revenue_tokens_total"),
                counted("shop_refunded_tokens_total")
            ),
            (42, 42)
        );
        // What was paid back can be bought again.
        market
            .buy("usr_2", &red, json!({"total": 30}))
            .assert_status(201);
        market.assert_settled();
    }

    #[test]
    fn what_is_rented_is_paid_back_for_the_time_that_is_left() {
        let market = Market::new();
        let red = market.item("Red", 1000);
        market
            .put("usr_2", &red, json!({"days": 10}))
            .assert_status(201);
        let order = market
            .send("usr_2", "orders", json!({"total": 100}))
            .assert_status(201);
        market.advance(DAY * 3);
        let done = refund(&market, "usr_2", &order, json!({})).assert_status(201);
        assert_eq!(done["amount"], 70);
        assert!(market.owns("usr_2").is_empty());
        assert_eq!(market.balance("usr_2"), (970, 0));
        market.assert_settled();
    }

    /// Ten days at 100, twice: the second ten days begin when the first ones are over.
    fn extended(market: &Market) -> [Reply; 2] {
        let red = market.item("Red", 1000);
        [0, 3].map(|days| {
            market.advance(DAY * days);
            market
                .put("usr_2", &red, json!({"days": 10}))
                .assert_status(201);
            market
                .send("usr_2", "orders", json!({"total": 100}))
                .assert_status(201)
        })
    }

    #[test]
    fn of_an_extended_rental_each_order_is_paid_back_for_its_own_days() {
        // In whichever order they are paid back, and when, five or eight days were used of twenty.
        for (first, then, days, amounts) in [
            (1, 0, 0, [100, 50]),
            (0, 1, 0, [50, 100]),
            (1, 0, 3, [100, 20]),
            (0, 1, 3, [50, 70]),
            (0, 1, 40, [50, 0]),
        ] {
            let market = Market::new();
            let orders = extended(&market);
            market.advance(DAY * 2);
            let done = refund(&market, "usr_2", &orders[first], json!({})).assert_status(201);
            assert_eq!(done["amount"], amounts[0], "{first} {days}");
            market.advance(DAY * days);
            let path = format!("orders/{}/refunds", orders[then].text("id"));
            let root = market.root(&market.app).with_header("idempotency-key", "r");
            let done = root.post(&format!("{SHOP}/{path}"), json!({}));
            assert_eq!(
                done.assert_status(201)["amount"],
                amounts[1],
                "{first} {days}"
            );
            market.assert_settled();
        }
    }

    #[test]
    fn of_a_rented_bundle_all_that_was_given_counts_alike() {
        let market = Market::new();
        let (red, blue) = (market.item("Red", 100), market.item("Blue", 100));
        let both = vec![red.clone(), blue];
        let bundle = market.offer("Both", 1000, |item| {
            item.draft.kind = Kind::Bundle;
            item.draft.contains = both;
        });
        for (item, total) in [(&red, 10), (&bundle, 100)] {
            market
                .put("usr_2", item, json!({"days": 10}))
                .assert_status(201);
            market
                .send("usr_2", "orders", json!({"total": total}))
                .assert_status(201);
        }
        // Of the blue one five days are left, and the ten more of the red one have not begun.
        market.advance(DAY * 5);
        let order = market.orders().pop().unwrap();
        let path = format!("orders/{}/refunds", order.id);
        let done = market.send("usr_2", &path, json!({})).assert_status(201);
        assert_eq!(done["amount"], 75);
        assert_eq!(market.owns("usr_2"), ["Red"]);
        market.assert_settled();
    }

    #[test]
    fn what_cannot_be_given_back_administrators_pay_back() {
        let market = Market::new();
        let red = market.item("Red", 30);
        let file = market.offer("File", 20, |item| item.draft.kind = Kind::File);
        let late = market.item("Late", 10);
        market
            .put("usr_2", &red, json!({"for": "usr_3"}))
            .assert_status(201);
        let gift = market
            .send("usr_2", "orders", json!({"total": 30}))
            .assert_status(201);
        let file = market
            .buy("usr_2", &file, json!({"total": 20}))
            .assert_status(201);
        let late = market
            .buy("usr_2", &late, json!({"total": 10}))
            .assert_status(201);
        for order in [&gift, &file] {
            refund(&market, "usr_2", order, json!({})).assert_refused(409, "CONFLICT");
        }
        market.advance(DAY * 15);
        refund(&market, "usr_2", &late, json!({})).assert_refused(409, "CONFLICT");
        for order in [&gift, &file, &late] {
            let path = format!("{SHOP}/orders/{}/refunds", order.text("id"));
            let root = market
                .root(&market.app)
                .with_header("idempotency-key", order.text("id"));
            root.post(&path, json!({})).assert_status(201);
        }
        assert_eq!(market.balance("usr_2"), (1000, 0));
        market.assert_settled();
    }

    #[test]
    fn a_family_is_paid_back_what_it_has_paid() {
        let market = Market::new();
        market.permit("usr_2", 100);
        let red = market.item("Red", 30);
        market
            .put("usr_2", &red, json!({"for": "usr_3"}))
            .assert_status(201);
        let family = json!({"total": 30, "pay_from": market.family_id});
        let order = market.send("usr_2", "orders", family).assert_status(201);
        assert_eq!(order["state"], "completed");
        refund(&market, "usr_3", &order, json!({})).assert_refused(404, "NOT_FOUND");
        let done = refund(&market, "usr_2", &order, json!({})).assert_status(201);
        assert_eq!(done["to"], json!(market.family_id));
        assert_eq!(
            (market.family_balance(), market.owns("usr_3").len()),
            ((500, 0), 0)
        );
        market.assert_settled();
    }

    #[test]
    fn whoever_dies_pays_back_once() {
        for again in [false, true] {
            for point in 0.. {
                let market = Market::new();
                let red = market.offer("Red", 30, |item| item.stock = Some(1));
                let order = market
                    .buy("usr_2", &red, json!({"total": 30}))
                    .assert_status(201);
                let path = format!("{SHOP}/orders/{}/refunds", order.text("id"));
                let back = || {
                    let keyed = market
                        .app
                        .signed_in("usr_2")
                        .with_header("idempotency-key", "r");
                    keyed.post(&path, json!({}));
                };
                let died = market.dies_at(point, back);
                if again {
                    back();
                }
                market.recover();
                assert_eq!(
                    (market.balance("usr_2"), market.stock(&red)),
                    ((1000, 0), Some(1))
                );
                market.assert_settled();
                if !died {
                    assert!(point > 1);
                    break;
                }
            }
        }
    }
}
