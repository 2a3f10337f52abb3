//! `/api/v1/shop/items`.

use crate::catalogue::{self, MOST_IMPORTED, Restock};
use crate::contents;
use crate::item::{CategoryId, Draft, File, Image, Item, ItemId, NEW, Sale, Term};
use crate::kinds::Kind;
use crate::listing::{self, Wanted};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{
    By, Caller, Created, Error, Json, NoContent, Path, Principal, Query, Result, Tagged, Tokens,
    operation,
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// Whoever keeps the catalogue.
pub(crate) const KEEPS: &str = "admin:shop:catalogue";

/// What is said of an item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopItemInput)]
pub(crate) struct ItemInput {
    /// `theme`, `avatar`, `banner`, `bundle`, `file`, or what a component has declared: `courses.lesson`. It stays.
    #[schema(value_type = String, example = "theme")]
    kind: Kind,
    /// 1 to 100 characters; blanks around it are dropped.
    #[schema(min_length = 1, max_length = 100, example = "A red theme")]
    title: String,
    /// At most 2000 characters.
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// What clients know it by, and the component that grants it.
    #[serde(default)]
    #[schema(max_length = 200, example = "theme-red")]
    reference: Option<String>,
    /// What it costs for good; without it, it is only rented.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1000000000000_i64, example = 40)]
    price: Option<Tokens>,
    /// A lower price for a time.
    #[serde(default)]
    sale: Option<Sale>,
    /// For how long it is rented, and at which prices; at most 5.
    #[serde(default)]
    rentals: Vec<Term>,
    /// Of a bundle, what is in it: at most 50 items, neither bundles nor what other components grant.
    #[serde(default)]
    contains: Vec<ItemId>,
    /// A category of the catalogue.
    #[serde(default)]
    #[schema(inline)]
    category_id: Option<CategoryId>,
    /// Whether it stands out.
    #[serde(default)]
    featured: bool,
    /// Whether it is offered.
    #[serde(default)]
    listed: bool,
    /// How many each buyer may have.
    #[serde(default)]
    #[schema(minimum = 1)]
    per_buyer: Option<u32>,
    /// Of a new one, how many there are; without it there is no end to them. Later it has an address of its own.
    #[serde(default)]
    #[schema(maximum = 1000000000)]
    left: Option<u64>,
}

/// Many new items.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopImport)]
pub(crate) struct ImportInput {
    /// 1 to 40.
    items: Vec<ItemInput>,
}

/// How many of an item there are: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopStockInput)]
pub(crate) struct StockInput {
    /// So many; null for no end.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>, maximum = 1000000000)]
    left: Option<Option<u64>>,
    /// So many more, or, below zero, less: whatever is bought meanwhile.
    #[serde(default)]
    add: Option<i64>,
}

/// An item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopItem)]
pub(crate) struct ItemView {
    #[schema(inline)]
    pub(crate) id: ItemId,
    /// What it is.
    #[schema(value_type = String, example = "theme")]
    kind: Kind,
    /// What it is called.
    title: String,
    /// More about it.
    description: Option<String>,
    /// What clients know it by.
    reference: Option<String>,
    /// What it costs for good now; none, if it is only rented.
    price: Option<Tokens>,
    /// What it costs when it is not on sale.
    usual_price: Option<Tokens>,
    /// Until when it is on sale, if it is now.
    sale_until: Option<Time>,
    /// The lower price, for administrators, also when that is not now.
    sale: Option<Sale>,
    /// For how long it is rented, and at which prices.
    rentals: Vec<Term>,
    /// Of a bundle, what is in it.
    contains: Vec<ItemId>,
    #[schema(inline)]
    category_id: Option<CategoryId>,
    /// Whether it stands out.
    featured: bool,
    /// Whether it was first offered within 30 days.
    new: bool,
    /// Whether it is offered.
    listed: bool,
    /// How many are left; without a number there is no end to them.
    left: Option<u64>,
    /// How many each buyer may have.
    per_buyer: Option<u32>,
    /// Pictures of it, at `/api/v1/shop/items/{id}/images/{image_id}`.
    images: Vec<Image>,
    /// What its owners download.
    file: Option<File>,
    /// When it was first offered.
    listed_at: Option<Time>,
    /// When it was last changed.
    updated_at: Time,
    /// Goes up by one with every change; also the `ETag`. What is left changes without it.
    version: u64,
}

/// A page of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopItems)]
pub(crate) struct ItemsView {
    items: Vec<ItemView>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
}

/// Items that were imported.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopImported)]
pub(crate) struct ImportView {
    /// In the order in which they came.
    #[schema(value_type = Vec<String>)]
    ids: Vec<ItemId>,
}

/// Lists what is offered, the latest first, page by page.
#[operation(get "/api/v1/shop/items", permission = "shop:read", answers = "A page of it")]
pub(crate) async fn list_shop_items(
    By(by): By,
    Query(wanted): Query<Wanted>,
) -> Result<Json<ItemsView>> {
    let found = listing::page(&wanted, keeps(&by)).await?;
    let items = found.documents.into_iter();
    Ok(Json(ItemsView {
        items: items.map(|item| ItemView::of(item, keeps(&by))).collect(),
        next: found.next,
    }))
}

/// Reads an item.
#[operation(
    get "/api/v1/shop/items/{id}", permission = "shop:read", answers = "The item",
    refuses(not_found = "No item that is offered")
)]
pub(crate) async fn get_shop_item(By(by): By, Path(id): Path<ItemId>) -> Result<Tagged<ItemView>> {
    let item = catalogue::seen(&id, keeps(&by)).await?;
    Ok(ItemView::tagged(item, keeps(&by)))
}

