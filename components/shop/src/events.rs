//! What the shop tells others of grants, in the commit of the change itself, in order for each user.
//!
//! | type | data | when |
//! |---|---|---|
//! | `shop.grant.requested` | a grant, and `until` | the component of the item's kind is to grant it, and to confirm or refuse it within ten minutes |
//! | `shop.grant.granted` | the same | it is theirs |
//! | `shop.grant.refused` | a grant, and `reason` | it was not to be |
//! | `shop.grant.ended` | a grant, and `why`: `taken_back`, `expired` or `owner_gone` | it is not theirs any more, or never will be: whoever granted it takes it away |
//!
//! A grant is `grant_id`, `order_id`, `line_id`, `user_id`, `item_id`, `kind`, `component`, `reference`, `count` and
//! `days`. Each event may come more than once.

use crate::holding::GrantId;
use crate::item::ItemId;
use crate::kinds::Kind;
use crate::model::{LineId, OrderId};
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
use serde::Serialize;

/// What is said of a grant.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Told<'a> {
    pub(crate) grant_id: &'a GrantId,
    pub(crate) order_id: &'a OrderId,
    pub(crate) line_id: &'a LineId,
    pub(crate) user_id: &'a str,
    pub(crate) item_id: &'a ItemId,
    pub(crate) kind: &'a Kind,
    pub(crate) component: Option<&'a str>,
    pub(crate) reference: Option<&'a str>,
    pub(crate) count: u32,
    pub(crate) days: Option<u16>,
}

/// Why something has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    TakenBack,
    Expired,
    OwnerGone,
}

#[derive(Serialize)]
struct Until<'a> {
    #[serde(flatten)]
    grant: &'a Told<'a>,
    until: Option<Time>,
}

#[derive(Serialize)]
struct Refused<'a> {
    #[serde(flatten)]
    grant: &'a Told<'a>,
    reason: &'a str,
}

#[derive(Serialize)]
struct Over<'a> {
    #[serde(flatten)]
    grant: &'a Told<'a>,
    why: Ended,
}

/// Asks a component to grant something.
pub(crate) fn requested(change: Transaction, grant: &Told<'_>, until: Option<Time>) -> Transaction {
    change.publish(
        "shop.grant.requested",
        Some(grant.user_id),
        &Until { grant, until },
    )
}

/// Tells that something is somebody's.
pub(crate) fn granted(change: Transaction, grant: &Told<'_>, until: Option<Time>) -> Transaction {
    change.publish(
        "shop.grant.granted",
        Some(grant.user_id),
        &Until { grant, until },
    )
}

/// Tells that something was not to be.
pub(crate) fn refused(change: Transaction, grant: &Told<'_>, reason: &str) -> Transaction {
    change.publish(
        "shop.grant.refused",
        Some(grant.user_id),
        &Refused { grant, reason },
    )
}

/// Tells that something is somebody's no more.
pub(crate) fn ended(change: Transaction, grant: &Told<'_>, why: Ended) -> Transaction {
    change.publish(
        "shop.grant.ended",
        Some(grant.user_id),
        &Over { grant, why },
    )
}
