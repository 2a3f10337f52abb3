//! What is sold for tokens, who buys it, and what everybody owns.
//!
//! Administrators keep what is offered; whoever is signed in buys it. An order is a saga (`saga`): stock is
//! reserved in its own commit, tokens are held, each line is granted, and only then are the tokens paid.
//! What stops on the way is gone on with by a schedule, or undone.

mod api;
mod catalogue;
mod commit;
mod events;
mod grants;
mod holding;
mod item;
mod kinds;
mod model;
mod rentals;
mod saga;
mod stock;
mod store;

use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
}

sbd_sdk::component!(component);
