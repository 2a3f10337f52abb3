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

/// What a test needs of the file beside the backend: how much a component keeps there.
mod quotas {
    use super::suite::{SUBSCRIBER, at, parked, progress, waiting};
    use sbd_events::{Backend as _, Settled, SqliteBackend};
    use sbd_storage::quota::{self, Quota};
    use sbd_storage::{Database, Options};

    #[tokio::test]
    async fn what_is_held_counts_for_its_publisher_and_is_never_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenant.db");
        let database = Database::open(&path, &Options::default()).unwrap();
        let backend = SqliteBackend::open(database.clone()).await.unwrap();
        let little = Quota {
            documents: 0,
            bytes: 1,
        };
        let allow = move |connection: &_| quota::allow(connection, "family", little);
        database.write(allow).await.unwrap();
        let kept = async || {
            let stored = |connection: &_| quota::stored_by(connection, "family");
            database.read(stored).await.unwrap().bytes
        };
        backend.begin(SUBSCRIBER, 0).await.unwrap();
        let held = vec![waiting(1, "a", 1), waiting(2, "a", 2), parked(3, "b", 3)];
        let record = |held, settled| backend.record(SUBSCRIBER, progress(4, held, settled));
        record(held.clone(), vec![]).await.unwrap();
        // One that is held already counts once.
        record(held, vec![]).await.unwrap();
        let one = kept().await / 3;
        assert_eq!(one, u64::try_from(r#"{"place":1}"#.len()).unwrap());
        record(vec![], vec![Settled::Done { place: 1 }])
            .await
            .unwrap();
        assert_eq!(kept().await, 2 * one);
        let letter = backend.dead_letters(None, 0, 10).await.unwrap().remove(0);
        assert!(backend.drop_letter(letter.number).await.unwrap());
        assert_eq!(kept().await, one);
        let parked = Settled::Parked {
            place: 2,
            attempts: 12,
            since: at(9),
            reason: "500".to_owned(),
        };
        record(vec![], vec![parked]).await.unwrap();
        assert_eq!(backend.forget(at(10)).await.unwrap(), 1);
        assert_eq!(kept().await, 0);
    }
}
