//! The component's collections; the manifest declares their indexes.

use crate::cart::Cart;
use crate::categories::Category;
use crate::grants::Grant;
use crate::holding::Holding;
use crate::item::{Item, ItemId};
use crate::kinds::Declared;
use crate::order::Order;
use crate::refunds::Refund;
use crate::vouchers::{Redemption, Voucher};
use sbd_sdk::documents::Collection;
use serde::{Deserialize, Serialize};

/// What is offered, and was.
pub(crate) const ITEMS: Collection<Item> = Collection::new("items");
/// Categories of it.
pub(crate) const CATEGORIES: Collection<Category> = Collection::new("categories");
/// Kinds that components have declared.
pub(crate) const KINDS: Collection<Declared> = Collection::new("kinds");
/// How many each buyer has taken of an item that each may have only so many of.
pub(crate) const TAKEN: Collection<Taken> = Collection::new("taken");
/// What was given by which line of which order.
pub(crate) const GRANTS: Collection<Grant> = Collection::new("grants");
/// What everybody has.
pub(crate) const HOLDINGS: Collection<Holding> = Collection::new("holdings");
/// Which of what they have is in use, by user.
pub(crate) const ACTIVE: Collection<Active> = Collection::new("active");
/// What everybody is about to buy, by user.
pub(crate) const CARTS: Collection<Cart> = Collection::new("carts");
/// What was ordered.
pub(crate) const ORDERS: Collection<Order> = Collection::new("orders");
/// What was paid back.
pub(crate) const REFUNDS: Collection<Refund> = Collection::new("refunds");
/// What takes something off an order, by code.
pub(crate) const VOUCHERS: Collection<Voucher> = Collection::new("vouchers");
/// Who has used which voucher.
pub(crate) const REDEMPTIONS: Collection<Redemption> = Collection::new("redemptions");

/// How many a buyer has taken of an item.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// The item's and the buyer's id.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) count: u32,
}

/// Which of what somebody has is in use.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Active {
    #[serde(rename = "_id")]
    pub(crate) user_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) theme: Option<ItemId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) avatar: Option<ItemId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) banner: Option<ItemId>,
}
