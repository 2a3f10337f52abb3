//! Every backend passes the same suite; a further one has only to be named here.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[macro_use]
mod suite;
mod files;

use sbd_blobs::Files;
use sbd_storage::{Database, Options};

/// An empty backend, and what must live as long as it.
async fn embedded() -> (Files, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("tenant.db"), &Options::default()).unwrap();
    let blobs = folder.path().join("tenant.blobs");
    (Files::open(database, blobs, None).await.unwrap(), folder)
}

conformance!(embedded);
