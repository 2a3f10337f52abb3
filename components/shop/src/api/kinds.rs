//! `/api/v1/shop/kinds` and `/api/v1/shop/grants`: for components that sell.

use crate::grants::{self, Grant, State};
use crate::holding::GrantId;
use crate::item::ItemId;
use crate::kinds::{self, Declared, Kind};
use crate::model::{LineId, OrderId};
use sbd_sdk::time::Time;
use sbd_sdk::{By, Json, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a kind is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopKindInput)]
pub(crate) struct KindInput {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100, example = "A lesson")]
    title: String,
    /// Whether somebody may have several of the same item.
    #[serde(default)]
    repeatable: bool,
}

/// A kind of items that another component grants.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopKind)]
pub(crate) struct KindView {
    /// As items have it: `courses.lesson`.
    #[schema(value_type = String, example = "courses.lesson")]
    kind: Kind,
    /// The component that grants it.
    component: String,
    /// What it is called.
    title: String,
    /// Whether somebody may have several of the same item.
    repeatable: bool,
    /// When the component last said so.
    declared_at: Time,
}

/// Why something cannot be granted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopRefusalInput)]
pub(crate) struct RefusalInput {
    /// 1 to 200 characters; the buyer reads it.
    #[schema(min_length = 1, max_length = 200, example = "The course is full")]
    reason: String,
}

/// What somebody is to be given, or was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopGrant)]
pub(crate) struct GrantView {
    #[schema(inline)]
    id: GrantId,
    #[schema(inline)]
    order_id: OrderId,
    #[schema(inline)]
    line_id: LineId,
    /// Whose it is to be.
    user_id: String,
    #[schema(inline)]
    item_id: ItemId,
    /// What it is.
    #[schema(value_type = String, example = "courses.lesson")]
    kind: Kind,
    /// What the component knows the item by.
    reference: Option<String>,
    /// How many.
    count: u32,
    /// For so many days; for good without.
    days: Option<u16>,
    state: State,
    /// Why it is refused.
    reason: Option<String>,
    /// Until when it is to be confirmed.
    due_at: Option<Time>,
}

/// Lists the kinds that components have declared.
#[operation(get "/api/v1/shop/kinds", permission = "shop:read", answers = "The kinds")]
pub(crate) async fn list_shop_kinds() -> Result<Json<Vec<KindView>>> {
    let declared = kinds::declared().await?.into_iter();
    Ok(Json(declared.map(KindView::from).collect()))
}

/// Declares a kind of items: for the component that is to grant them, which is told when one is bought.
///
/// `shop.grant.requested` asks for it; the component confirms or refuses within ten minutes. `shop.grant.ended` says
/// that it is over.
#[operation(
    put "/api/v1/shop/kinds/{kind}", permission = "shop:sell", answers = "The kind, with the component's name before it",
    parameters(kind = "A word, such as `lesson`"),
    refuses(forbidden = "The caller is no component", conflict = "The component has as many as it may")
)]
pub(crate) async fn declare_shop_kind(
    By(by): By,
    Path(kind): Path<String>,
    Json(input): Json<KindInput>,
) -> Result<Json<KindView>> {
    let declared = kinds::declare(&by, &kind, &input.title, input.repeatable).await?;
    Ok(Json(declared.into()))
}

/// Reads a grant of a kind of the component that asks.
#[operation(
    get "/api/v1/shop/grants/{id}", permission = "shop:sell", answers = "The grant",
    refuses(forbidden = "The caller is no component", not_found = "None that the component was asked for")
)]
pub(crate) async fn get_shop_grant(By(by): By, Path(id): Path<GrantId>) -> Result<Json<GrantView>> {
    let grant = grants::asked_of(&by, &id).await?;
    Ok(Json(grant.into()))
}

/// Says that a grant is done: for the component that was asked. Said again, it is answered again.
#[operation(
    post "/api/v1/shop/grants/{id}/confirmation", permission = "shop:sell", idempotent, answers = "The grant",
    refuses(
        forbidden = "The caller is no component", not_found = "None that the component was asked for",
        conflict = "It was decided otherwise: too late, taken back, or refused before"
    )
)]
pub(crate) async fn confirm_shop_grant(
    By(by): By,
    Path(id): Path<GrantId>,
) -> Result<Json<GrantView>> {
    let grant = grants::confirm(&by, &id).await?;
    Ok(Json(grant.into()))
}

/// Says that a grant cannot be: for the component that was asked. The buyer pays nothing.
#[operation(
    post "/api/v1/shop/grants/{id}/refusal", permission = "shop:sell", idempotent, answers = "The grant",
    refuses(
        forbidden = "The caller is no component", not_found = "None that the component was asked for",
        conflict = "It was decided otherwise: confirmed before, or taken back"
    )
)]
pub(crate) async fn refuse_shop_grant(
    By(by): By,
    Path(id): Path<GrantId>,
    Json(input): Json<RefusalInput>,
) -> Result<Json<GrantView>> {
    let grant = grants::refuse(&by, &id, &input.reason).await?;
    Ok(Json(grant.into()))
}

impl From<Declared> for KindView {
    fn from(declared: Declared) -> Self {
        Self {
            kind: declared.kind,
            component: declared.component,
            title: declared.title,
            repeatable: declared.repeatable,
            declared_at: declared.declared_at,
        }
    }
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        Self {
            id: grant.id,
            order_id: grant.order_id,
            line_id: grant.line_id,
            user_id: grant.user_id,
            item_id: grant.good.item,
            kind: grant.good.kind,
            reference: grant.good.reference,
            count: grant.count,
            days: grant.days,
            state: grant.state,
            reason: grant.refusal,
            due_at: grant.due_at,
        }
    }
}
