//! Reader connections, lent out one job at a time.

use crate::{Error, prepare};
use rusqlite::{Connection, OpenFlags};
use sbd_turns::{Turn, Turns};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    /// Connections at rest; there are never more than turns.
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Turns,
}

// === impl Readers ===

impl Readers {
    pub(crate) fn new(path: &Path, count: usize) -> Self {
        Self {
            path: path.to_owned(),
            idle: Arc::default(),
            turns: Turns::new(count),
        }
    }

    /// Runs the job on this very thread if a connection is at rest, else as [`Self::run`].
    pub(crate) async fn run_short<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        if let Some((_turn, connection)) = self.at_rest() {
            return lend(connection, &self.idle, job);
        }
        self.run(job).await
    }

    /// Runs the job on this very thread if a connection is at rest, else not at all.
    pub(crate) fn run_here<T, E: From<Error>>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        let (_turn, connection) = self.at_rest()?;
        Some(lend(connection, &self.idle, job))
    }

    fn at_rest(&self) -> Option<(Turn, Connection)> {
        let turn = self.turns.try_take()?;
        Some((turn, rested(&self.idle)?))
    }

    pub(crate) async fn run<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let read = move || {
            let connection = match rested(&idle) {
                Some(connection) => connection,
                None => open(&path)?,
            };
            lend(connection, &idle, job)
        };
        self.turns.work(read).await.map_err(|_| Error::Closed)?
    }
}

fn rested(idle: &Mutex<Vec<Connection>>) -> Option<Connection> {
    idle.lock().ok().and_then(|mut idle| idle.pop())
}

/// Runs the job and puts the connection back to rest.
fn lend<T, E: From<Error>>(
    connection: Connection,
    idle: &Mutex<Vec<Connection>>,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let result = catch_unwind(AssertUnwindSafe(|| job(&connection)));
    // After a panic the connection may be in the middle of something: it is dropped.
    let result = result.map_err(|_| Error::Panicked)?;
    if let Ok(mut idle) = idle.lock() {
        idle.push(connection);
    }
    result
}

/// A connection for a look at a database that another process may be using, which changes nothing.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn look_at(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    prepare(&mut connection)?;
    Ok(connection)
}

fn open(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    prepare(&mut connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}
