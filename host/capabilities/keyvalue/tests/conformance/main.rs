//! Every backend passes the same suite; a further one has only to be named here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod suite;

use sbd_keyvalue::SqliteBackend;
use sbd_storage::{Database, Options};

/// An empty backend, and what must live as long as it.
async fn sqlite() -> (SqliteBackend, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("tenant.db"), &Options::default()).unwrap();
    (SqliteBackend::open(database).await.unwrap(), folder)
}

conformance!(sqlite);

/// Of the embedded backend alone: what was answered outlives the process.
#[tokio::test]
async fn values_outlive_the_database_handle() {
    use sbd_keyvalue::Backend as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenant.db");
    let open = || async {
        let database = Database::open(&path, &Options::default()).unwrap();
        SqliteBackend::open(database).await.unwrap()
    };
    let backend = open().await;
    backend.set("default", "k", b"kept".to_vec()).await.unwrap();
    drop(backend);
    let value = open().await.get("default", "k").await.unwrap();
    assert_eq!(value.as_deref(), Some(&b"kept"[..]));
}
