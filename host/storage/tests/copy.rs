//! Copies of a database in use, and damage that is noticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_storage::rusqlite::Connection;
use sbd_storage::{Database, Error, Options, check, copy, copy_sound};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A database with some hundred pages.
async fn filled(folder: &tempfile::TempDir) -> (Database, PathBuf) {
    let path = folder.path().join("a.db");
    let database = Database::open(&path, &Options::default()).unwrap();
    let fill = "CREATE TABLE a (v BLOB); CREATE TABLE b (v BLOB); CREATE INDEX by_v ON a (v);
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
        INSERT INTO a SELECT randomblob(200) FROM n";
    let filling = database.write(move |c| Ok::<_, Error>(c.execute_batch(fill)?));
    filling.await.unwrap();
    (database, path)
}

fn counts(path: &Path) -> (i64, i64) {
    let connection = Connection::open(path).unwrap();
    let count = "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)";
    let row = connection.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)));
    row.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_beside_writers_is_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (database, path) = filled(&folder).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (database, stop) = (database.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    // A row in each: no moment has more of one.
                    let both = "INSERT INTO a VALUES (randomblob(9000)); INSERT INTO b VALUES (1)";
                    let writing = database.write(move |c| Ok::<_, Error>(c.execute_batch(both)?));
                    writing.await.unwrap();
                    written += 1;
                }
                written
            })
        })
        .collect();
    let mut before = 0;
    for round in 0..6 {
        let to = folder.path().join(format!("copy-{round}.db"));
        let from = path.clone();
        let copied = to.clone();
        let copying = tokio::task::spawn_blocking(move || copy(&from, &copied));
        copying.await.unwrap().unwrap();
        check(&to).unwrap();
        let (a, b) = counts(&to);
        assert_eq!(a, b + 1000);
        assert!(b >= before, "a copy forgot {b} {before}");
        before = b;
        // One file, whole without another.
        assert!(!folder.path().join(format!("copy-{round}.db-wal")).exists());
    }
    stop.store(true, Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    assert!(before > 0, "nothing was written beside a copy");
    drop(database);
    assert_eq!(counts(&path), (1000 + written, written));
    assert!(
        !folder.path().join("a.db-wal").exists(),
        "the log was left behind"
    );
}

#[tokio::test]
async fn a_copy_of_what_nobody_uses_leaves_it_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (database, path) = filled(&folder).await;
    drop(database);
    let before = std::fs::read(&path).unwrap();
    let to = folder.path().join("copy.db");
    copy(&path, &to).unwrap();
    assert_eq!(counts(&to), (1000, 0));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    let missing = folder.path().join("missing.db");
    assert!(copy(&missing, &folder.path().join("x.db")).is_err());
    assert!(!missing.exists());
}

#[tokio::test]
async fn damage_is_told_with_the_file_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let (database, path) = filled(&folder).await;
    drop(database);
    let whole = std::fs::read(&path).unwrap();
    let options = Options {
        check: Some(Duration::from_secs(60)),
        ..Options::default()
    };
    drop(Database::open(&path, &options).unwrap());

    let mut zeroed = whole.clone();
    let middle = whole.len() / 2 / 4096 * 4096;
    zeroed[middle..middle + 4096].fill(0);
    let mut other = whole.clone();
    other[..16].copy_from_slice(b"not a database!!");
    for (what, content) in [
        ("cut", whole[..whole.len() - 4096].to_vec()),
        ("no database", other),
        ("a page is gone", zeroed.clone()),
    ] {
        std::fs::write(&path, content).unwrap();
        let refused = Database::open(&path, &options).expect_err(what);
        assert!(
            matches!(&refused, Error::Damaged { path: at, .. } if *at == path),
            "{what}: {refused:?}"
        );
        let said = refused.to_string();
        for part in ["a.db", "sbd backup verify", "sbd backup restore"] {
            assert!(said.contains(part), "{what}: {said}");
        }
    }
    // What would be copied is looked at too.
    std::fs::write(&path, zeroed).unwrap();
    let refused = copy_sound(&path, &folder.path().join("copy.db")).unwrap_err();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused:?}");
    // Emptied beside its log.
    std::fs::write(&path, "").unwrap();
    std::fs::write(folder.path().join("a.db-wal"), "log").unwrap();
    let refused = Database::open(&path, &Options::default()).unwrap_err();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused:?}");
}
