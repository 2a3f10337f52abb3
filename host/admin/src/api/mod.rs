//! The admin API: `/admin/api/v1`, described by OpenAPI at `/admin/api/v1/openapi.json`.
//!
//! Who may come here was settled before: by a token on the admin listener, by the owner's right on the
//! socket in the data directory. So a request carries its [`Actor`].

mod administrators;
mod announcements;
mod answers;
mod audit;
mod backup;
mod components;
mod events;
mod features;
mod mail;
mod models;
mod operators;
mod tasks;
mod tenants;
mod verification;

use crate::{Admin, Error};
use answers::{Failure, with_request_id};
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use sbd_registry::Actor;
use std::sync::Arc;
use tower_service::Service as _;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the API begins.
pub(crate) const ROOT: &str = "/admin/api/v1";

#[derive(OpenApi)]
#[openapi(info(
    title = "Second Brain: administration",
    description = "What an operator does to a host. Every change is accounted for."
))]
struct Description;

/// The API of a host. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    router: Router,
}

// === impl Api ===

impl Api {
    /// The API over this administration.
    pub fn new(admin: Admin) -> Self {
        let api = OpenApiRouter::new()
            .routes(routes!(tenants::list, tenants::create))
            .routes(routes!(tenants::show, tenants::change, tenants::delete))
            .routes(routes!(tenants::suspend))
            .routes(routes!(tenants::resume))
            .routes(routes!(tenants::rotate_keys))
            .routes(routes!(tenants::export))
            .routes(routes!(tenants::import))
            .routes(routes!(announcements::announce))
            .routes(routes!(events::list))
            .routes(routes!(events::show, events::drop))
            .routes(routes!(events::retry))
            .routes(routes!(events::replay))
            .routes(routes!(tasks::list))
            .routes(routes!(tasks::show))
            .routes(routes!(tasks::cancel))
            .routes(routes!(features::list))
            .routes(routes!(features::set, features::reset))
            .routes(routes!(mail::list))
            .routes(routes!(mail::set, mail::remove))
            .routes(routes!(models::list, models::add))
            .routes(routes!(models::remove))
            .routes(routes!(models::pull))
            .routes(routes!(models::set_default))
            .routes(routes!(models::test))
            .routes(routes!(administrators::create))
            .routes(routes!(verification::verify))
            .routes(routes!(operators::list, operators::create))
            .routes(routes!(operators::revoke))
            .routes(routes!(components::list))
            .routes(routes!(components::versions, components::deploy))
            .routes(routes!(components::roll_back))
            .routes(routes!(components::withdraw))
            .routes(routes!(components::reload))
            .routes(routes!(audit::list))
            .routes(routes!(audit::verify))
            .routes(routes!(backup::create))
            // Bodies are bounded where they are read.
            .layer(DefaultBodyLimit::disable())
            .with_state(admin);
        let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
            .nest(ROOT, api)
            .split_for_parts();
        let description = Arc::new(description);
        let describe = move || {
            let description = Arc::clone(&description);
            async move { Json((*description).clone()) }
        };
        let router = router
            .route(&format!("{ROOT}/openapi.json"), get(describe))
            .fallback(async || Failure::not_found())
            .method_not_allowed_fallback(async || Failure::method_not_allowed());
        Self { router }
    }

    /// Answers a request of somebody who may ask.
    pub async fn respond(&self, actor: Actor, mut request: Request) -> Response {
        request.extensions_mut().insert(actor);
        let mut router = self.router.clone();
        // In a task of its own: a client that goes away must not leave half a change, or one that
        // nobody accounts for.
        let answer = tokio::spawn(async move { router.call(request).await });
        let response = match answer.await {
            Ok(Ok(response)) => response,
            Err(error) => Failure(Error::unavailable(format!(
                "the request was cut short: {error}"
            )))
            .into_response(),
        };
        with_request_id(response)
    }
}
