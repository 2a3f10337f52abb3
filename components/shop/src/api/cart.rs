//! `/api/v1/shop/cart`.

use crate::cart::{self, New, Priced, Sum};
use crate::item::ItemId;
use crate::model::LineId;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Created, Json, NoContent, Path, Query, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is to be put into the cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopCartLineInput)]
pub(crate) struct LineInput {
    #[schema(inline)]
    item_id: ItemId,
    /// For how many days it is rented, as it is offered; for good without.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1096)]
    days: Option<u16>,
    /// How many; one without. More than one only of items of which somebody may have several.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    count: Option<u32>,
    /// Whom it is for: the id or the name of a user. For the caller without.
    #[serde(default, rename = "for")]
    #[schema(max_length = 50, example = "bob")]
    user: Option<String>,
    /// What that one is told.
    #[serde(default)]
    #[schema(max_length = 200, example = "Happy birthday")]
    note: Option<String>,
}

/// With which voucher the cart is looked at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CartQuery {
    /// A voucher's code.
    #[param(max_length = 40, example = "SPRING-10")]
    voucher: Option<String>,
}

/// A cart, as it can be bought now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopCart)]
pub(crate) struct CartView {
    lines: Vec<LineView>,
    /// What the lines are together.
    subtotal: u64,
    /// What the voucher takes off.
    discount: u64,
    /// What is to be paid: say it in the order.
    total: u64,
    /// Whether a price is another one than when its line was put in.
    changed: bool,
    /// Whether all of it can be bought.
    orderable: bool,
    /// When something was put in or taken out last.
    updated_at: Time,
}

/// A line of a cart.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopCartLine)]
pub(crate) struct LineView {
    #[schema(inline)]
    id: LineId,
    #[schema(inline)]
    item_id: ItemId,
    /// What it is called.
    title: String,
    /// For how many days it is rented.
    days: Option<u16>,
    /// How many.
    count: u32,
    /// Whom it is for, by id.
    #[serde(rename = "for")]
    user: String,
    /// What that one is told.
    note: Option<String>,
    /// What it costs now.
    price: Option<u64>,
    /// What it cost when it was put in, if that was something else.
    was: Option<u64>,
    /// Why it cannot be bought.
    problem: Option<String>,
}

/// Reads one's cart, at the prices of this moment.
#[operation(
    get "/api/v1/shop/cart", permission = "shop:read", answers = "The cart",
    refuses(conflict = "The voucher is not good for it (`VOUCHER_REFUSED`)")
)]
pub(crate) async fn get_shop_cart(
    caller: Caller,
    Query(query): Query<CartQuery>,
) -> Result<Json<CartView>> {
    let sum = cart::sum(&caller.user, query.voucher.as_deref()).await?;
    Ok(Json(sum.into()))
}

/// Puts an item into one's cart, for oneself or for somebody else. A cart has 40 lines at most.
#[operation(
    post "/api/v1/shop/cart/lines", permission = "shop:write", location = "The cart's address",
    refuses(
        not_found = "No item that is offered",
        conflict = "It is owned or in the cart already, or is not sold so",
        overloaded = "The cart is changed at the same moment"
    )
)]
pub(crate) async fn put_into_shop_cart(
    caller: Caller,
    Json(input): Json<LineInput>,
) -> Result<Created<CartView>> {
    cart::put(&caller.user, input.into()).await?;
    let sum = cart::sum(&caller.user, None).await?;
    Created::at("/api/v1/shop/cart", &CartView::from(sum))
}

/// Takes a line out of one's cart.
#[operation(
    delete "/api/v1/shop/cart/lines/{line_id}", permission = "shop:write",
    refuses(not_found = "No line of the cart", overloaded = "The cart is changed at the same moment")
)]
pub(crate) async fn take_out_of_shop_cart(
    caller: Caller,
    Path(id): Path<LineId>,
) -> Result<NoContent> {
    cart::take_out(&caller.user, &id).await?;
    Ok(NoContent)
}

/// Empties one's cart.
#[operation(delete "/api/v1/shop/cart", permission = "shop:write")]
pub(crate) async fn empty_shop_cart(caller: Caller) -> Result<NoContent> {
    cart::empty(&caller.user).await?;
    Ok(NoContent)
}

impl From<LineInput> for New {
    fn from(input: LineInput) -> Self {
        Self {
            item: input.item_id,
            days: input.days,
            count: input.count.unwrap_or(1),
            user: input.user,
            note: input.note,
        }
    }
}

impl From<Sum> for CartView {
    fn from(sum: Sum) -> Self {
        let (total, updated_at) = (sum.total(), sum.cart.updated_at);
        let lines: Vec<_> = sum.lines.into_iter().map(LineView::from).collect();
        Self {
            subtotal: sum.subtotal,
            discount: sum.discount,
            total,
            changed: lines.iter().any(|line| line.was.is_some()),
            orderable: !lines.is_empty() && lines.iter().all(|line| line.problem.is_none()),
            lines,
            updated_at,
        }
    }
}

impl From<Priced> for LineView {
    fn from(priced: Priced) -> Self {
        let line = priced.line;
        Self {
            id: line.id,
            item_id: line.item,
            title: priced.offer.map_or(line.title, |offer| offer.good.title),
            days: line.days,
            count: line.count,
            user: line.user,
            note: line.note,
            price: priced.price,
            was: priced
                .price
                .filter(|price| *price != line.price)
                .and(Some(line.price)),
            problem: priced.problem.map(|problem| problem.message().to_owned()),
        }
    }
}
