//! The orders of a user, and who may see one.

use crate::model::OrderId;
use crate::neighbours::Refusal;
use crate::order::Order;
use crate::progress;
use crate::refunds::GOVERN;
use crate::saga::State;
use crate::store::ORDERS;
use sbd_sdk::paging::Page;
use sbd_sdk::{Caller, Error, Listing, Result, Sort};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// What orders are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ShopOrderSort)]
pub(crate) enum OrderSort {
    /// When they were placed.
    #[default]
    CreatedAt,
}

/// Which orders to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrderFilter {
    /// Only orders in this state.
    #[param(inline)]
    state: Option<State>,
    /// Only orders of this user; for administrators. Others see their own.
    #[param(max_length = 64, example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    buyer: Option<String>,
}

/// A page of orders: one's own, or for administrators anybody's.
pub(crate) async fn list(
    caller: &Caller,
    listing: &Listing<OrderSort, OrderFilter>,
) -> Result<Page<Order>> {
    let filter = &listing.filter;
    let buyer = match filter.buyer.as_deref() {
        Some(buyer) if buyer != &*caller.user && !caller.scopes.allow(GOVERN) => {
            return Err(Error::lacks_permission(GOVERN));
        }
        Some(buyer) => buyer,
        None => &caller.user,
    };
    let mut which = json!({"buyer": buyer});
    if let Some(state) = filter.state {
        which["state"] = json!(state);
    }
    ORDERS.find(which).page(listing).await
}

/// An order that one has placed; for administrators any.
pub(crate) async fn visible(caller: &Caller, id: &OrderId) -> Result<Order> {
    let order = ORDERS.get(id.as_str()).await?;
    let may = |order: &Order| order.buyer == *caller.user || caller.scopes.allow(GOVERN);
    order.filter(may).ok_or_else(|| Error::not_found("order"))
}

/// Takes back an order of one's own that is not paid yet.
pub(crate) async fn cancel(caller: &Caller, id: &OrderId) -> Result<Order> {
    let order = visible(caller, id).await?;
    if order.buyer != *caller.user {
        return Err(Error::not_found("order"));
    }
    let order = progress::cancel(order).await?;
    match order.state {
        State::Undone => Ok(order),
        State::Completed | State::Capturing => Err(Error::conflict(
            "the order is paid already; have it paid back instead",
        )),
        _ => Err(crate::neighbours::busy()),
    }
}

/// Why nothing came of an order, in words.
pub(crate) fn why(order: &Order) -> Option<&str> {
    order.refusal.as_ref().map(Refusal::message)
}

// === impl OrderSort ===

impl Sort for OrderSort {
    const ITEMS: &'static str = "orders";
    const ORDER: sbd_sdk::paging::Order = sbd_sdk::paging::Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
        }
    }
}
