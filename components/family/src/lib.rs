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
        .routes(routes!(
            api::families::read,
            api::families::replace,
            api::families::delete
        ))
        .routes(routes!(api::members::list))
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
