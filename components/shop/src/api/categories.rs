//! `/api/v1/shop/categories`.

use crate::categories::{self, Category, Draft};
use crate::item::CategoryId;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Created, Json, NoContent, Path, Result, Tagged, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is said of a category.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShopCategoryInput)]
pub(crate) struct CategoryInput {
    /// 1 to 100 characters; no two have the same.
    #[schema(min_length = 1, max_length = 100, example = "Dark themes")]
    name: String,
    /// At most 500 characters.
    #[serde(default)]
    #[schema(max_length = 500)]
    description: Option<String>,
    /// They stand in this order.
    #[serde(default)]
    position: u32,
}

/// A category.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopCategory)]
pub(crate) struct CategoryView {
    #[schema(inline)]
    id: CategoryId,
    /// What it is called.
    name: String,
    /// More about it.
    description: Option<String>,
    /// They stand in this order.
    position: u32,
    /// How many items of it are offered; in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<u64>,
    /// Goes up by one with every change; also the `ETag`.
    version: u64,
}

/// Lists the categories, in order.
#[operation(get "/api/v1/shop/categories", permission = "shop:read", answers = "The categories")]
pub(crate) async fn list_shop_categories() -> Result<Json<Vec<CategoryView>>> {
    let all = categories::all().await?.into_iter();
    let views = all.map(|(category, items)| CategoryView {
        items: Some(items),
        ..category.into()
    });
    Ok(Json(views.collect()))
}

/// Reads a category. Its items are at `/api/v1/shop/items?category_id=…`.
#[operation(
    get "/api/v1/shop/categories/{id}", permission = "shop:read", answers = "The category",
    refuses(not_found)
)]
pub(crate) async fn get_shop_category(Path(id): Path<CategoryId>) -> Result<Tagged<CategoryView>> {
    categories::get(&id).await.map(CategoryView::tagged)
}

/// Makes a category.
#[operation(
    post "/api/v1/shop/categories", permission = "admin:shop:catalogue", location = "The category's address",
    refuses(conflict = "There is one of this name, or as many as there may be")
)]
pub(crate) async fn create_shop_category(
    _: Caller,
    Json(input): Json<CategoryInput>,
) -> Result<Created<Tagged<CategoryView>>> {
    let category = categories::create(input.read()).await?;
    let address = format!("/api/v1/shop/categories/{}", category.id);
    Created::at(&address, &CategoryView::tagged(category))
}

/// Replaces what is said of a category.
#[operation(
    put "/api/v1/shop/categories/{id}", permission = "admin:shop:catalogue", answers = "The category as it is now",
    refuses(not_found, conflict = "There is one of this name, or it was changed at the same moment")
)]
pub(crate) async fn replace_shop_category(
    _: Caller,
    Path(id): Path<CategoryId>,
    wanted: Preconditions,
    Json(input): Json<CategoryInput>,
) -> Result<Tagged<CategoryView>> {
    let category = categories::replace(&id, input.read(), &wanted).await?;
    Ok(CategoryView::tagged(category))
}

/// Deletes a category without items.
#[operation(
    delete "/api/v1/shop/categories/{id}", permission = "admin:shop:catalogue",
    refuses(not_found, conflict = "Items are in it")
)]
pub(crate) async fn delete_shop_category(
    _: Caller,
    Path(id): Path<CategoryId>,
    wanted: Preconditions,
) -> Result<NoContent> {
    categories::delete(&id, &wanted).await?;
    Ok(NoContent)
}

// === impl CategoryInput ===

impl CategoryInput {
    fn read(self) -> Draft {
        Draft {
            name: self.name,
            description: self.description,
            position: self.position,
        }
    }
}

// === impl CategoryView ===

impl CategoryView {
    fn tagged(category: Category) -> Tagged<Self> {
        Tagged {
            version: category.version,
            body: category.into(),
        }
    }
}

impl From<Category> for CategoryView {
    fn from(category: Category) -> Self {
        Self {
            id: category.id,
            name: category.name,
            description: category.description,
            position: category.position,
            items: None,
            version: category.version,
        }
    }
}
