//! Every backend passes the same suite; a further one has only to be named here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod suite;

use sbd_storage::Options;
use sbd_vectors::{Searching, Settings, SqliteVectors};
use std::sync::Arc;
use tempfile::TempDir;

/// A backend, and the folder that it lies in.
struct Embedded {
    backend: SqliteVectors,
    searching: Arc<Searching>,
    folder: TempDir,
}

impl suite::Opened for Embedded {
    type Backend = SqliteVectors;

    fn backend(&self) -> &SqliteVectors {
        &self.backend
    }

    fn opened_anew(self) -> Self {
        let path = self.folder.path().join("vectors.db");
        drop(self.backend);
        let backend = SqliteVectors::new(path, Options::default(), Arc::clone(&self.searching));
        Self { backend, ..self }
    }
}

fn embedded(memory: usize) -> Embedded {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        memory,
        concurrent: 2,
    };
    let searching = Arc::new(Searching::new(settings));
    let path = folder.path().join("vectors.db");
    let backend = SqliteVectors::new(path, Options::default(), Arc::clone(&searching));
    Embedded {
        backend,
        searching,
        folder,
    }
}

mod with_copies_in_memory {
    use super::*;

    fn opened() -> Embedded {
        embedded(Settings::default().memory)
    }

    conformance!(opened);
}

mod from_the_disk {
    use super::*;

    /// Not even an empty collection has room.
    fn opened() -> Embedded {
        embedded(0)
    }

    conformance!(opened);
}
