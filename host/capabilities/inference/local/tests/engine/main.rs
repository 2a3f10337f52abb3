//! The engine with real weights, which `cargo xtask test` gets: a chat model and an embedding model, the smallest that
//! there are. What needs none stands in the other tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod chat;
mod embed;
mod memory;
#[path = "../../../tests/conformance/suite.rs"]
mod suite;
mod weights;
