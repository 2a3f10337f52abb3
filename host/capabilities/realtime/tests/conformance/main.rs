//! Every backend passes the same suite; a further one has only to be named here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[macro_use]
mod suite;

use sbd_realtime::{Kept, MemoryBackend};

async fn memory(kept: Kept) -> MemoryBackend {
    MemoryBackend::keeping(kept)
}

conformance!(memory);
