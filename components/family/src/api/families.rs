//! `/api/v1/families`.

use crate::listing::FamilySort;
use crate::model::{Draft, Family, Membership, Role};
use crate::{changes, creation, listing, store};
use axum::response::Response;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::{Order, Page, Paging};
use sbd_sdk::time::Time;
use sbd_sdk::{Answer, Caller, ErrorBody, Idempotency, Json, Path, Query, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What a family is to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FamilyInput {
    /// 1 to 100 characters; spaces around it are dropped.
    #[schema(min_length = 1, max_length = 100, example = "The Lovelaces")]
    name: String,
    /// At most 500 characters.
    #[serde(default)]
    #[schema(max_length = 500)]
    description: Option<String>,
}

/// A family, as a member sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Family)]
pub(crate) struct FamilyView {
    /// The family's id.
    #[schema(example = "fam_019a2f3c8b7e7c2d9f00112233445566")]
    id: String,
    /// Its name.
    name: String,
    /// What it is about.
    description: Option<String>,
    /// How many members it has.
    member_count: u64,
    /// What the caller is in it.
    role: Role,
    /// When it was created.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
    /// Goes up by one with every change; also the `ETag`.
    version: u64,
}

/// Which families to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FamilyQuery {
    /// The page, from 1.
    #[param(minimum = 1, default = 1)]
    page: Option<u32>,
    /// Families on a page, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    per_page: Option<u32>,
    /// What to sort by.
    #[serde(default)]
    #[param(inline, required = false)]
    sort: FamilySort,
    /// Up or down.
    #[serde(default)]
    #[param(inline, required = false)]
    order: Order,
    /// Only families whose name begins with this, ignoring case.
    #[param(max_length = 100)]
    name: Option<String>,
}

/// Creates a family; the caller becomes its administrator.
#[utoipa::path(
    post, path = "/api/v1/families", operation_id = "createFamily", tag = "families",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. The same key with the same request within 24 hours gives the first answer again, with `idempotency-replayed: true`.")),
    request_body = FamilyInput,
    responses(
        (status = 201, description = "Created", body = FamilyView, headers(
            ("Location" = String, description = "The family's address"),
            ("ETag" = String, description = "Its version"))),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 409, description = "The caller has as many families as one user may", body = ErrorBody),
        (status = 422, description = "A field is wrong, or the key was used for another request", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn create(
    caller: Caller,
    key: Idempotency,
    Json(input): Json<FamilyInput>,
) -> Result<Response> {
    let draft = input.check()?;
    creation::create(&caller, draft, &key, |family, membership| {
        let location = format!("/api/v1/families/{}", family.id);
        Ok(Answer::created(&location, &FamilyView::new(family, membership))?.etag(family.version))
    })
    .await
}

/// Lists the families the caller belongs to.
#[utoipa::path(
    get, path = "/api/v1/families", operation_id = "listFamilies", tag = "families",
    params(FamilyQuery),
    responses(
        (status = 200, description = "A page of families", body = Page<FamilyView>),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 422, description = "A query field is wrong", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn list(
    caller: Caller,
    Query(query): Query<FamilyQuery>,
) -> Result<Json<Page<FamilyView>>> {
    let paging = Paging::new(query.page, query.per_page)?;
    let page = listing::families(
        &caller,
        paging,
        (query.sort, query.order),
        query.name.as_deref(),
    )
    .await?;
    let items = page
        .items
        .iter()
        .map(|(family, membership)| FamilyView::new(family, membership))
        .collect();
    Ok(Json(paging.page(items, page.total)))
}

/// Reads a family the caller belongs to.
#[utoipa::path(
    get, path = "/api/v1/families/{id}", operation_id = "getFamily", tag = "families",
    params(
        ("id" = String, Path, description = "The family's id"),
        ("If-None-Match" = Option<String>, Header, description = "Versions the caller has already")),
    responses(
        (status = 200, description = "The family", body = FamilyView, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The caller has this version already"),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 404, description = "No family the caller belongs to", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn read(
    caller: Caller,
    Path(id): Path<String>,
    wanted: Preconditions,
) -> Result<Answer> {
    let (family, membership) = store::family(&id, &caller).await?;
    if wanted.has_current(family.version) {
        return Ok(Answer::not_modified(family.version));
    }
    Ok(Answer::ok(&FamilyView::new(&family, &membership))?.etag(family.version))
}

/// Replaces a family's name and description; for its administrators.
#[utoipa::path(
    put, path = "/api/v1/families/{id}", operation_id = "replaceFamily", tag = "families",
    params(
        ("id" = String, Path, description = "The family's id"),
        ("If-Match" = Option<String>, Header, description = "The version to change; another one is not touched")),
    request_body = FamilyInput,
    responses(
        (status = 200, description = "The family as it is now", body = FamilyView, headers(("ETag" = String, description = "Its version"))),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 403, description = "The caller is no administrator of it", body = ErrorBody),
        (status = 404, description = "No family the caller belongs to", body = ErrorBody),
        (status = 409, description = "It was changed at the same moment", body = ErrorBody),
        (status = 412, description = "It has another version than `If-Match`", body = ErrorBody),
        (status = 422, description = "A field is wrong", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn replace(
    caller: Caller,
    Path(id): Path<String>,
    wanted: Preconditions,
    Json(input): Json<FamilyInput>,
) -> Result<Answer> {
    let (family, membership) = changes::replace(&id, &caller, input.check()?, &wanted).await?;
    Ok(Answer::ok(&FamilyView::new(&family, &membership))?.etag(family.version))
}

/// Deletes a family; for its administrators.
#[utoipa::path(
    delete, path = "/api/v1/families/{id}", operation_id = "deleteFamily", tag = "families",
    params(
        ("id" = String, Path, description = "The family's id"),
        ("If-Match" = Option<String>, Header, description = "The version to delete; another one is not touched")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, description = "Not signed in", body = ErrorBody),
        (status = 403, description = "The caller is no administrator of it", body = ErrorBody),
        (status = 404, description = "No family the caller belongs to", body = ErrorBody),
        (status = 412, description = "It has another version than `If-Match`", body = ErrorBody)),
    security(("bearer" = []))
)]
pub(crate) async fn delete(
    caller: Caller,
    Path(id): Path<String>,
    wanted: Preconditions,
) -> Result<Answer> {
    changes::delete(&id, &caller, &wanted).await?;
    Ok(Answer::no_content())
}

impl FamilyInput {
    fn check(&self) -> Result<Draft> {
        Draft::check(&self.name, self.description.as_deref())
    }
}

impl FamilyView {
    fn new(family: &Family, membership: &Membership) -> Self {
        Self {
            id: family.id.clone(),
            name: family.name.clone(),
            description: family.description.clone(),
            member_count: family.member_count,
            role: membership.role,
            created_at: family.created_at,
            updated_at: family.updated_at,
            version: family.version,
        }
    }
}
