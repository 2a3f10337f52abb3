//! Every backend passes the same suite; a further one has only to be named here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod suite;

use sbd_storage::{Database, Options};
use sbd_tasks::SqliteBackend;
use std::sync::Arc;

/// Two hosts that share an empty store, and what must live as long as they.
async fn sqlite() -> (Arc<SqliteBackend>, Arc<SqliteBackend>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let open = || Database::open(&folder.path().join("tenant.db"), &Options::default()).unwrap();
    let one = SqliteBackend::open(open()).await.unwrap();
    let other = SqliteBackend::open(open()).await.unwrap();
    (Arc::new(one), Arc::new(other), folder)
}

conformance!(sqlite);
