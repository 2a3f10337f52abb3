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

/// Of the embedded backend alone, which is told of buckets when a tenant is opened.
#[tokio::test]
async fn a_bucket_holds_no_more_than_it_may() {
    use sbd_keyvalue::{Backend as _, Error};
    use sbd_storage::Error::Quota;

    let (backend, _guard) = sqlite().await;
    backend.set("default", "old", vec![0; 50]).await.unwrap();
    backend.allow("default", 100).await.unwrap();
    backend.allow("o'ther", 10).await.unwrap();
    backend.set("default", "new", vec![0; 44]).await.unwrap();
    let refused = backend.set("default", "n", vec![]).await;
    assert!(
        matches!(refused, Err(Error::Storage(Quota("stored_bytes")))),
        "{refused:?}"
    );
    let pairs = vec![("old".to_owned(), vec![]), ("new".to_owned(), vec![0; 95])];
    assert!(backend.set_many("default", pairs).await.is_err());
    let kept = backend.get("default", "old").await.unwrap();
    assert_eq!(
        kept.map(|value| value.len()),
        Some(50),
        "half of a batch was kept"
    );
    backend.set("o'ther", "k", vec![0; 9]).await.unwrap();
    assert!(backend.increment("o'ther", "n", 1).await.is_err());
    backend.delete("default", "old").await.unwrap();
    backend.set("default", "n", vec![0; 50]).await.unwrap();
}

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
