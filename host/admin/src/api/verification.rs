//! `/tenants/{name}/components/{component}/verification`

use super::answers::Failure;
use crate::Admin;
use crate::verification::Verdict;
use axum::Json;
use axum::extract::{Path, State};

/// Has a component that keeps books look at all that it has stored for a tenant.
#[utoipa::path(get, path = "/tenants/{name}/components/{component}/verification", responses((status = 200, body = Verdict)))]
pub(crate) async fn verify(
    State(admin): State<Admin>,
    Path((name, component)): Path<(String, String)>,
) -> Result<Json<Verdict>, Failure> {
    Ok(Json(admin.verify(&name, &component).await?))
}
