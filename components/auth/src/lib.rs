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
use sbd_sdk::{Component, path};

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "auth",
            [
                api::accounts::register(),
                api::accounts::get_me(),
                api::tokens::login(),
                api::tokens::refresh(),
                api::tokens::get_jwks(),
                api::sessions::logout(),
                api::sessions::logout_all(),
                api::sessions::list_sessions(),
                api::sessions::end_session(),
            ],
        )
        .route(path::AUTHENTICATE, post(api::host::authenticate))
        .route(path::ADMINISTRATORS, post(api::host::administrators))
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_is_described() {
        sbd_sdk::testing::assert_described(super::component());
    }
}
