//! What the database promises, on real files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_storage::rusqlite::Connection;
use sbd_storage::{Database, Deadline, Error, Options};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::{Duration, Instant};

fn open(folder: &tempfile::TempDir, options: &Options) -> Database {
    Database::open(&folder.path().join("tenants/default.db"), options).unwrap()
}

async fn table(database: &Database) {
    database
        .write(|c| {
            c.execute_batch("CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v BLOB)")
                .map_err(Error::from)
        })
        .await
        .unwrap();
}

async fn insert(database: &Database, key: String, bytes: i64) -> Result<(), Error> {
    database
        .write(move |c| {
            c.prepare_cached("INSERT INTO t VALUES (?1, zeroblob(?2))")?
                .execute((key, bytes))?;
            Ok(())
        })
        .await
}

async fn count(database: &Database) -> i64 {
    database
        .read(|c| Ok::<_, Error>(c.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?))
        .await
        .unwrap()
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    std::fs::create_dir(&path).unwrap();
    let error = Database::open(&path, &Options::default()).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("a.db: "), "{said}");
    assert!(said.contains("move away what is in its place"), "{said}");
    let below = path.join("b.db/c.db");
    std::fs::write(path.join("b.db"), "").unwrap();
    let error = Database::open(&below, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("b.db: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_share_commits_and_everything_answered_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder, &Options::default());
    table(&database).await;
    let before = database.commits();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..640 {
        let database = database.clone();
        tasks.spawn(async move { insert(&database, format!("k{n}"), 10).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let commits = database.commits() - before;
    assert!(commits < 320, "{commits} commits for 640 writes");
    drop(database);
    assert_eq!(count(&open(&folder, &Options::default())).await, 640);
}

#[tokio::test]
async fn a_failing_or_panicking_job_is_rolled_back_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder, &Options::default());
    table(&database).await;
    let failing = database.write(|c| {
        c.execute("INSERT INTO t VALUES ('lost', NULL)", [])?;
        c.execute("INSERT INTO t VALUES ('lost', NULL)", [])?;
        Ok::<_, Error>(())
    });
    let panicking = database.write(|c| {
        c.execute("INSERT INTO t VALUES ('gone', NULL)", [])?;
        if c.last_insert_rowid() >= 0 {
            panic!("on purpose");
        }
        Ok::<_, Error>(())
    });
    let (failed, panicked, kept) =
        tokio::join!(failing, panicking, insert(&database, "kept".to_owned(), 1));
    assert!(matches!(failed, Err(Error::Constraint(_))), "{failed:?}");
    assert!(matches!(panicked, Err(Error::Panicked)), "{panicked:?}");
    kept.unwrap();
    assert_eq!(count(&database).await, 1);
}

#[tokio::test]
async fn a_full_database_says_so_loses_nothing_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(
        &folder,
        &Options {
            max_bytes: Some(1 << 20),
            ..Options::default()
        },
    );
    table(&database).await;
    let mut answered = 0;
    loop {
        match insert(&database, format!("k{answered}"), 50_000).await {
            Ok(()) => answered += 1,
            Err(Error::Full) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(answered > 10, "{answered}");
    assert_eq!(count(&database).await, answered);
    database
        .write(|c| {
            c.execute("DELETE FROM t WHERE k < 'k2'", [])
                .map_err(Error::from)
        })
        .await
        .unwrap();
    insert(&database, "again".to_owned(), 50_000).await.unwrap();
}

#[tokio::test]
async fn readers_cannot_write_and_see_committed_writes() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder, &Options::default());
    table(&database).await;
    insert(&database, "a".to_owned(), 1).await.unwrap();
    assert_eq!(count(&database).await, 1);
    let refused = database
        .read(|c| Ok::<_, Error>(c.execute("DELETE FROM t", [])?))
        .await;
    assert!(refused.is_err());
    assert_eq!(count(&database).await, 1);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder, &Options::default());
    assert_eq!(
        std::fs::metadata(database.path())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

/// Counts to a number; without one, for ever.
fn count_to(connection: &Connection, to: Option<i64>) -> Result<i64, Error> {
    let end = to.map_or(String::new(), |to| format!("WHERE i < {to}"));
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n {end}) SELECT count(*) FROM n"
    );
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

#[tokio::test]
async fn what_never_ends_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder, &Options::default());
    let for_ever = |connection: &Connection| {
        let deadline = Instant::now() + Duration::from_millis(20);
        let guard = Deadline::until(deadline);
        let endless = count_to(connection, None);
        assert!(Instant::now() >= deadline);
        drop(guard);
        // Who does not hold a deadline any more is left alone.
        assert_eq!(count_to(connection, Some(100_000)).unwrap(), 100_000);
        endless
    };
    let read = database.read(for_ever).await;
    assert!(matches!(read, Err(Error::Interrupted)), "{read:?}");
    let short = database.read_short(for_ever).await;
    assert!(matches!(short, Err(Error::Interrupted)), "{short:?}");
    let write = database.write(for_ever).await;
    assert!(matches!(write, Err(Error::Interrupted)), "{write:?}");
}

