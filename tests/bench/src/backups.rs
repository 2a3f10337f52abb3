//! What a backup costs those who write meanwhile.

use crate::report::{Figure, Goal};
use crate::{Plan, report};
use hdrhistogram::Histogram;
use sbd_backup::{Backup, NewFile};
use sbd_registry::{DEFAULT_TENANT, Registry};
use sbd_storage::rusqlite::Connection;
use sbd_storage::{Database, Error, Options};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const WRITERS: usize = 8;
/// Bytes that a writer inserts at once.
const ROW: u32 = 1000;
const MIB: u64 = 1 << 20;

/// A tenant of as many MiB as `--backup-mib` says, in the build folder: temporary folders are memory on many
/// machines.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    tokio::runtime::Runtime::new()?.block_on(measure(plan, folder.path()))
}

async fn measure(plan: Plan, folder: &Path) -> anyhow::Result<Vec<Figure>> {
    let _registry = Registry::open(folder).await?;
    let path = folder.join(format!("tenants/{DEFAULT_TENANT}.db"));
    let database = Database::open(&path, &Options::default())?;
    fill(&database, plan.backup_mib).await?;
    let (mut alone, mut beside) = (Sides::default(), Sides::default());
    let mut seconds = Vec::new();
    for round in 0..plan.rounds {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = write(&database, &stop);
        tokio::time::sleep(plan.duration).await;
        alone.add(writers, &stop).await?;

        let stop = Arc::new(AtomicBool::new(false));
        let writers = write(&database, &stop);
        let (from, to) = (folder.to_owned(), folder.join(format!("{round}.backup")));
        let backing_up = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let file = NewFile::begin(&to, None)?;
            Backup::begin(&from, &from, "bench", file)?
                .finish()?
                .0
                .finish()?;
            std::fs::remove_file(to)?;
            anyhow::Ok(begun.elapsed())
        });
        seconds.push(backing_up.await??.as_secs_f64());
        // What the writer has to do once it is over counts, too.
        tokio::time::sleep(Duration::from_secs(1)).await;
        beside.add(writers, &stop).await?;
    }
    let mib = plan.backup_mib;
    let took = format!(
        "a backup of {mib} MiB took {:.1} s",
        seconds.iter().sum::<f64>() / seconds.len() as f64
    );
    let p99 = Figure::new(
        "backup-p99",
        "ms",
        ("8 writers alone", &alone.p99),
        ("beside a backup", &beside.p99),
    );
    let longest = Figure::new(
        "backup-longest-write",
        "ms",
        ("8 writers alone", &alone.longest),
        ("beside a backup", &beside.longest),
    );
    let longest = longest.goal(Goal::CandidateAtMost(100.0));
    Ok(vec![p99.note(took), longest])
}

/// Latencies in milliseconds, round by round.
#[derive(Default)]
struct Sides {
    p99: Vec<f64>,
    longest: Vec<f64>,
}

// === impl Sides ===

impl Sides {
    /// Ends the writers and takes down how they fared.
    async fn add(
        &mut self,
        mut writers: JoinSet<Written>,
        stop: &AtomicBool,
    ) -> anyhow::Result<()> {
        stop.store(true, Ordering::Relaxed);
        let mut all = Histogram::<u64>::new(3)?;
        while let Some(written) = writers.join_next().await {
            all.add(written??)?;
        }
        let milliseconds = |microseconds: u64| microseconds as f64 / 1e3;
        self.p99.push(milliseconds(all.value_at_quantile(0.99)));
        self.longest.push(milliseconds(all.max()));
        Ok(())
    }
}

type Written = anyhow::Result<Histogram<u64>>;

async fn fill(database: &Database, mib: u64) -> anyhow::Result<()> {
    let create = |c: &Connection| {
        c.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
            .map_err(Error::from)
    };
    database.write(create).await?;
    for _ in 0..mib {
        let rows = MIB / u64::from(ROW);
        let insert = move |c: &Connection| {
            let mut insert = c.prepare_cached("INSERT INTO t (v) VALUES (randomblob(?1))")?;
            for _ in 0..rows {
                insert.execute([ROW])?;
            }
            Ok::<_, Error>(())
        };
        database.write(insert).await?;
    }
    Ok(())
}

/// Writers that each wait for their last insert to be durable, and take down how long that took.
fn write(database: &Database, stop: &Arc<AtomicBool>) -> JoinSet<Written> {
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (database, stop) = (database.clone(), Arc::clone(stop));
        writers.spawn(async move {
            let mut latencies = Histogram::<u64>::new(3)?;
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let insert = |c: &Connection| {
                    let mut insert =
                        c.prepare_cached("INSERT INTO t (v) VALUES (randomblob(?1))")?;
                    Ok::<_, Error>(insert.execute([ROW])?)
                };
                database.write(insert).await?;
                latencies.record(u64::try_from(begun.elapsed().as_micros())?)?;
            }
            anyhow::Ok(latencies)
        });
    }
    writers
}
