//! Every backend passes the same suite; a further one has only to be named here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod suite;
mod model;

use sbd_storage::{Database, Options};
use sbd_tasks::SqliteBackend;

/// An empty backend, and what must live as long as it.
async fn sqlite() -> (SqliteBackend, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("tenant.db"), &Options::default()).unwrap();
    (SqliteBackend::open(database).await.unwrap(), folder)
}

conformance!(sqlite);

/// One process has a file: what it lent is given back when the next one opens it.
#[tokio::test]
async fn what_a_dead_process_had_is_given_back_at_once() {
    use sbd_tasks::{Backend as _, State};
    let folder = tempfile::tempdir().unwrap();
    let open = async || {
        let path = folder.path().join("tenant.db");
        let database = Database::open(&path, &Options::default()).unwrap();
        SqliteBackend::open(database).await.unwrap()
    };
    let backend = open().await;
    let tries = |retries| sbd_tasks::NewTask {
        retries,
        ..suite::new("work")
    };
    let tasks = vec![tries(1), tries(0)];
    let ids = backend.enqueue(tasks, suite::at(0)).await.unwrap();
    for _ in &ids {
        suite::claim(&backend, 0).await.unwrap();
    }
    drop(backend);
    let backend = open().await;
    let state = async |id: &String| backend.get(id).await.unwrap().unwrap().state;
    assert_eq!(state(&ids[0]).await, State::Waiting);
    assert_eq!(state(&ids[1]).await, State::Failed);
    // Given back now, by the clock of the machine.
    let now = jiff::Timestamp::now();
    let again = backend.claim("default", &[], now, now).await.unwrap();
    assert_eq!(again.unwrap().task.attempts, 2);
}
