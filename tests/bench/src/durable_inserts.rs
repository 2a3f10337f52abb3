//! What group commit brings: many writers that share a commit against commits one after the other.

use crate::report::{Figure, Goal};
use crate::{Plan, report};
use sbd_storage::{Database, Error, Options};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const WRITERS: usize = 64;

/// Both databases lie in the build folder: temporary folders are memory on many machines, where
/// durability costs nothing.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let one = open(&folder.path().join("one.db")).await?;
        let many = open(&folder.path().join("many.db")).await?;
        let (mut single, mut grouped) = (Vec::new(), Vec::new());
        let commits = many.commits();
        let mut inserts = 0.0;
        for _ in 0..plan.rounds {
            single.push(insert(&one, 1, plan.duration).await?);
            let rate = insert(&many, WRITERS, plan.duration).await?;
            inserts += rate * plan.duration.as_secs_f64();
            grouped.push(rate);
        }
        // Exact up to 2^53 commits.
        let a_commit = inserts / (many.commits() - commits) as f64;
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

async fn open(path: &std::path::Path) -> anyhow::Result<Database> {
    let database = Database::open(path, &Options::default())?;
    database
        .write(|connection| {
            let table =
                "CREATE TABLE documents (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID";
            connection.execute_batch(table).map_err(Error::from)
        })
        .await?;
    Ok(database)
}

/// Inserts a second, by so many writers that each wait for their last insert to be durable.
async fn insert(database: &Database, writers: usize, duration: Duration) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..writers {
        let database = database.clone();
        running.spawn(async move {
            let mut inserted = 0_u32;
            while begun.elapsed() < duration {
                let id = uuid::Uuid::now_v7().simple().to_string();
                let write = move |connection: &sbd_storage::rusqlite::Connection| {
                    let mut insert =
                        connection.prepare_cached("INSERT INTO documents VALUES (?1, ?2)")?;
                    insert.execute([&id, BODY]).map_err(Error::from)
                };
                database.write(write).await?;
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

/// About the size of a family.
const BODY: &str = r#"{"name":"The Lovelaces","description":"of London","created_by":"usr_019a2f3c8b7e7c2d9f00112233445566","member_count":1,"version":1}"#;
