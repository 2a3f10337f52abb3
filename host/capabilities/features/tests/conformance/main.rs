//! Every store of switches passes the same suite; a further one has only to be named here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod suite;

use sbd_features::SqliteSwitches;
use sbd_storage::{Database, Options};

/// An empty store that opens again what it kept, and what must live as long as it.
struct Sqlite(tempfile::TempDir);

impl Sqlite {
    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> SqliteSwitches {
        let path = self.0.path().join("host.db");
        let database = Database::open(&path, &Options::default()).unwrap();
        SqliteSwitches::open(database).await.unwrap()
    }
}

conformance!(Sqlite);
