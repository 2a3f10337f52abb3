//! Ordering what is in a cart. The order, its stock, its voucher and the empty cart are one commit, once per key;
//! from there on `progress` goes on with it.

use crate::cart::{self, Priced, Sum};
use crate::commit::{busy, committed, tries};
use crate::item::Offer;
use crate::model::OrderId;
use crate::neighbours;
use crate::order::{Line, Order, PATIENCE, stops_at};
use crate::payer::Group;
use crate::saga::State;
use crate::store::ORDERS;
use crate::{progress, stock, telling, vouchers};
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
        let sum = cart::sum(&caller.user, wanted.voucher.as_deref()).await?;
        let offers = bought(&sum, wanted.total)?;
        require_members(payer, &caller.user, &sum).await?;
        let now = time::now();
        let order = Order {
            id: OrderId::new(),
            key: key.clone(),
            asked: asked.clone(),
            buyer: caller.user.to_string(),
            buyer_name: caller.username.to_string(),
            payer: payer.to_owned(),
            lines: lines(&sum),
            subtotal: sum.subtotal,
            discount: sum.discount,
            voucher: sum.voucher.as_ref().map(|voucher| voucher.code.clone()),
            total: sum.total(),
            refunded: 0,
            refunds: 0,
            state: State::Reserved,
            hold_id: None,
            request_id: None,
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
        let change = cart::ordered(change, &sum.cart).insert(&ORDERS, &order);
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

/// Out of a group's account something is bought for its members alone.
async fn require_members(payer: &str, buyer: &str, sum: &Sum) -> Result<()> {
    let Some(group) = Group::of(payer) else {
        return Ok(());
    };
    let users: BTreeSet<_> = sum.lines.iter().map(|line| &line.line.user).collect();
    for user in users.into_iter().filter(|user| *user != buyer) {
        group.require_member(user).await?;
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
