//! Fails at every request, by a panic or by a trap.
//!
//! Stopped by `failures`.

use axum::Router;

#[expect(clippy::panic, reason = "what the host does about it is tested")]
async fn panics() -> &'static str {
    panic!("on purpose");
}

async fn traps() -> &'static str {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort();
}

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new()
        .route("/trap-storm/ok", get(async || "ok"))
        .route("/trap-storm/panic", get(panics))
        .route("/trap-storm/trap", get(traps))
}

sbd_sdk::component!(router);
