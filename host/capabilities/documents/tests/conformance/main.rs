//! Every backend passes the same suite; a further one has only to be named here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[macro_use]
mod suite;
mod embedded;

use sbd_documents::SqliteDocuments;
use sbd_storage::{Database, Options};
use tempfile::TempDir;

/// The embedded backend in a folder that lives as long as the test.
async fn sqlite() -> (SqliteDocuments, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("default.db"), &Options::default()).unwrap();
    (SqliteDocuments::new(database), folder)
}

conformance!(sqlite);
