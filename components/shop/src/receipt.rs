//! The receipt of an order that is paid: what was bought, by whom, and what it cost.

use crate::order::Order;
use crate::saga::State;
use membership::chart::escaped;
use membership::pages::{Font, MARGIN, Pages};
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result};
use serde::Serialize;
use std::fmt::Write as _;
use utoipa::ToSchema;

/// Where the columns of the lines begin, to be printed.
const COLUMNS: [f32; 5] = [MARGIN, 340.0, 440.0, 600.0, 720.0];

/// A receipt.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ShopReceipt)]
pub(crate) struct Receipt {
    /// The order's id.
    #[schema(example = "ord_019a2f3c8b7e7c2d9f00112233445566")]
    number: String,
    /// Who has bought it.
    buyer: String,
    /// What they are called.
    buyer_name: String,
    /// The account that has paid.
    paid_from: String,
    /// When it was paid.
    paid_at: Time,
    lines: Vec<Line>,
    /// What the lines are together.
    subtotal: u64,
    /// What a voucher took off.
    discount: u64,
    /// That voucher.
    voucher: Option<String>,
    /// What was paid, in tokens.
    total: u64,
    /// What was paid back of it by now.
    refunded: u64,
    /// The transaction in the ledger, where the buyer's own account paid.
    transaction_id: Option<String>,
    /// The request, where a family's or a workspace's account paid.
    request_id: Option<String>,
}

/// A line of a receipt.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ShopReceiptLine)]
pub(crate) struct Line {
    /// What was bought.
    title: String,
    /// For how many days, where it was rented.
    days: Option<u16>,
    /// How many.
    count: u32,
    /// Whom it is for.
    #[serde(rename = "for")]
    user: String,
    /// What it cost, without a voucher.
    price: u64,
    /// Whether it was paid back.
    refunded: bool,
}

// === impl Receipt ===

impl Receipt {
    /// Of an order that is paid.
    pub(crate) fn of(order: &Order) -> Result<Self> {
        let paid_at = order.ended_at.filter(|_| order.state == State::Completed);
        let paid_at = paid_at.ok_or_else(|| {
            Error::conflict(
                "there is a receipt once the order is completed; read the order to see where it is",
            )
        })?;
        let lines = order.lines.iter().map(|line| Line {
            title: line.good.title.clone(),
            days: line.days,
            count: line.count,
            user: line.user.clone(),
            price: line.price,
            refunded: line.refund_id.is_some(),
        });
        Ok(Self {
            number: order.id.to_string(),
            buyer: order.buyer.clone(),
            buyer_name: order.buyer_name.clone(),
            paid_from: order.payer.clone(),
            paid_at,
            lines: lines.collect(),
            subtotal: order.subtotal,
            discount: order.discount,
            voucher: order.voucher.clone(),
            total: order.total,
            refunded: order.refunded,
            transaction_id: order.transaction_id.clone(),
            request_id: order.request_id.clone(),
        })
    }

