//! The harness of the end-to-end tests: the real `sbd` binary on free ports and a temporary data
//! directory, and a client that speaks to it.
//!
//! `cargo xtask test` builds the binary and the guests first; a test that finds them missing says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod account;
mod answers;
mod application;
mod browser;
mod launch;
mod peer;
mod raw;
mod server;
mod siege;
mod stream;
mod versioned;
mod warm;

pub use account::{Account, PASSWORD};
pub use answers::{assert_error, assert_standard, json};
pub use application::{Application, built, guest};
pub use browser::Browser;
pub use launch::{Launch, Output, run};
pub use peer::peer;
pub use raw::Reply;
pub use server::Server;
pub use siege::Siege;
pub use stream::{Events, Socket};
pub use versioned::Versioned;
