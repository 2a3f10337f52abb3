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

/// Of the embedded backend alone: what is kept is counted, whatever became of each change.
#[tokio::test]
async fn what_a_bucket_holds_is_counted() {
    use sbd_keyvalue::Backend as _;

    // Numbers that look arbitrary and are the same each time.
    let arbitrary = |n: usize| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) >> 40;
    let (backend, _guard) = sqlite().await;
    let buckets = ["notes", "Notes"];
    backend.set("notes", "old", vec![0; 40]).await.unwrap();
    for bucket in buckets {
        backend.allow(bucket, 400).await.unwrap();
    }
    let mut refused = 0;
    for round in 0..400 {
        let bucket = buckets[arbitrary(round) % 2];
        let key = |n: usize| format!("k{}", arbitrary(round + n) % 12);
        let value = |n: usize| vec![0; arbitrary(round * 7 + n) % 60];
        let changed = match arbitrary(round * 3) % 6 {
            0 => backend.set(bucket, &key(0), value(0)).await,
            1 => backend.delete(bucket, &key(0)).await,
            2 => backend.increment(bucket, &key(0), 1).await.map(drop),
            3 => {
                let key = key(0);
                let present = backend.get(bucket, &key).await.unwrap();
                let swap = backend.compare_and_set(bucket, &key, present, value(0));
                swap.await.map(drop)
            }
            4 => {
                let pairs = (0..5).map(|n| (key(n), value(n))).collect();
                backend.set_many(bucket, pairs).await
            }
            _ => backend.delete_many(bucket, vec![key(0), key(1)]).await,
        };
        refused += usize::from(changed.is_err());
        if round % 20 != 0 {
            continue;
        }
        for bucket in buckets {
            let mut bytes = 0;
            for key in backend.list_keys(bucket, None).await.unwrap().keys {
                bytes += key.len() + backend.get(bucket, &key).await.unwrap().unwrap().len();
            }
            let stored = backend.stored(bucket).await.unwrap();
            assert_eq!(
                (stored.documents, stored.bytes),
                (0, bytes as u64),
                "{bucket}, round {round}"
            );
        }
    }
    assert!(refused > 0, "nothing was refused");
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
