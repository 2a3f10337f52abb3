//! `/tenants/{name}/announcements`

use super::answers::{Body, By, Failure};
use crate::Admin;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

/// What is said to everybody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Announcement {
    /// What it is, like `maintenance.planned`.
    #[serde(rename = "type")]
    kind: String,
    /// What whoever listens learns.
    #[serde(default)]
    data: serde_json::Value,
}

/// Says something to everybody who is connected to a tenant, in the channel `system`.
#[utoipa::path(post, path = "/tenants/{name}/announcements", request_body = Announcement, responses((status = 202)))]
pub(crate) async fn announce(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
    Body(announcement): Body<Announcement>,
) -> Result<StatusCode, Failure> {
    let Announcement { kind, data } = announcement;
    admin.announce(&actor, &name, kind, data).await?;
    Ok(StatusCode::ACCEPTED)
}
