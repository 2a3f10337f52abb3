//! Every backend passes the same suite; a further one has only to be named here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod suite;

use sbd_cache::MemoryBackend;

async fn memory() -> MemoryBackend {
    MemoryBackend::default()
}

conformance!(memory);
