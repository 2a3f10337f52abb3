//! Computes without end before it answers anything: as its instance starts.
//!
//! Stopped by `cpu_time`.

use axum::Router;

/// Constructors run when the instance is made.
#[cfg(target_family = "wasm")]
#[used]
#[unsafe(link_section = ".init_array")]
#[expect(unsafe_code, reason = "the only way to run code at instantiation")]
static START: extern "C" fn() = {
    extern "C" fn start() {
        let mut n = 0_u64;
        while std::hint::black_box(n) != u64::MAX {
            n = n.wrapping_add(1);
        }
    }
    start
};

/// Every address of the component.
pub fn router() -> Router {
    use axum::routing::get;
    Router::new().route("/endless-start/ok", get(async || "ok"))
}

sbd_sdk::component!(router);
