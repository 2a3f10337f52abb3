//! The harness of the end-to-end tests: the real `sbd` binary on free ports and a temporary data
//! directory, and a client that speaks to it.
//!
//! `cargo xtask test` builds the binary and the guests first; a test that finds them missing says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod account;
mod guests;
mod server;

pub use account::Account;
pub use guests::{application, guest};
pub use server::{Launch, Output, Server, run};

/// Asserts the standard error body with this status and code, and returns it.
pub async fn assert_error(response: reqwest::Response, status: u16, code: &str) -> serde_json::Value {
    let (got, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"));
    assert_eq!(body["error"]["code"], code, "{text}");
    assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    let request_id = body["error"]["request_id"].as_str().unwrap_or_default();
    assert!(request_id.starts_with("req_"), "{text}");
    assert_eq!(headers["x-request-id"], request_id);
    body
}
