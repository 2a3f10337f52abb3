//! What only the embedded backend promises.

use crate::suite::{Things, index, things};
use sbd_documents::{Error, SqliteDocuments};
use sbd_storage::rusqlite::Connection;
use sbd_storage::{Database, Options};
use serde_json::json;
use std::sync::Arc;

async fn open(path: &std::path::Path, options: &Options) -> Arc<SqliteDocuments> {
    Arc::new(
        SqliteDocuments::open(Database::open(path, options).unwrap())
            .await
            .unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_answered_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let by_n = || vec![index("n", &[("n", 1)])];
    {
        let ours = Things::new(open(&path, &Options::default()).await, by_n()).await;
        let writers = (0..64).map(|n| {
            let ours = ours.clone();
            async move { ours.insert(&[json!({"n": n})]).await.unwrap() }
        });
        futures::future::join_all(writers).await;
    }
    let ours = Things::new(open(&path, &Options::default()).await, by_n()).await;
    assert_eq!(ours.count(&json!({})).await, 64);
    assert_eq!(ours.count(&json!({"n": 63})).await, 1);
    assert_eq!(ours.ids(&json!({"n": {"$gte": 32}})).await.len(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_index_is_a_side_table_that_serves_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let ours = Things::new(
        open(&path, &Options::default()).await,
        vec![index("by_n", &[("n", 1)])],
    )
    .await;
    ours.insert(&[json!({"n": [1, 2, 2]}), json!({})])
        .await
        .unwrap();
    let rows = |connection: &Connection| {
        connection.query_row(
            "SELECT count(*) FROM \"idx:family:things:by_n:n\"",
            [],
            |row| row.get::<_, i64>(0),
        )
    };
    let connection = Connection::open(&path).unwrap();
    assert_eq!(rows(&connection).unwrap(), 3, "1, 2, and nothing");
    let explained = "EXPLAIN QUERY PLAN SELECT d.id FROM \"idx:family:things:by_n:n\" AS i CROSS JOIN \"doc:family:things\" AS d ON d.id = i.id WHERE i.k0 = x'00'";
    let mut statement = connection.prepare(explained).unwrap();
    let plan: Vec<String> = statement
        .query_map([], |row| row.get(3))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(
        plan[0].contains("SEARCH i USING PRIMARY KEY (k0=?)")
            && plan[1].contains("SEARCH d USING PRIMARY KEY (id=?)"),
        "{plan:?}"
    );
    drop(statement);
    ours.configure(vec![]).await.unwrap();
    assert!(rows(&connection).is_err());
    assert_eq!(ours.count(&json!({"n": 2})).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: Some(1 << 20),
        ..Options::default()
    };
    let ours = Things::new(
        open(&folder.path().join("t.db"), &options).await,
        vec![index("n", &[("n", 1)])],
    )
    .await;
    let batch = |n: u32| {
        (0..4)
            .map(|part| json!({"n": n, "part": part, "text": "x".repeat(10_000)}))
            .collect::<Vec<_>>()
    };
    let mut written = 0;
    let error = loop {
        match ours.insert(&batch(written)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100, "1 MiB holds no 4 MB");
    };
    assert_eq!(error, Error::Full);
    assert!(written > 5);
    assert_eq!(ours.count(&json!({})).await, u64::from(written) * 4);
    assert_eq!(
        ours.count(&json!({"n": written})).await,
        0,
        "nothing of the refused batch"
    );
    let deleted = ours
        .transact(vec![crate::suite::deletion(
            &json!({"n": {"$lt": 3}}),
            true,
            Some(12),
        )])
        .await;
    deleted.unwrap();
    ours.insert(&batch(1000)).await.unwrap();
    assert_eq!(ours.count(&json!({"n": 1000})).await, 4);
}

#[tokio::test]
async fn a_collection_is_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let documents = open(&path, &Options::default()).await;
    documents
        .configure("family", &[things(vec![])])
        .await
        .unwrap();
    assert_eq!(documents.sweep().await.unwrap(), 0);
    let connection = Connection::open(&path).unwrap();
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let tables: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(tables, ["doc:family:things"]);
}
