//! `/api/v1/shop/orders`.

use crate::checkout::{self, Wanted};
use crate::item::ItemId;
use crate::kinds::Kind;
use crate::model::{LineId, OrderId};
use crate::order::{Line, Order};
use crate::orders::{self, OrderFilter, OrderSort};
use crate::saga::State;
use sbd_sdk::idempotency::REPLAYED;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Answer, Caller, Created, Json, Key, Listing, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is ordered: what is in the cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopOrderInput)]
pub(crate) struct OrderInput {
    /// What it costs, as the cart says.
    #[schema(minimum = 0, example = 40)]
    total: u64,
    /// The account that is to pay: the id of a family or a workspace. The caller's own without.
    #[serde(default)]
    #[schema(example = "fam_019a2f3c8b7e7c2d9f00112233445566")]
    pay_from: Option<String>,
    /// A voucher's code.
    #[serde(default)]
    #[schema(max_length = 40, example = "SPRING-10")]
    voucher: Option<String>,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopOrder)]
pub(crate) struct OrderView {
    #[schema(inline)]
    id: OrderId,
    /// Who has placed it.
    buyer: String,
    /// The account that pays.
    pay_from: String,
    state: State,
    lines: Vec<LineView>,
    /// What the lines are together.
    subtotal: u64,
    /// What the voucher takes off.
    discount: u64,
    /// That voucher.
    voucher: Option<String>,
    /// What is paid.
    total: u64,
    /// What was paid back of it.
    refunded: u64,
    /// The request of a family or a workspace that pays.
    request_id: Option<String>,
    /// The transaction in the ledger, where the buyer's own account paid.
    transaction_id: Option<String>,
    /// Why nothing comes of it.
    failure: Option<String>,
    /// When it was placed.
    created_at: Time,
    /// When it was completed, or undone.
    ended_at: Option<Time>,
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopOrderLine)]
pub(crate) struct LineView {
    #[schema(inline)]
    id: LineId,
    #[schema(inline)]
    item_id: ItemId,
    /// What it was called.
    title: String,
    /// What it is.
    #[schema(value_type = String, example = "theme")]
    kind: Kind,
    /// For how many days it is rented.
    days: Option<u16>,
    /// How many.
    count: u32,
    /// Whom it is for.
    #[serde(rename = "for")]
    user: String,
    /// What that one is told.
    note: Option<String>,
    /// What it cost.
    price: u64,
    /// What of that is paid, less what a voucher takes off.
    paid: u64,
    /// The refund that pays it back.
    refund_id: Option<String>,
}

/// Orders what is in one's cart. Where a family's or a workspace's account pays, somebody may have to approve it.
#[operation(
    post "/api/v1/shop/orders", permission = "shop:write", idempotent, location = "The order's address",
    refuses(
        not_found = "No account of a family or a workspace that the caller belongs to",
        forbidden = "The caller may not spend from it",
        conflict = "It costs something else (`PRICE_CHANGED`), is sold out, is owned already, or cannot be paid: `INSUFFICIENT_BALANCE`, `ACCOUNT_FROZEN`, `LIMIT_EXCEEDED`, `VOUCHER_REFUSED`, `NOT_DELIVERED`",
        overloaded = "Much is moved just now: the same request again finds out what was done"
    )
)]
pub(crate) async fn place_shop_order(
    caller: Caller,
    Key(key): Key,
    Json(input): Json<OrderInput>,
) -> Result<Created<OrderView>> {
    let wanted = Wanted {
        total: input.total,
        payer: input.pay_from,
        voucher: input.voucher,
        line: None,
    };
    let made = checkout::order(&caller, &key, &wanted).await?;
    let location = format!("/api/v1/shop/orders/{}", made.order.id);
    let answer = Answer::created(&location, &OrderView::from(made.order))?;
    Ok(match made.replayed {
        true => answer.header(REPLAYED, "true"),
        false => answer,
    }
    .into())
}

/// Lists one's orders, the last one first.
#[operation(
    get "/api/v1/shop/orders", permission = "shop:read",
    refuses(forbidden = "They are another's, and the caller is no administrator")
)]
pub(crate) async fn list_shop_orders(
    caller: Caller,
    listing: Listing<OrderSort, OrderFilter>,
) -> Result<Json<Page<OrderView>>> {
    let page = orders::list(&caller, &listing).await?;
    Ok(Json(page.map(OrderView::from)))
}

/// Reads an order.
#[operation(
    get "/api/v1/shop/orders/{order_id}", permission = "shop:read", answers = "The order",
    refuses(not_found = "No order of the caller")
)]
pub(crate) async fn get_shop_order(
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<Json<OrderView>> {
    Ok(Json(orders::visible(&caller, &id).await?.into()))
}

/// Takes back an order that is not paid yet.
#[operation(
    post "/api/v1/shop/orders/{order_id}/cancel", permission = "shop:write", idempotent,
    answers = "The order as it is now",
    refuses(
        not_found = "No order of the caller",
        conflict = "It is paid already",
        overloaded = "Much is moved just now"
    )
)]
pub(crate) async fn cancel_shop_order(
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<Json<OrderView>> {
    Ok(Json(orders::cancel(&caller, &id).await?.into()))
}

impl From<Order> for OrderView {
    fn from(order: Order) -> Self {
        let failure = orders::why(&order).map(str::to_owned);
        Self {
            id: order.id,
            buyer: order.buyer,
            pay_from: order.payer,
            state: order.state,
            lines: order.lines.into_iter().map(LineView::from).collect(),
            subtotal: order.subtotal,
            discount: order.discount,
            voucher: order.voucher,
            total: order.total,
            refunded: order.refunded,
            request_id: order.request_id,
            transaction_id: order.transaction_id,
            failure,
            created_at: order.created_at,
            ended_at: order.ended_at,
        }
    }
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        Self {
            id: line.id,
            item_id: line.good.item,
            title: line.good.title,
            kind: line.good.kind,
            days: line.days,
            count: line.count,
            user: line.user,
            note: line.note,
            price: line.price,
            paid: line.paid,
            refund_id: line.refund_id,
        }
    }
}