#[tokio::test]
async fn short_reads_see_what_was_written_and_survive_panics() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder, &Options::default());
    let create = |connection: &Connection| {
        connection.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)")?;
        Ok::<_, Error>(())
    };
    database.write(create).await.unwrap();
    let thread = std::thread::current().id();
    let look = move |connection: &Connection| {
        let n: i64 = connection.query_row("SELECT n FROM t", [], |row| row.get(0))?;
        Ok::<_, Error>((n, std::thread::current().id() == thread))
    };
    // The first one opens the connection, elsewhere.
    assert_eq!(database.read_short(look).await.unwrap(), (1, false));
    assert_eq!(database.read_short(look).await.unwrap(), (1, true));
    let panic = |_: &Connection| -> Result<(), Error> { panic!("on purpose") };
    assert!(matches!(
        database.read_short(panic).await,
        Err(Error::Panicked)
    ));
    assert_eq!(database.read_short(look).await.unwrap().0, 1);
}

/// Waits for something that should be so soon.
async fn soon(what: &str, is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < give_up, "not so after 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Keeps the writer busy until the sender is used or dropped.
async fn occupy(database: &Database) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let database = database.clone();
    tokio::spawn(async move {
        let job = move |_: &Connection| {
            begin.send(()).unwrap();
            let _ = released.recv();
            Ok::<_, Error>(())
        };
        database.write(job).await.unwrap();
    });
    begun.await.unwrap();
    release
}

#[tokio::test(flavor = "multi_thread")]
async fn work_waits_for_room_and_goes_with_its_caller_or_else_comes_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder, &Options::default());
    table(&database).await;
    let release = occupy(&database).await;

    let caller = |key: &'static str, bytes: usize| {
        let (begun, held) = (Arc::new(AtomicBool::new(false)), Arc::new(()));
        let (begin, hold, database) = (Arc::clone(&begun), Arc::clone(&held), database.clone());
        let caller = tokio::spawn(async move {
            let this = database.clone();
            let work = async move {
                let _hold = hold;
                begin.store(true, Ordering::Relaxed);
                insert(&this, key.to_owned(), 1).await
            };
            database.to_the_end(bytes, work).await
        });
        (caller, begun, held)
    };
    let has_begun = |begun: &AtomicBool| begun.load(Ordering::Relaxed);

    // As much as there is, and more; what has begun does not need its caller any more.
    let (first, begun, held) = caller("first", usize::MAX);
    soon("the first begins", || has_begun(&begun)).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(Arc::strong_count(&held), 2);

    let (second, second_begun, second_held) = caller("second", 20 << 20);
    let (third, third_begun, _) = caller("third", 20 << 20);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!has_begun(&second_begun) && !has_begun(&third_begun));

    // Though the writer is still busy.
    second.abort();
    soon("what the second held is freed", || {
        Arc::strong_count(&second_held) == 1
    })
    .await;
    assert!(!has_begun(&second_begun));

    drop(release);
    third.await.unwrap().unwrap();
    soon("the first has ended", || Arc::strong_count(&held) == 1).await;
    assert_eq!(count(&database).await, 2);
    let large = |c: &Connection| Ok(c.execute("DELETE FROM t WHERE k = 'first'", [])?);
    assert_eq!(
        database
            .write_sized::<_, Error>(1 << 20, large)
            .await
            .unwrap(),
        1
    );
}

