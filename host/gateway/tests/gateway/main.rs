//! The gateway over real sockets, with components that are not wasm.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod auth;
mod bad_input;
mod cookies;
mod early_answers;
mod edge;
mod fake;
mod host_routes;
mod lifecycle;
mod limits;
mod metrics;
mod openapi;
mod pages;
mod sender;
mod server;
mod streams;
mod upgrades;
