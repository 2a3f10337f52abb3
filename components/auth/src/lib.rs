//! Accounts, sessions and tokens.
//!
//! A user signs in with a password and gets two tokens: an access token, a signed JWT that lives 15
//! minutes and goes with every request, and a refresh token, an opaque secret that buys the next
//! pair once. Both belong to a session; when that ends, both are worthless.

mod administrators;
mod api;
mod login;
mod model;
mod registration;
mod sessions;
mod store;
mod tokens;

use axum::routing::post;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Every address of the component. What begins with `/-/` is for the host and not described.
pub fn router() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(api::accounts::register))
        .routes(routes!(api::accounts::me))
        .routes(routes!(api::tokens::login))
        .routes(routes!(api::tokens::refresh))
        .routes(routes!(api::tokens::jwks))
        .routes(routes!(api::sessions::logout))
        .routes(routes!(api::sessions::logout_all))
        .routes(routes!(api::sessions::list))
        .routes(routes!(api::sessions::end))
        .route("/-/authenticate", post(api::host::authenticate))
        .route("/-/administrators", post(api::host::administrators))
}

sbd_sdk::component!(router);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::HashSet;

    #[test]
    fn every_operation_has_its_own_name_a_tag_and_responses() {
        let api = serde_json::to_value(super::router().get_openapi()).unwrap();
        let paths = api["paths"].as_object().unwrap();
        let operations: Vec<_> = paths
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
            .collect();
        let names: HashSet<_> = operations
            .iter()
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), operations.len());
        for operation in operations {
            assert!(
                operation["tags"]
                    .as_array()
                    .is_some_and(|tags| !tags.is_empty()),
                "{operation}"
            );
            assert!(
                operation["summary"]
                    .as_str()
                    .is_some_and(|text| !text.contains('\n')),
                "{operation}"
            );
            assert!(
                operation["responses"]
                    .as_object()
                    .is_some_and(|responses| !responses.is_empty()),
                "{operation}"
            );
        }
        assert!(
            paths.keys().all(|path| !path.starts_with("/-/")),
            "internal addresses are not described"
        );
    }
}
