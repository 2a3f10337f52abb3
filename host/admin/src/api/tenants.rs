//! `/tenants`

use super::answers::{Body, By, Failure, Fields, Page, Paging, archive};
use crate::{Admin, DeletedTenant, Error};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use futures::StreamExt as _;
use http::{StatusCode, header};
use sbd_registry::{NewTenant, Tenant, TenantName, TenantState};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use utoipa::{IntoParams, ToSchema};

/// A tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantBody {
    name: String,
    title: String,
    /// The host names that lead to it.
    hosts: Vec<String>,
    /// `active`, `suspended` or `deleting`.
    #[schema(value_type = String)]
    state: TenantState,
    created_at: String,
}

/// A new tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenantBody {
    /// 1 to 63 of a-z, 0-9 and -; for good.
    name: String,
    /// What people call it.
    #[serde(default)]
    title: Option<String>,
    /// The host names that lead to it, without port.
    #[serde(default)]
    hosts: Vec<String>,
}

/// What changes of a tenant; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    hosts: Option<Vec<String>>,
}

/// How to import.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    /// Whether the host names lead to it that led to the one that was exported; `true` when left out.
    hosts: Option<bool>,
}

impl From<&Tenant> for TenantBody {
    fn from(tenant: &Tenant) -> Self {
        Self {
            name: tenant.name.to_string(),
            title: tenant.title.clone(),
            hosts: tenant.hosts.clone(),
            state: tenant.state,
            created_at: tenant.created_at.clone(),
        }
    }
}

/// Lists the tenants in the order of their names.
#[utoipa::path(get, path = "/tenants", params(Paging), responses((status = 200, body = Page<TenantBody>)))]
pub(crate) async fn list(
    State(admin): State<Admin>,
    Fields(paging): Fields<Paging>,
) -> Result<Json<Page<TenantBody>>, Failure> {
    let (page, per_page) = paging.checked()?;
    let skip = (page as usize - 1) * per_page as usize;
    let (tenants, total) = admin.tenants(skip, per_page as usize);
    Ok(Json(Page {
        items: tenants.iter().map(|tenant| (&**tenant).into()).collect(),
        page,
        per_page,
        total,
    }))
}

/// Makes a tenant.
#[utoipa::path(post, path = "/tenants", request_body = NewTenantBody, responses((status = 201, body = TenantBody)))]
pub(crate) async fn create(
    State(admin): State<Admin>,
    By(actor): By,
    Body(new): Body<NewTenantBody>,
) -> Result<impl IntoResponse, Failure> {
    let NewTenantBody { name, title, hosts } = new;
    let new = NewTenant { name, title, hosts };
    let tenant = admin.create_tenant(&actor, new).await?;
    let location = format!("{}/tenants/{}", super::ROOT, tenant.name);
    let body = Json(TenantBody::from(&*tenant));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body))
}

/// Reads a tenant.
#[utoipa::path(get, path = "/tenants/{name}", responses((status = 200, body = TenantBody)))]
pub(crate) async fn show(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Json<TenantBody>, Failure> {
    Ok(Json((&*admin.tenant(&name)?).into()))
}

/// Changes title or host names.
#[utoipa::path(patch, path = "/tenants/{name}", request_body = Change, responses((status = 200, body = TenantBody)))]
pub(crate) async fn change(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
    Body(change): Body<Change>,
) -> Result<Json<TenantBody>, Failure> {
    let changed = admin.describe_tenant(&actor, &name, change.title, change.hosts);
    Ok(Json((&*changed.await?).into()))
}

/// Serves a tenant no more, until it is resumed. Nothing of it is lost.
#[utoipa::path(post, path = "/tenants/{name}/suspend", responses((status = 200, body = TenantBody)))]
pub(crate) async fn suspend(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<Json<TenantBody>, Failure> {
    let tenant = admin.set_tenant_active(&actor, &name, false).await?;
    Ok(Json((&*tenant).into()))
}

/// Serves a suspended tenant again.
#[utoipa::path(post, path = "/tenants/{name}/resume", responses((status = 200, body = TenantBody)))]
pub(crate) async fn resume(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<Json<TenantBody>, Failure> {
    let tenant = admin.set_tenant_active(&actor, &name, true).await?;
    Ok(Json((&*tenant).into()))
}

/// Signs and encrypts with new keys from now on. Tokens that were signed before are good until they run out, and what was
/// encrypted opens as before.
#[utoipa::path(post, path = "/tenants/{name}/keys/rotate", responses((status = 200, body = TenantBody)))]
pub(crate) async fn rotate_keys(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<Json<TenantBody>, Failure> {
    let tenant = admin.rotate_keys(&actor, &name).await?;
    Ok(Json((&*tenant).into()))
}

/// All that a tenant has stored, as of one moment: a tar archive of JSON files and SQLite databases.
#[utoipa::path(get, path = "/tenants/{name}/export", responses((status = 200, content_type = "application/x-tar", body = Vec<u8>)))]
pub(crate) async fn export(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    archive(admin.export_tenant(&actor, &name).await?)
}

/// Makes a tenant of this name of an archive that an export has answered. All of it, or nothing.
#[utoipa::path(
    post,
    path = "/tenants/{name}/import",
    params(Import),
    request_body(content = Vec<u8>, content_type = "application/x-tar"),
    responses((status = 201, body = TenantBody))
)]
pub(crate) async fn import(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
    Fields(import): Fields<Import>,
    archive: axum::body::Body,
) -> Result<impl IntoResponse, Failure> {
    let name: TenantName = name.parse().map_err(Error::from)?;
    let cannot = |error: std::io::Error| Error::unavailable(format!("cannot import: {error}"));
    // Written down first: it is read twice, and a caller who is slow holds nothing up.
    let file = tempfile::tempfile_in(admin.temporary()).map_err(cannot)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut archive = archive.into_data_stream();
    while let Some(data) = archive.next().await {
        let data = data.map_err(|_| Error::invalid("the archive broke off"))?;
        file.write_all(&data).await.map_err(cannot)?;
    }
    file.flush().await.map_err(cannot)?;
    let file = file.into_std().await;
    let hosts = import.hosts.unwrap_or(true);
    let tenant = admin.import_tenant(&actor, &name, file, hosts).await?;
    let location = format!("{}/tenants/{}", super::ROOT, tenant.name);
    let body = Json(TenantBody::from(&*tenant));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body))
}

/// Deletes a tenant and all that is its, for good.
#[utoipa::path(delete, path = "/tenants/{name}", responses((status = 200, body = DeletedTenant)))]
pub(crate) async fn delete(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<Json<DeletedTenant>, Failure> {
    Ok(Json(admin.delete_tenant(&actor, &name).await?))
}