/// Reads from the database as it is now until told to end.
fn hold_a_view(connection: &Connection, end: impl FnOnce()) -> Result<(), Error> {
    let mut statement = connection.prepare_cached("SELECT length(v) FROM t")?;
    let mut rows = statement.query([])?;
    rows.next()?.unwrap();
    end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_shrinks_once_a_long_reader_ends_though_others_always_read() {
    const LARGE: u64 = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder, &Options::default());
    table(&database).await;
    insert(&database, "a".to_owned(), 1).await.unwrap();
    let log = folder.path().join("tenants/default.db-wal");
    let length = || std::fs::metadata(&log).unwrap().len();

    let (end, ended) = mpsc::channel::<()>();
    let (hold, holds) = tokio::sync::oneshot::channel();
    let reading = database.clone();
    let long = tokio::spawn(async move {
        let wait = move || {
            hold.send(()).unwrap();
            let _ = ended.recv();
        };
        reading.read(move |c| hold_a_view(c, wait)).await
    });
    holds.await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    // They end at different times, so one of them always reads.
    let others = [37, 41, 43].map(|milliseconds| {
        let (database, stop) = (database.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let wait = move || std::thread::sleep(Duration::from_millis(milliseconds));
                database.read(move |c| hold_a_view(c, wait)).await.unwrap();
            }
        })
    });
    let writing = database.clone();
    let rewrites = tokio::spawn(async move {
        for _ in 0..24 {
            let rewrite = |c: &Connection| {
                let update = "UPDATE t SET v = randomblob(4 << 20)";
                Ok::<_, Error>(c.execute(update, [])?)
            };
            writing.write(rewrite).await.unwrap();
        }
    });

    soon("the log is large", || length() > LARGE).await;
    drop(end);
    long.await.unwrap().unwrap();
    rewrites.await.unwrap();
    soon("the log is short again", || length() < LARGE).await;
    stop.store(true, Ordering::Relaxed);
    for other in others {
        other.await.unwrap();
    }
    assert_eq!(count(&database).await, 1);
}

/// Whoever selects among several things leaves a read unpolled while it sees to another one, which may need
/// to read as well.
#[tokio::test]
async fn a_read_that_nobody_polls_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        readers: 1,
        ..Options::default()
    };
    let database = open(&folder, &options);
    table(&database).await;
    insert(&database, "a".to_owned(), 1).await.unwrap();
    let (end, ended) = mpsc::channel::<()>();
    let (hold, holds) = tokio::sync::oneshot::channel();
    let wait = move || {
        hold.send(()).unwrap();
        let _ = ended.recv();
    };
    let reading = database.clone();
    let first = tokio::spawn(async move { reading.read(move |c| hold_a_view(c, wait)).await });
    holds.await.unwrap();
    let mut left = std::pin::pin!(count(&database));
    let begun = std::future::poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx))).await;
    assert!(begun.is_pending());
    let mut other = std::pin::pin!(count(&database));
    let begun = std::future::poll_fn(|cx| Poll::Ready(other.as_mut().poll(cx))).await;
    assert!(begun.is_pending());
    drop(end);
    first.await.unwrap().unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), other).await;
    assert_eq!(answer, Ok(1));
    assert_eq!(left.await, 1);
}
