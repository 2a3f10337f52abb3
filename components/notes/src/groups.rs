//! The component `family`, as this one uses it: who is in a family.

use crate::model::FamilyId;
use axum::body::Body;
use axum::extract::Request;
use http::StatusCode;
use membership::roles::Role;
use sbd_sdk::{Error, Result, call, read_json};
use serde::Deserialize;

#[derive(Deserialize)]
struct Seen {
    role: Role,
}

/// What the caller is in a family; none if it is nothing to them.
pub(crate) async fn role(id: &FamilyId) -> Result<Option<Role>> {
    let request = Request::get(format!("/api/v1/families/{id}")).body(Body::empty());
    let answer = call("family", request.map_err(Error::internal)?).await?;
    match answer.status() {
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::FORBIDDEN => Err(Error::lacks_permission("families:read")),
        _ => read_json::<Seen>(answer).await.map(|seen| Some(seen.role)),
    }
}
