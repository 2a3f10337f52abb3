//! Families and their members.
//!
//! Whoever creates a family is its administrator. Only members can see it; only administrators
//! can change or delete it.
//!
//! What happens to a family is told in the commit of the change: `events`.

mod api;
mod changes;
mod creation;
mod events;
mod listing;
mod model;
mod notices;
mod store;

use api::{channels, families, members};
use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
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
        .channels([channels::may_listen()])
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    use sbd_sdk::testing::{App, Client, Reply, assert_constraints, assert_described};
    use serde_json::json;

    /// The component with its own manifest, beside the wallet itself.
    pub(crate) fn app() -> App {
        let wallet = App::new(wallet::component()).manifest(include_str!("../../wallet/spin.toml"));
        let app = App::new(super::component()).manifest(include_str!("../spin.toml"));
        app.with_neighbour("wallet", wallet)
    }

    /// A family of somebody's.
    pub(crate) fn family(of: &Client<'_>, name: &str) -> Reply {
        of.post("/api/v1/families", json!({"name": name}))
            .assert_status(201)
    }

    #[test]
    fn every_operation_is_described() {
        assert_described(super::component());
    }

    #[test]
    fn every_constraint_is_kept() {
        assert_constraints(&app().signed_in("usr_1"));
    }
}
