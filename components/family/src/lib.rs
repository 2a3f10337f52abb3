//! Families and their members.
//!
//! Whoever creates a family is its administrator. Only members can see it; only administrators
//! can change or delete it.

mod api;
mod changes;
mod creation;
mod listing;
mod model;
mod store;

use utoipa_axum::{router::OpenApiRouter, routes};

/// Every address of the component.
pub fn router() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(api::families::create, api::families::list))
        .routes(routes!(api::families::read, api::families::replace, api::families::delete))
        .routes(routes!(api::members::list))
}

sbd_sdk::component!(router);
