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

use api::{families, members};
use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new().operations(
        "families",
        [
            families::create_family(),
            families::list_families(),
            families::get_family(),
            families::replace_family(),
            families::delete_family(),
            members::list_family_members(),
        ],
    )
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_is_described() {
        sbd_sdk::testing::assert_described(super::component());
    }
}
