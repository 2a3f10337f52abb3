//! Every backend passes the same suite; a further one has only to be named here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod suite;

use sbd_events::SqliteBackend;
use sbd_storage::{Database, Options};

/// An empty backend, and what must live as long as it.
async fn sqlite() -> (SqliteBackend, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("tenant.db"), &Options::default()).unwrap();
    (SqliteBackend::open(database).await.unwrap(), folder)
}

conformance!(sqlite);
