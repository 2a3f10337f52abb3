//! `/api/v1/shop/items/{id}/images` and `/api/v1/shop/items/{id}/file`.

use crate::api::items::{ItemView, keeps};
use crate::contents::{self, blob_name};
use crate::item::{ContentId, Image, ItemId};
use crate::{catalogue, inventory};
use axum::body::Body;
use http::{HeaderMap, header};
use sbd_sdk::download::{About, Download};
use sbd_sdk::{Caller, Created, Error, NoContent, Path, Query, Result, Tagged, operation};
use serde::Deserialize;
use utoipa::IntoParams;

/// What a file is called.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileName {
    /// 1 to 200 characters.
    #[param(min_length = 1, max_length = 200, example = "score.pdf")]
    name: String,
}

/// Adds a picture to an item: the body is a PNG, JPEG, GIF or WebP of at most 2 MiB.
#[operation(
    post "/api/v1/shop/items/{id}/images", permission = "admin:shop:catalogue", location = "The picture's address",
    refuses(not_found, conflict = "The item has as many as it may", validation = "It is no picture", storage_full)
)]
pub(crate) async fn add_shop_image(
    by: Caller,
    Path(id): Path<ItemId>,
    body: Body,
) -> Result<Created<Image>> {
    let (_, image) = contents::add_image(&by, &id, body).await?;
    let address = format!("/api/v1/shop/items/{id}/images/{}", image.id);
    Created::at(&address, &image)
}

/// Shows a picture of an item, to whoever knows its address.
#[operation(
    get "/api/v1/shop/items/{id}/images/{image_id}", answers = "The picture, or a range of it",
    parameters(image_id = "As the item says"), refuses(not_found)
)]
pub(crate) async fn get_shop_image(
    Path((id, image)): Path<(ItemId, ContentId)>,
    headers: HeaderMap,
) -> Result<Download> {
    let item = catalogue::get(&id).await?;
    let image = item.images.iter().find(|other| other.id == image);
    let image = image.ok_or_else(|| Error::not_found("image"))?;
    let about = About {
        blob: &blob_name(&id, &image.id),
        file: None,
        content_type: &image.content_type,
        size: image.size,
        sha256: &image.sha256,
    };
    Download::of(about, &headers).await
}

/// Takes a picture away from an item.
#[operation(
    delete "/api/v1/shop/items/{id}/images/{image_id}", permission = "admin:shop:catalogue",
    parameters(image_id = "As the item says"), refuses(not_found)
)]
pub(crate) async fn remove_shop_image(
    by: Caller,
    Path((id, image)): Path<(ItemId, ContentId)>,
) -> Result<NoContent> {
    contents::remove_image(&by, &id, &image).await?;
    Ok(NoContent)
}

/// Puts what owners of an item download, at most 100 MiB, or something else in its place. The body is the file.
#[operation(
    put "/api/v1/shop/items/{id}/file", permission = "admin:shop:catalogue", answers = "The item as it is now",
    refuses(not_found, conflict = "The item is no file", storage_full)
)]
pub(crate) async fn put_shop_file(
    by: Caller,
    Path(id): Path<ItemId>,
    Query(name): Query<FileName>,
    headers: HeaderMap,
    body: Body,
) -> Result<Tagged<ItemView>> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    let item = contents::put_file(&by, &id, &name.name, kind, body).await?;
    Ok(ItemView::tagged(item, true))
}

/// Downloads the file of an item that the caller has, or a range of it.
#[operation(
    get "/api/v1/shop/items/{id}/file", permission = "shop:read", answers = "The file itself",
    refuses(not_found = "No file that the caller has")
)]
pub(crate) async fn get_shop_file(
    by: Caller,
    Path(id): Path<ItemId>,
    headers: HeaderMap,
) -> Result<Download> {
    let item = inventory::downloadable(&by, &id, keeps(&by)).await?;
    let file = item.file.ok_or_else(|| Error::not_found("file"))?;
    let about = About {
        blob: &blob_name(&id, &file.id),
        file: Some(&file.name),
        content_type: &file.content_type,
        size: file.size,
        sha256: &file.sha256,
    };
    Download::of(about, &headers).await
}
