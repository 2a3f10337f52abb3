//! A connection at work: one statement at a time, off the async threads.

use crate::bindings::newer::{QueryResult, RowResult, Value};
use crate::limits::{BUSY_TIME, MAX_ANSWER_BYTES, MAX_STATEMENT_BYTES, STATEMENT_TIME};
use crate::{Error, sandbox};
use sbd_storage::rusqlite::fallible_iterator::FallibleIterator as _;
use sbd_storage::rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use sbd_storage::rusqlite::{self, Batch, params_from_iter};
use sbd_turns::Turns;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OwnedSemaphorePermit};

/// SQLite looks at the clock each time it has done this many steps of its machine. Few, as each may be a
/// function that takes its time.
const STEPS: i32 = 16;
/// What a row costs beside its values.
const ROW_BYTES: usize = 64;
/// How often whoever waits for a lock looks whether it is free, at first and at last.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// A connection that a component has opened. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` once it is being closed.
    sqlite: Arc<Mutex<Option<rusqlite::Connection>>>,
    statements: Turns,
    _place: OwnedSemaphorePermit,
}

/// How to open a connection.
pub(crate) struct Opening {
    pub(crate) path: PathBuf,
    pub(crate) most_bytes: u64,
    pub(crate) statements: Turns,
    pub(crate) place: OwnedSemaphorePermit,
}

/// What a statement answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: QueryResult,
    pub(crate) bytes: usize,
    /// It changed nothing.
    pub(crate) is_read: bool,
}

/// Tells a statement to stop when nobody waits for it any more.
struct Stop(Arc<AtomicBool>);

// === impl Opening ===

impl Opening {
    pub(crate) async fn open(self) -> Result<Connection, Error> {
        let Self {
            path,
            most_bytes,
            statements,
            place,
        } = self;
        let path: Arc<Path> = path.into();
        let sqlite = patiently(|| {
            let path = Arc::clone(&path);
            off_thread(&statements, move || sandbox::open(&path, most_bytes))
        });
        let sqlite = sqlite.await?;
        Ok(Connection {
            inner: Arc::new(Inner {
                sqlite: Arc::new(Mutex::new(Some(sqlite))),
                statements,
                _place: place,
            }),
        })
    }
}

// === impl Connection ===

impl Connection {
    /// Runs a statement. One that finds the database locked waits, without a thread.
    pub(crate) async fn execute(
        &self,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<Answer, Error> {
        if statement.len() > MAX_STATEMENT_BYTES {
            return Err(Error::NotOneStatement("this is too long"));
        }
        let job = Arc::new((statement, parameters));
        patiently(|| self.attempt(Arc::clone(&job))).await
    }

    async fn attempt(&self, job: Arc<(String, Vec<Value>)>) -> Result<Answer, Error> {
        let mut sqlite = Arc::clone(&self.inner.sqlite).lock_owned().await;
        let stop = Stop(Arc::default());
        let stopped = Arc::clone(&stop.0);
        let done = off_thread(&self.inner.statements, move || match &mut *sqlite {
            Some(sqlite) => run(sqlite, &job.0, &job.1, stopped),
            None => Err(Error::Unavailable),
        });
        done.await
    }

    /// The row that was inserted last.
    pub(crate) async fn last_insert_rowid(&self) -> i64 {
        let sqlite = self.inner.sqlite.lock().await;
        sqlite
            .as_ref()
            .map_or(0, rusqlite::Connection::last_insert_rowid)
    }

    /// How many rows the last change changed.
    pub(crate) async fn changes(&self) -> u64 {
        let sqlite = self.inner.sqlite.lock().await;
        sqlite.as_ref().map_or(0, rusqlite::Connection::changes)
    }
}

impl Drop for Inner {
    /// Closing undoes a transaction that is open, which may take a while.
    fn drop(&mut self) {
        let sqlite = Arc::clone(&self.sqlite);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(sqlite.blocking_lock().take()));
        }
    }
}

/// Tries again while another connection has the database locked, for as long as that may take. What is
/// locked has not begun, so nothing is done twice.
async fn patiently<R, F: Future<Output = Result<R, Error>>>(
    attempt: impl Fn() -> F,
) -> Result<R, Error> {
    let give_up = Instant::now() + BUSY_TIME;
    let (mut look, longest) = LOOK;
    loop {
        match attempt().await {
            Err(Error::Busy) if Instant::now() < give_up => {}
            done => return done,
        }
        tokio::time::sleep(look).await;
        look = longest.min(look * 2);
    }
}

/// Runs it on a thread where it may block, when it is its turn.
async fn off_thread<R: Send + 'static>(
    statements: &Turns,
    job: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    let done = statements.work(job).await;
    done.map_err(|_| Error::Unavailable)?
}

fn run(
    sqlite: &mut rusqlite::Connection,
    statement: &str,
    parameters: &[Value],
    stopped: Arc<AtomicBool>,
) -> Result<Answer, Error> {
    let deadline = Instant::now() + STATEMENT_TIME;
    let is_over = move || stopped.load(Ordering::Relaxed) || Instant::now() >= deadline;
    sqlite.progress_handler(STEPS, Some(is_over))?;
    // `prepare` would call itself for each statement that follows.
    let mut batch = Batch::new(sqlite, statement);
    let Some(mut prepared) = batch.next()? else {
        return Err(Error::NotOneStatement("there is no statement"));
    };
    if !matches!(batch.next(), Ok(None)) {
        return Err(Error::NotOneStatement("there is more than one statement"));
    }
    let is_read = prepared.readonly();
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let mut bytes = columns
        .iter()
        .map(|name| name.len() + size_of::<String>())
        .sum();
    let mut rows = Vec::new();
    let mut found = prepared.query(params_from_iter(parameters))?;
    while let Some(row) = found.next()? {
        let mut values = Vec::with_capacity(columns.len());
        for column in 0..columns.len() {
            let value = Value::read(row.get_ref(column)?)?;
            bytes += value.bytes();
            values.push(value);
        }
        bytes += ROW_BYTES;
        if bytes > MAX_ANSWER_BYTES {
            return Err(Error::TooLarge);
        }
        rows.push(RowResult { values });
    }
    Ok(Answer {
        result: QueryResult { columns, rows },
        bytes,
        is_read,
    })
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

// === impl Value ===

impl Value {
    fn read(value: ValueRef<'_>) -> Result<Self, Error> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(bytes) => Self::Text(
                String::from_utf8(bytes.to_vec())
                    .map_err(|_| Error::Sqlite("a text is no UTF-8; CAST it to BLOB".to_owned()))?,
            ),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        })
    }

    /// What it counts for.
    pub(crate) fn bytes(&self) -> usize {
        let own = match self {
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
            Self::Integer(_) | Self::Real(_) | Self::Null => 0,
        };
        own + size_of::<Self>()
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
