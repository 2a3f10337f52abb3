//! The one writer of a database: a thread that commits the jobs of many callers together.

use crate::wal::Log;
use crate::{Error, Options};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Runs inside the group's transaction, or learns why that could not begin, and hands back what to
/// do once the group's fate is known.
type Job = Box<dyn FnOnce(Result<&Connection, Error>) -> Completion + Send>;
/// Answers the caller; `Err` if the whole group was lost.
type Completion = Box<dyn FnOnce(Result<(), Error>) + Send>;

#[derive(Debug)]
pub(crate) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn start(
        path: &Path,
        connection: Connection,
        options: &Options,
    ) -> Result<Self, Error> {
        let log = Log::of(path);
        let (sender, jobs) = mpsc::channel(options.queue.max(1));
        let group = options.group.max(1);
        let commits = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&commits);
        let thread = std::thread::Builder::new()
            .name("sbd-writer".to_owned())
            .spawn(move || serve(&connection, log, jobs, group, &counter))?;
        Ok(Self {
            queue: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            commits,
        })
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(crate) async fn run<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let queue = self
            .queue
            .lock()
            .ok()
            .and_then(|queue| queue.clone())
            .ok_or(Error::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = connection
                .map_err(E::from)
                .and_then(|connection| in_savepoint(connection, job));
            Box::new(move |committed| {
                // The receiver is gone when the caller was cancelled; the write stands all the same.
                let _ = answer.send(match committed {
                    Ok(()) => result,
                    Err(error) => result.and(Err(error.into())),
                });
            })
        });
        queue.send(job).await.map_err(|_| Error::Closed)?;
        // Kept past this point, it would hold the thread open after the database is dropped.
        drop(queue);
        answered.await.map_err(|_| Error::Closed)?
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that the file is closed and checkpointed when the database is gone.
    fn drop(&mut self) {
        if let Ok(queue) = self.queue.get_mut() {
            queue.take();
        }
        if let Ok(thread) = self.thread.get_mut()
            && let Some(thread) = thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn serve(
    connection: &Connection,
    mut log: Log,
    mut jobs: mpsc::Receiver<Job>,
    group: usize,
    commits: &AtomicU64,
) {
    let mut room = Ok(());
    while let Some(first) = jobs.blocking_recv() {
        let mut done = Vec::new();
        if room.is_err() {
            room = log.keep_short(connection);
        }
        let mut begun = room.clone().and_then(|()| begin(connection));
        let mut next = Some(first);
        while let Some(job) = next {
            done.push(job(begun
                .as_ref()
                .map(|()| connection)
                .map_err(Clone::clone)));
            // A full disk or an I/O error can make SQLite roll back the whole transaction by
            // itself; the jobs before this one are then lost with it.
            if begun.is_ok() && connection.is_autocommit() {
                settle(&mut done, Err(Error::Full));
                begun = begin(connection);
            }
            next = if done.len() < group {
                jobs.try_recv().ok()
            } else {
                None
            };
        }
        let committed = match begun {
            Ok(()) => commit(connection).inspect(|()| _ = commits.fetch_add(1, Ordering::Relaxed)),
            Err(error) => Err(error),
        };
        settle(&mut done, committed);
        // Only now: it may take a while, and those who wait have their answer.
        if room.is_ok() {
            room = log.keep_short(connection);
        }
    }
}

fn settle(done: &mut Vec<Completion>, committed: Result<(), Error>) {
    for completion in done.drain(..) {
        completion(committed.clone());
    }
}

fn begin(connection: &Connection) -> Result<(), Error> {
    Ok(connection
        .prepare_cached("BEGIN IMMEDIATE")?
        .raw_execute()
        .map(drop)?)
}

fn commit(connection: &Connection) -> Result<(), Error> {
    let committed = connection
        .prepare_cached("COMMIT")
        .and_then(|mut statement| statement.raw_execute());
    if let Err(error) = committed {
        let error = Error::from(error);
        if !connection.is_autocommit()
            && let Err(rollback) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(error = %rollback, "rollback after a failed commit");
        }
        return Err(error);
    }
    Ok(())
}

fn in_savepoint<T, E: From<Error>>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    run(connection, "SAVEPOINT job")?;
    let result = catch_unwind(AssertUnwindSafe(|| job(connection)))
        .unwrap_or_else(|_| Err(Error::Panicked.into()));
    if connection.is_autocommit() {
        // SQLite has already undone everything.
        return result.and(Err(Error::Full.into()));
    }
    if result.is_err() {
        run(connection, "ROLLBACK TO job")?;
    }
    run(connection, "RELEASE job")?;
    result
}

fn run(connection: &Connection, sql: &str) -> Result<(), Error> {
    Ok(connection.prepare_cached(sql)?.raw_execute().map(drop)?)
}