    /// As a page of its own, without anything from elsewhere.
    pub(crate) fn html(&self) -> String {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Receipt {number}</title><style>\
             body{{font:16px sans-serif;margin:2em auto;max-width:48em}}table{{border-collapse:collapse;width:100%}}\
             th,td{{text-align:left;padding:.3em;border-bottom:1px solid #ccc}}\
             td:last-child,th:last-child{{text-align:right}}</style></head><body>\n<h1>Receipt</h1>\n<dl>",
            number = self.number
        );
        for (name, fact) in self.facts() {
            // Writing to a text does not fail.
            let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", escaped(&fact));
        }
        page.push_str(
            "</dl>\n<table><tr><th>Item</th><th>Count</th><th>For</th><th>Tokens</th></tr>\n",
        );
        for line in &self.lines {
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&line.words()),
                line.count,
                escaped(&line.user),
                line.price
            );
        }
        for (name, tokens) in self.sums() {
            let name = escaped(&name);
            let _ = writeln!(
                page,
                "<tr><th colspan=\"3\">{name}</th><th>{tokens}</th></tr>"
            );
        }
        page.push_str("</table>\n</body></html>\n");
        page
    }

    /// To be printed.
    pub(crate) fn pdf(&self) -> Vec<u8> {
        let mut pages = Pages::new("Receipt");
        pages.line(&[(MARGIN, "Receipt")], Font::Bold, 18.0);
        pages.space();
        for (name, fact) in self.facts() {
            pages.fact(name, &fact);
        }
        pages.title("What was bought");
        let names = ["item", "count", "for", "", "tokens"];
        pages.columns(&COLUMNS, &names);
        for line in &self.lines {
            if pages.is_full() {
                pages.turn();
                pages.columns(&COLUMNS, &names);
            }
            let (count, price) = (line.count.to_string(), line.price.to_string());
            let back = if line.refunded { "paid back" } else { "" };
            pages.cells(&COLUMNS, &[&line.words(), &count, &line.user, back, &price]);
        }
        pages.space();
        for (name, tokens) in self.sums() {
            pages.cells(&COLUMNS, &[&name, "", "", "", &tokens]);
        }
        pages.written(&self.number)
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("Number", self.number.clone()),
            ("Buyer", format!("{} ({})", self.buyer_name, self.buyer)),
            ("Paid from", self.paid_from.clone()),
            ("Paid at", self.paid_at.to_string()),
        ];
        facts.extend(self.transaction_id.clone().map(|id| ("Transaction", id)));
        facts.extend(self.request_id.clone().map(|id| ("Request", id)));
        facts
    }

    fn sums(&self) -> Vec<(String, String)> {
        let mut sums = Vec::new();
        if let Some(voucher) = &self.voucher {
            sums.push(("Together".to_owned(), self.subtotal.to_string()));
            sums.push((format!("Voucher {voucher}"), format!("-{}", self.discount)));
        }
        sums.push(("Paid".to_owned(), self.total.to_string()));
        if self.refunded > 0 {
            sums.push(("Paid back".to_owned(), self.refunded.to_string()));
        }
        sums
    }
}

// === impl Line ===

impl Line {
    fn words(&self) -> String {
        match self.days {
            Some(days) => format!("{}, for {days} days", self.title),
            None => self.title.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::market::{Market, SHOP};
    use serde_json::json;

    #[test]
    fn a_receipt_says_what_was_paid_in_three_forms() {
        let market = Market::new();
        let red = market.item("<b>Red</b>", 30);
        let done = market
            .buy("usr_2", &red, json!({"total": 30}))
            .assert_status(201);
        let at = format!("{SHOP}/orders/{}/receipt", done.text("id"));
        let ada = market.app.signed_in("usr_2");
        let receipt = ada.get(&at).assert_status(200);
        assert_eq!(
            (&receipt["total"], &receipt["lines"][0]["title"]),
            (&json!(30), &json!("<b>Red</b>"))
        );
        assert_eq!(receipt["transaction_id"], done["transaction_id"]);
        let page = ada.get(&format!("{at}?format=html")).assert_status(200);
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let html = String::from_utf8_lossy(page.bytes()).into_owned();
        assert!(
            html.contains("&lt;b&gt;Red&lt;/b&gt;") && !html.contains("<b>"),
            "{html}"
        );
        let pdf = ada.get(&format!("{at}?format=pdf")).assert_status(200);
        assert_eq!(pdf.header("content-type"), Some("application/pdf"));
        assert!(pdf.bytes().starts_with(b"%PDF-1."));
        market
            .app
            .signed_in("usr_3")
            .get(&at)
            .assert_refused(404, "NOT_FOUND");
        let family = json!({"total": 30, "pay_from": market.family_id});
        market
            .put("usr_2", &red, json!({"for": "usr_3"}))
            .assert_status(201);
        let waits = market.send("usr_2", "orders", family).assert_status(201);
        let at = format!("{SHOP}/orders/{}/receipt", waits.text("id"));
        ada.get(&at).assert_refused(409, "CONFLICT");
        ada.get(&format!("{at}?format=doc"))
            .assert_refused(422, "VALIDATION_ERROR");
    }
}
