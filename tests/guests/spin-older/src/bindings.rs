//! Spin's interfaces at 2.0.0.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    reason = "generated code"
)]

wit_bindgen::generate!({
    path: "../../../wit/deps/fermyon-spin",
    world: "fermyon:spin/imports",
    generate_all,
});
