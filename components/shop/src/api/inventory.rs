//! `/api/v1/shop/inventory` and `/api/v1/shop/active`.

use crate::holding::Holding;
use crate::inventory::{self, HoldingFilter, HoldingSort};
use crate::item::{ItemId, Term};
use crate::kinds::Kind;
use crate::renewals;
use crate::store::Active;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Json, Listing, NoContent, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody has of an item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopHolding)]
pub(crate) struct HoldingView {
    #[schema(inline)]
    item_id: ItemId,
    /// What it is.
    #[schema(value_type = String, example = "theme")]
    kind: Kind,
    /// What it was called when it was bought.
    title: String,
    /// What clients know it by.
    reference: Option<String>,
    /// How many, of what somebody may have several of.
    count: u32,
    /// Since when.
    since: Time,
    /// Until when it is rented; for good without.
    until: Option<Time>,
    /// That it is rented again by itself, and how.
    renewal: Option<Term>,
}

/// Which of one's own is to be used.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopActiveInput)]
pub(crate) struct ActiveInput {
    #[schema(inline)]
    item_id: ItemId,
}

/// Which of what somebody has is in use.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopActive)]
pub(crate) struct ActiveView {
    #[schema(inline)]
    theme: Option<ItemId>,
    #[schema(inline)]
    avatar: Option<ItemId>,
    #[schema(inline)]
    banner: Option<ItemId>,
}

/// Lists what the caller has: bought, rented, or given.
#[operation(get "/api/v1/shop/inventory", permission = "shop:read")]
pub(crate) async fn list_shop_inventory(
    caller: Caller,
    listing: Listing<HoldingSort, HoldingFilter>,
) -> Result<Json<Page<HoldingView>>> {
    let page = inventory::list(&caller, &listing).await?;
    Ok(Json(page.map(HoldingView::from)))
}

/// Has what the caller rents be rented again by itself, an hour before its end, out of their own account.
///
/// The price is the one that is offered now. Where it is another one then, nothing is paid, and the caller is told.
#[operation(
    put "/api/v1/shop/inventory/{item_id}/renewal", permission = "shop:write", answers = "What the caller has",
    refuses(
        not_found = "Nothing that the caller rents, or it is not offered any more",
        conflict = "It is offered otherwise: `PRICE_CHANGED`, or not for so many days"
    )
)]
pub(crate) async fn renew_shop_rental(
    caller: Caller,
    Path(id): Path<ItemId>,
    Json(term): Json<Term>,
) -> Result<Json<HoldingView>> {
    let holding = renewals::set(&caller, &id, Some(term)).await?;
    Ok(Json(holding.into()))
}

/// Has what the caller rents end as it is.
#[operation(
    delete "/api/v1/shop/inventory/{item_id}/renewal", permission = "shop:write",
    refuses(not_found = "Nothing that the caller rents")
)]
pub(crate) async fn end_shop_renewal(caller: Caller, Path(id): Path<ItemId>) -> Result<NoContent> {
    renewals::set(&caller, &id, None).await?;
    Ok(NoContent)
}

/// Says which theme, avatar and banner the caller uses.
#[operation(get "/api/v1/shop/active", permission = "shop:read", answers = "Those in use")]
pub(crate) async fn get_shop_active(caller: Caller) -> Result<Json<ActiveView>> {
    let active = inventory::active(&caller.user).await?;
    Ok(Json(active.into()))
}

/// Uses one of the caller's own themes, avatars or banners. When its rent ends, it is in use no more.
#[operation(
    put "/api/v1/shop/active/{kind}", permission = "shop:write", answers = "Those in use",
    parameters(kind = "`theme`, `avatar` or `banner`"),
    refuses(not_found = "No such kind", validation = "It is none of the caller's own")
)]
pub(crate) async fn use_shop_item(
    caller: Caller,
    Path(kind): Path<String>,
    Json(input): Json<ActiveInput>,
) -> Result<Json<ActiveView>> {
    let active = inventory::activate(&caller, &used(kind)?, &input.item_id).await?;
    Ok(Json(active.into()))
}

/// Uses no theme, avatar or banner any more.
#[operation(
    delete "/api/v1/shop/active/{kind}", permission = "shop:write",
    parameters(kind = "`theme`, `avatar` or `banner`"), refuses(not_found = "No such kind")
)]
pub(crate) async fn stop_using_shop_item(
    caller: Caller,
    Path(kind): Path<String>,
) -> Result<NoContent> {
    inventory::deactivate(&caller, &used(kind)?).await?;
    Ok(NoContent)
}

fn used(kind: String) -> Result<Kind> {
    Kind::try_from(kind).map_err(|_| Error::not_found("kind"))
}

impl From<Holding> for HoldingView {
    fn from(holding: Holding) -> Self {
        Self {
            item_id: holding.item_id,
            kind: holding.kind,
            title: holding.title,
            reference: holding.reference,
            count: holding.count,
            since: holding.since,
            until: holding.until,
            renewal: holding.renewal,
        }
    }
}

impl From<Active> for ActiveView {
    fn from(active: Active) -> Self {
        Self {
            theme: active.theme,
            avatar: active.avatar,
            banner: active.banner,
        }
    }
}
