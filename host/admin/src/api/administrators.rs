//! `/tenants/{name}/administrators`

use super::answers::{Body, By, Failure};
use crate::{Admin, NewAdministrator};
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

/// What became of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Made {
    /// In words.
    message: String,
}

/// Makes an administrator, or gives an existing account the role.
#[utoipa::path(post, path = "/tenants/{name}/administrators", request_body = NewAdministrator, responses((status = 200, body = Made)))]
pub(crate) async fn create(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
    Body(new): Body<NewAdministrator>,
) -> Result<Json<Made>, Failure> {
    let message = admin.create_administrator(&actor, &name, &new).await?;
    Ok(Json(Made { message }))
}
