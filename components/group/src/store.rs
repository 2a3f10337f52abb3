//! The collections that a component with accounts has for them; its manifest declares their indexes.

use crate::account::Wallet;
use crate::allowances::Allowance;
use crate::payments::Payment;
use crate::requests::Request;
use sbd_sdk::documents::Collection;
use serde::{Deserialize, Serialize};

/// What is decided about an account, by the group's id.
pub const fn wallets<G>() -> Collection<Wallet<G>> {
    Collection::new("wallets")
}

/// What each member may spend and has spent, by the membership's id.
pub const ALLOWANCES: Collection<Allowance> = Collection::new("allowances");

/// Payments out of accounts.
pub const fn payments<G>() -> Collection<Payment<G>> {
    Collection::new("payments")
}

/// What members ask for.
pub const fn requests<G>() -> Collection<Request<G>> {
    Collection::new("requests")
}

/// Who belongs to which group: as much of it as is read here.
pub(crate) const MEMBERSHIPS: Collection<Named> = Collection::new("memberships");

/// A member's name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Named {
    pub(crate) user_id: String,
}
