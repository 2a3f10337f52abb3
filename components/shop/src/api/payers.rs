//! `/api/v1/shop/payers`.

use crate::payers::{self, Payer};
use sbd_sdk::{Caller, Json, Result, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// Accounts from which somebody may pay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopPayers)]
pub(crate) struct PayersView {
    /// The caller's own first.
    items: Vec<Payer>,
}

/// Lists the accounts from which the caller may pay an order, and how much alone.
///
/// Their own, and those of the first 60 families and workspaces that they belong to, by name. What the caller's
/// token may not see is left out.
#[operation(
    get "/api/v1/shop/payers", permission = "shop:read", answers = "The accounts",
    refuses(overloaded = "A family's or a workspace's account cannot be read just now")
)]
pub(crate) async fn list_shop_payers(caller: Caller) -> Result<Json<PayersView>> {
    let items = payers::of(&caller).await?;
    Ok(Json(PayersView { items }))
}
