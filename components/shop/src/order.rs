//! An order, as it is stored: what is bought, by whom, for whom, out of which account, and how far that is.

use crate::grants::Delivery;
use crate::item::{Good, ItemId};
use crate::model::{LineId, OrderId};
use crate::neighbours::Refusal;
use crate::saga::State;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How long whoever goes on with an order has for a step, before the schedule does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long an order waits to be approved, longer than any request does; after it the shop takes it back.
const APPROVED_IN: Duration = Duration::from_secs(10 * 24 * 60 * 60);
/// How long what was bought is being handed over at most: other components have ten minutes to confirm.
const GRANTED_IN: Duration = Duration::from_secs(15 * 60);

/// An order, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    #[serde(rename = "_id")]
    pub(crate) id: OrderId,
    /// What makes it happen once: whose it is, and by which key.
    pub(crate) key: String,
    /// Whether the same key came with the same request: what was asked for, as text.
    pub(crate) asked: String,
    pub(crate) buyer: String,
    /// What the buyer is called.
    pub(crate) buyer_name: String,
    /// The account that pays: the buyer's own, or that of a family or a workspace, by its owner's id.
    pub(crate) payer: String,
    pub(crate) lines: Vec<Line>,
    /// The version of the buyer's cart that it has left empty, if it came out of it.
    pub(crate) cart: Option<u64>,
    /// What the lines are together.
    pub(crate) subtotal: u64,
    /// What a voucher takes off.
    pub(crate) discount: u64,
    pub(crate) voucher: Option<String>,
    /// What is paid; nothing, if a voucher pays it all.
    pub(crate) total: u64,
    /// What was paid back, and how often something was.
    pub(crate) refunded: u64,
    pub(crate) refunds: u32,
    pub(crate) state: State,
    /// What is held for it: by the ledger, or by a family's or a workspace's request.
    pub(crate) hold_id: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The payment of that request: what the ledger has as its cause.
    #[serde(default)]
    pub(crate) payment_id: Option<String>,
    pub(crate) transaction_id: Option<String>,
    /// Why it was not to be.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) created_at: Time,
    /// When it is stopped, if it can be.
    pub(crate) stops_at: Time,
    /// When somebody is to go on with it, if anybody is.
    pub(crate) due_at: Option<Time>,
    pub(crate) ended_at: Option<Time>,
}

/// A line of an order: one item, for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// By which it is granted once.
    pub(crate) id: LineId,
    pub(crate) good: Good,
    /// For so many days; for good without.
    pub(crate) days: Option<u16>,
    pub(crate) count: u32,
    /// Whom it is for.
    pub(crate) user: String,
    /// What that one is told, if it is another one than the buyer.
    pub(crate) note: Option<String>,
    /// What all of the line costs, and what of it is paid: less with a voucher.
    pub(crate) price: u64,
    pub(crate) paid: u64,
    /// The refund that pays it back.
    pub(crate) refund_id: Option<String>,
}

// === impl Order ===

impl Order {
    /// That it is as it was read.
    pub(crate) fn still(&self) -> Value {
        json!({"_id": self.id, "state": self.state})
    }

    /// Whether the buyer's own account pays.
    pub(crate) fn is_own(&self) -> bool {
        self.payer == self.buyer
    }

    /// What it is called where somebody decides on it.
    pub(crate) fn title(&self) -> String {
        let first = self.lines.first();
        let first = first.map_or("nothing", |line| line.good.title.as_str());
        let first: String = first.chars().take(70).collect();
        match self.lines.len() {
            0 | 1 => first,
            2 => format!("{first} and one more item"),
            lines => format!("{first} and {} more items", lines - 1),
        }
    }

    /// Whether another component hands something of it over.
    pub(crate) fn waits_for_others(&self) -> bool {
        let of = |good: &Good| good.kind.component().is_some();
        self.lines
            .iter()
            .any(|line| of(&line.good) || line.good.contains.iter().any(of))
    }

    /// Why it was not to be.
    pub(crate) fn refusal(&self) -> Error {
        let refusal = self.refusal.clone();
        refusal.unwrap_or_else(Refusal::given_up).error()
    }

    /// A line of it.
    pub(crate) fn line(&self, id: &LineId) -> Result<&Line> {
        let line = self.lines.iter().find(|line| line.id == *id);
        line.ok_or_else(|| Error::not_found("line"))
    }

    /// What is to be handed over, or taken back, by a line.
    pub(crate) fn delivery<'a>(&'a self, line: &'a Line) -> Delivery<'a> {
        Delivery {
            order: &self.id,
            line: &line.id,
            user: &line.user,
            good: &line.good,
            days: line.days,
            count: line.count,
        }
    }

    /// How many of which item there are in it.
    pub(crate) fn counts(&self) -> Vec<(&ItemId, u32)> {
        let lines = self.lines.iter();
        lines.map(|line| (&line.good.item, line.count)).collect()
    }
}

/// When an order is stopped that is in this state from now on.
pub(crate) fn stops_at(state: State, now: Time) -> Time {
    now + match state {
        State::AwaitingApproval => APPROVED_IN,
        State::Granting => GRANTED_IN,
        _ => PATIENCE,
    }
}
