//! What group commit brings: many writers that share a commit against commits one after the other.

use crate::report::{Figure, Goal};
use crate::{Plan, report};
use sbd_documents::{Backend as _, CollectionDeclaration, SqliteDocuments};
use sbd_storage::{Database, Options};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const WRITERS: usize = 64;

const COMPONENT: &str = "bench";
const COLLECTION: &str = "families";

/// As long as a family; the `_id` is made by the capability.
const DOCUMENT: &str = r#"{"name":"The Lovelaces","description":"of London","created_by":"usr_019a2f3c8b7e7c2d9f00112233445566","member_count":1,"version":1}"#;

/// Both databases lie in the build folder: temporary folders are memory on many machines, where
/// durability costs nothing.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let (one, _) = open(&folder.path().join("one.db")).await?;
        let (many, file) = open(&folder.path().join("many.db")).await?;
        let (mut single, mut grouped) = (Vec::new(), Vec::new());
        let commits = file.commits();
        let mut inserts = 0.0;
        for _ in 0..plan.rounds {
            single.push(insert(&one, 1, plan.duration).await?);
            let rate = insert(&many, WRITERS, plan.duration).await?;
            inserts += rate * plan.duration.as_secs_f64();
            grouped.push(rate);
        }
        // Exact up to 2^53 commits.
        let a_commit = inserts / (file.commits() - commits) as f64;
        let figure = Figure::new(
            "durable-inserts",
            "inserts/s",
            ("single commits one after the other", &single),
            ("64 writers at once", &grouped),
        );
        Ok(vec![
            figure
                .goal(Goal::RatioAtLeast(10.0))
                .note(format!("{a_commit:.1} inserts a commit")),
        ])
    })
}

/// Documents in a file of their own, and the file.
async fn open(path: &Path) -> anyhow::Result<(Arc<SqliteDocuments>, Database)> {
    let database = Database::open(path, &Options::default())?;
    let documents = SqliteDocuments::new(database.clone());
    let declared = CollectionDeclaration {
        name: COLLECTION.to_owned(),
        indexes: Vec::new(),
    };
    documents.configure(COMPONENT, &[declared]).await?;
    Ok((Arc::new(documents), database))
}

/// Inserts a second, by so many writers that each wait for their last insert to be durable.
async fn insert(
    documents: &Arc<SqliteDocuments>,
    writers: usize,
    duration: Duration,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..writers {
        let documents = Arc::clone(documents);
        running.spawn(async move {
            let component: Arc<str> = COMPONENT.into();
            let mut inserted = 0_u32;
            while begun.elapsed() < duration {
                documents
                    .insert(&component, COLLECTION.to_owned(), vec![DOCUMENT.to_owned()])
                    .await?;
                inserted += 1;
            }
            anyhow::Ok(inserted)
        });
    }
    let mut inserted = 0.0;
    while let Some(writer) = running.join_next().await {
        inserted += f64::from(writer??);
    }
    Ok(inserted / begun.elapsed().as_secs_f64())
}