/// Has a new item in the catalogue.
#[operation(
    post "/api/v1/shop/items", permission = "admin:shop:catalogue", location = "The item's address",
    refuses(conflict = "There is nothing to download yet, or what it names is gone")
)]
pub(crate) async fn create_shop_item(
    by: Caller,
    Json(input): Json<ItemInput>,
) -> Result<Created<Tagged<ItemView>>> {
    let (draft, left) = input.read();
    let item = catalogue::create(&by, draft, left).await?;
    Created::at(&address(&item.id), &ItemView::tagged(item, true))
}

/// Has many new items in the catalogue, at most 40, or none of them.
#[operation(
    post "/api/v1/shop/items/import", permission = "admin:shop:catalogue", answers = "Their ids",
    refuses(conflict = "What one of them names is gone")
)]
pub(crate) async fn import_shop_items(
    by: Caller,
    Json(input): Json<ImportInput>,
) -> Result<Json<ImportView>> {
    if input.items.len() > MOST_IMPORTED {
        let message = format!("at most {MOST_IMPORTED} items; send more in another request");
        return Err(Error::validation("items", message));
    }
    let drafts = input.items.into_iter().map(ItemInput::read).collect();
    let items = catalogue::import(&by, drafts).await?;
    let ids = items.into_iter().map(|item| item.id).collect();
    Ok(Json(ImportView { ids }))
}

/// Replaces what is said of an item. It stays of its kind; orders that are on their way keep what was offered.
#[operation(
    put "/api/v1/shop/items/{id}", permission = "admin:shop:catalogue", answers = "The item as it is now",
    refuses(not_found, conflict = "It was changed at the same moment, or there is nothing to download yet")
)]
pub(crate) async fn replace_shop_item(
    by: Caller,
    Path(id): Path<ItemId>,
    wanted: Preconditions,
    Json(input): Json<ItemInput>,
) -> Result<Tagged<ItemView>> {
    let (draft, left) = input.read();
    let draft = draft.check()?;
    if left.is_some() {
        let message = "only of a new item; send it to `/api/v1/shop/items/{id}/stock`";
        return Err(Error::validation("left", message));
    }
    let item = catalogue::replace(&by, &id, draft, &wanted).await?;
    Ok(ItemView::tagged(item, true))
}

/// Says how many of an item there are, or how many more.
#[operation(
    post "/api/v1/shop/items/{id}/stock", permission = "admin:shop:catalogue", answers = "The item as it is now",
    refuses(not_found, conflict = "There are not as many, or there is no end to them")
)]
pub(crate) async fn restock_shop_item(
    _: Caller,
    Path(id): Path<ItemId>,
    Json(input): Json<StockInput>,
) -> Result<Tagged<ItemView>> {
    let restock = match (input.left, input.add) {
        (Some(left), None) => Restock::Set(left),
        (None, Some(add)) => Restock::Add(add),
        _ => return Err(Error::validation("left", "either `left` or `add`")),
    };
    let item = catalogue::restock(&id, restock).await?;
    Ok(ItemView::tagged(item, true))
}

/// Deletes an item that never was offered. One that was, is withdrawn instead (`"listed": false`).
#[operation(
    delete "/api/v1/shop/items/{id}", permission = "admin:shop:catalogue",
    refuses(not_found, conflict = "It was offered, or a bundle contains it")
)]
pub(crate) async fn delete_shop_item(
    _: Caller,
    Path(id): Path<ItemId>,
    wanted: Preconditions,
) -> Result<NoContent> {
    let item = catalogue::delete(&id, &wanted).await?;
    contents::delete_all(&item.id).await?;
    Ok(NoContent)
}

/// Whether somebody keeps the catalogue, and sees all of it.
pub(crate) fn keeps(by: &Principal) -> bool {
    by.scopes.allow(KEEPS)
}

fn address(id: &ItemId) -> String {
    format!("/api/v1/shop/items/{id}")
}

/// What is there, be it null.
fn said<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Option<u64>>, D::Error> {
    Option::<u64>::deserialize(from).map(Some)
}

// === impl ItemInput ===

impl ItemInput {
    fn read(self) -> (Draft, Option<u64>) {
        let draft = Draft {
            kind: self.kind,
            title: self.title,
            description: self.description,
            reference: self.reference,
            price: self.price,
            sale: self.sale,
            rentals: self.rentals,
            contains: self.contains,
            category: self.category_id,
            featured: self.featured,
            listed: self.listed,
            per_buyer: self.per_buyer,
        };
        (draft, self.left)
    }
}

// === impl ItemView ===

impl ItemView {
    pub(crate) fn of(item: Item, is_admin: bool) -> Self {
        let now = time::now();
        let price = item.price_at(now);
        let draft = item.draft;
        let is_on_sale = price != draft.price;
        Self {
            id: item.id,
            kind: draft.kind,
            title: draft.title,
            description: draft.description,
            reference: draft.reference,
            price,
            usual_price: draft.price,
            sale_until: draft.sale.filter(|_| is_on_sale).map(|sale| sale.until),
            sale: draft.sale.filter(|_| is_admin),
            rentals: draft.rentals,
            contains: draft.contains,
            category_id: draft.category,
            featured: draft.featured,
            new: item.listed_at.is_some_and(|at| now < at + NEW),
            listed: draft.listed,
            left: item.stock,
            per_buyer: draft.per_buyer,
            images: item.images,
            file: item.file,
            listed_at: item.listed_at,
            updated_at: item.updated_at,
            version: item.version,
        }
    }

    pub(crate) fn tagged(item: Item, is_admin: bool) -> Tagged<Self> {
        Tagged {
            version: item.version,
            body: Self::of(item, is_admin),
        }
    }
}
