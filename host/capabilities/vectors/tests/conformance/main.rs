//! Every backend passes the same suite; a further one has only to be named here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod suite;

use sbd_storage::Options;
use sbd_vectors::{Backend as _, Searching, Settings, SqliteVectors};
use sbd_vectors_search::{Config, Dense, Metric, Point, Query};
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

/// More has been replaced since the last search than is remembered for copies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_has_missed_much_is_made_anew() {
    let opened = embedded(Settings::default().memory);
    let backend = &opened.backend;
    let (component, name) = ("knowledge", || "notes".to_owned());
    let dense = Dense {
        dimensions: 2,
        metric: Metric::Dot,
    };
    let config = Config {
        dense: Some(dense),
        sparse: false,
    };
    backend.create(component, name(), config).await.unwrap();
    let query = Query {
        dense: Some(vec![1.0, 1.0]),
        candidates: 1,
        limit: 1000,
        ..Query::default()
    };
    for round in 0..23_u8 {
        let points = (0..1000_u16).map(|number| Point {
            id: number.to_string(),
            dense: Some(vec![f32::from(round), f32::from(number)]),
            sparse: None,
            payload: format!(r#"{{"round":{round}}}"#),
        });
        backend
            .upsert(component, name(), points.collect())
            .await
            .unwrap();
        if [0, 1, 22].contains(&round) {
            let hits = backend
                .search(component, name(), query.clone())
                .await
                .unwrap();
            assert_eq!(hits.len(), 1000);
            assert_eq!(hits[0].score, f32::from(round) + 999.0);
            assert_eq!(hits[999].score, f32::from(round));
        }
    }
}

mod from_the_disk {
    use super::*;

    /// Not even an empty collection has room.
    fn opened() -> Embedded {
        embedded(0)
    }

    conformance!(opened);
}
