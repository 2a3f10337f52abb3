//! What the shop tells others of orders, in the commit of the change itself, in order for each of them; all of it is
//! recorded in the order's audit, too.
//!
//! | type | data | when |
//! |---|---|---|
//! | `shop.order.placed` | an order | its stock is reserved |
//! | `shop.order.completed` | an order | it is paid, and handed over |
//! | `shop.order.undone` | an order, and `code` | nothing is paid, nothing handed over, and the stock is given back |
//! | `shop.refund.begun` | a refund | what it pays back is being taken back |
//! | `shop.refund.paid` | a refund | it is paid back, and in stock again |
//!
//! An order is `order_id`, `buyer`, `payer` and `total`; a refund `order_id`, `refund_id`, `to` and `amount`.
//! Whoever bought, or is given, something is told so: `notification.requested`.

use crate::order::Order;
use crate::refunds::Refund;
use sbd_sdk::documents::Transaction;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Tells that an order is there.
pub(crate) fn placed(change: Transaction, order: &Order) -> Transaction {
    told(change, order, "shop.order.placed", &about(order))
}

/// Tells that an order is for good, and whoever has something of it that it is theirs.
pub(crate) fn completed(change: Transaction, order: &Order) -> Transaction {
    let change = told(change, order, "shop.order.completed", &about(order));
    let title = format!(
        "You have bought {} for {} tokens",
        order.title(),
        order.total
    );
    let change = notice(
        change,
        order,
        &order.buyer,
        "shop.order.completed",
        &title,
        None,
    );
    let others: BTreeSet<&str> = order.lines.iter().map(|line| &*line.user).collect();
    let others = others.into_iter().filter(|user| *user != order.buyer);
    others.fold(change, |change, user| {
        let lines = order.lines.iter().filter(|line| line.user == user);
        let titles: Vec<_> = lines.clone().map(|line| &*line.good.title).collect();
        let title = format!("{} gives you {}", order.buyer_name, titles.join(", "));
        let title: String = title.chars().take(200).collect();
        let note = lines.filter_map(|line| line.note.as_deref()).next();
        notice(change, order, user, "shop.gift.received", &title, note)
    })
}

/// Tells that nothing came of an order; its buyer too, who may not be waiting for it any more.
pub(crate) fn undone(change: Transaction, order: &Order, code: &str, why: &str) -> Transaction {
    let mut data = about(order);
    data["code"] = code.into();
    let change = told(change, order, "shop.order.undone", &data);
    if order.hold_id.is_none() && order.request_id.is_none() {
        return change;
    }
    let title = format!("Nothing came of your order of {}", order.title());
    notice(
        change,
        order,
        &order.buyer,
        "shop.order.undone",
        &title,
        Some(why),
    )
}

/// Tells that something is paid back from now on.
pub(crate) fn refund_begun(change: Transaction, refund: &Refund) -> Transaction {
    of_refund(change, refund, "shop.refund.begun")
}

/// Tells that something was paid back.
pub(crate) fn refund_paid(change: Transaction, refund: &Refund, order: &Order) -> Transaction {
    let change = of_refund(change, refund, "shop.refund.paid");
    let title = format!("{} tokens of your order were paid back", refund.amount);
    let unique = format!("{}/paid", refund.id);
    change.publish(
        "notification.requested",
        Some(&order.buyer),
        &json!({
            "user": order.buyer, "kind": "shop.refund.paid", "title": title, "body": refund.reason,
            "link": link(order), "data": {"order_id": order.id}, "mail": false, "unique": unique,
        }),
    )
}

fn about(order: &Order) -> Value {
    json!({"order_id": order.id, "buyer": order.buyer, "payer": order.payer, "total": order.total})
}

fn told<T: Serialize>(change: Transaction, order: &Order, kind: &str, data: &T) -> Transaction {
    let id = order.id.as_str();
    change.publish(kind, Some(id), data).audit(id, kind, data)
}

fn of_refund(change: Transaction, refund: &Refund, kind: &str) -> Transaction {
    let id = refund.order_id.as_str();
    let data = json!({
        "order_id": id, "refund_id": refund.id, "to": refund.to, "amount": refund.amount,
    });
    change.publish(kind, Some(id), &data).audit(id, kind, &data)
}

fn notice(
    change: Transaction,
    order: &Order,
    user: &str,
    kind: &str,
    title: &str,
    body: Option<&str>,
) -> Transaction {
    let unique = format!("{}/{kind}", order.id);
    change.publish(
        "notification.requested",
        Some(user),
        &json!({
            "user": user, "kind": kind, "title": title, "body": body, "link": link(order),
            "data": {"order_id": order.id}, "mail": false, "unique": unique,
        }),
    )
}

fn link(order: &Order) -> String {
    format!("/shop/orders/{}", order.id)
}
