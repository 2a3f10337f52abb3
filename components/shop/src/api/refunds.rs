//! `/api/v1/shop/orders/{order_id}/refunds`.

use crate::model::{LineId, OrderId};
use crate::refunds::{self, Refund, RefundId, State, Wanted};
use membership::text;
use sbd_sdk::idempotency::REPLAYED;
use sbd_sdk::time::Time;
use sbd_sdk::{Answer, Caller, Created, Error, Json, Key, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be paid back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopRefundInput)]
pub(crate) struct RefundInput {
    /// Lines of the order, 40 at most; all that were not paid back yet, without.
    #[serde(default)]
    #[schema(inline)]
    lines: Vec<LineId>,
    /// For the buyer to read.
    #[serde(default)]
    #[schema(max_length = 200)]
    reason: Option<String>,
}

/// What was paid back, or is about to be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopRefund)]
pub(crate) struct RefundView {
    #[schema(inline)]
    id: RefundId,
    #[schema(inline)]
    order_id: OrderId,
    /// The lines of the order that it is for.
    #[schema(inline)]
    lines: Vec<LineId>,
    /// What is paid back.
    amount: u64,
    /// The account that is paid; the buyer's, if that one is closed by then.
    to: String,
    /// For the buyer to read.
    reason: Option<String>,
    state: State,
    /// The transaction in the ledger.
    transaction_id: Option<String>,
    /// When it was begun.
    created_at: Time,
    /// When it was paid.
    ended_at: Option<Time>,
}

/// Refunds of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopRefunds)]
pub(crate) struct RefundsView {
    items: Vec<RefundView>,
}

/// Has lines of an order paid back.
///
/// One's own within 14 days, for administrators any; what is rented, for the time that is left.
#[operation(
    post "/api/v1/shop/orders/{order_id}/refunds", permission = "shop:write", idempotent,
    location = "The order's refunds",
    refuses(
        not_found = "No order of the caller, or no such line of it",
        conflict = "It is not paid, was paid back already, or cannot be any more",
        overloaded = "Much is moved just now: the same request again finds out what was done"
    )
)]
pub(crate) async fn refund_shop_order(
    caller: Caller,
    Path(id): Path<OrderId>,
    Key(key): Key,
    Json(input): Json<RefundInput>,
) -> Result<Created<RefundView>> {
    if input.lines.len() > crate::cart::MOST_LINES {
        let message = format!("at most {} lines", crate::cart::MOST_LINES);
        return Err(Error::validation("lines", message));
    }
    let wanted = Wanted {
        lines: input.lines,
        reason: text::line("reason", input.reason.as_deref(), 200)?,
    };
    let (refund, replayed) = refunds::pay_back(&caller, &key, &id, &wanted).await?;
    let location = format!("/api/v1/shop/orders/{id}/refunds");
    let answer = Answer::created(&location, &RefundView::from(refund))?;
    Ok(match replayed {
        true => answer.header(REPLAYED, "true"),
        false => answer,
    }
    .into())
}

/// Lists the refunds of an order.
#[operation(
    get "/api/v1/shop/orders/{order_id}/refunds", permission = "shop:read", answers = "All of them",
    refuses(not_found = "No order of the caller")
)]
pub(crate) async fn list_shop_refunds(
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<Json<RefundsView>> {
    let refunds = refunds::of_order(&caller, &id).await?;
    let items = refunds.into_iter().map(RefundView::from).collect();
    Ok(Json(RefundsView { items }))
}

impl From<Refund> for RefundView {
    fn from(refund: Refund) -> Self {
        Self {
            id: refund.id,
            order_id: refund.order_id,
            lines: refund.lines,
            amount: refund.amount,
            to: refund.to,
            reason: refund.reason,
            state: refund.state,
            transaction_id: refund.transaction_id,
            created_at: refund.created_at,
            ended_at: refund.ended_at,
        }
    }
}
