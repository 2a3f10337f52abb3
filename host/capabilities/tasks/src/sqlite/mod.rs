//! The embedded backend: three tables in the tenant's SQLite file.
//!
//! `tasks` has a short row for each task, `task_contents` what it is about and what it answered, so that
//! a change of state does not write these anew, and `task_order` which task comes after which, as long
//! as the later one has not ended.

mod claiming;
mod ending;
mod enqueueing;
mod rows;

pub(crate) use ending::{Ended, withdraw};
pub(crate) use enqueueing::enqueue;

use crate::backend::Backend;
use crate::error::Error;
use crate::schedules;
use crate::task::{Change, Claimed, Filter, Finish, Listed, NewTask, Progress, State, Task};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use sbd_storage::Database;
use sbd_storage::quota::{self, Counted};
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;
use tokio::sync::broadcast;

/// AUTOINCREMENT: tasks are in the order in which they came, those forgotten too. Times are milliseconds
/// since 1970. `missing` counts those that must succeed first and have not.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS tasks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    component TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    queue TEXT NOT NULL,
    state TEXT NOT NULL,
    priority INTEGER NOT NULL,
    ready_at INTEGER NOT NULL,
    deadline INTEGER,
    lease INTEGER,
    missing INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    unique_key TEXT,
    user TEXT,
    fraction REAL,
    message TEXT,
    details TEXT,
    reason TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    keep INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS task_contents (
    task INTEGER PRIMARY KEY REFERENCES tasks (number) ON DELETE CASCADE,
    component TEXT NOT NULL,
    data TEXT,
    delegation TEXT,
    result TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS task_order (
    task INTEGER NOT NULL REFERENCES tasks (number) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    before INTEGER NOT NULL REFERENCES tasks (number),
    PRIMARY KEY (task, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS task_order_before ON task_order (before);
CREATE INDEX IF NOT EXISTS tasks_waiting ON tasks (queue, priority, ready_at) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS tasks_running ON tasks (lease) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS tasks_deadline ON tasks (deadline)
    WHERE deadline IS NOT NULL AND ended_at IS NULL;
CREATE INDEX IF NOT EXISTS tasks_open ON tasks (component) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS tasks_forgotten ON tasks (ended_at + keep) WHERE ended_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS tasks_user ON tasks (user, state) WHERE user IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS tasks_unique ON tasks (component, kind, name, unique_key)
    WHERE unique_key IS NOT NULL AND ended_at IS NULL";

/// What of a task's contents counts for its component.
const CONTENTS: Counted<'_> = Counted {
    table: "task_contents",
    condition: "1",
    bytes: "octet_length(concat({row}.data, {row}.delegation, {row}.result))",
    documents: 0,
};

const RENEW: &str = "UPDATE tasks SET lease = ?3
    WHERE id = ?1 AND attempts = ?2 AND state = 'running'";
const REPORT: &str = "UPDATE tasks SET lease = ?3, fraction = ?4, message = ?5, details = ?6
    WHERE id = ?1 AND attempts = ?2 AND state = 'running'";
const OPEN_OF: &str = "SELECT count(*) FROM tasks WHERE component = ?1 AND ended_at IS NULL";

/// Changes that are kept for those who listen; who is slower looks again.
const CHANGES: usize = 1024;

/// The tasks of one tenant in its SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteBackend {
    database: Database,
    changes: broadcast::Sender<Change>,
}

// === impl SqliteBackend ===

impl SqliteBackend {
    /// Uses the tenant's database, and makes the tables if they are not there yet. One process has the
    /// file: what is lent was lent by one that is gone, and is given back.
    ///
    /// # Errors
    /// [`Error::Storage`] if they cannot be made.
    pub async fn open(database: Database) -> Result<Self, Error> {
        let open = |connection: &Connection| {
            connection.execute_batch(CREATE)?;
            quota::count_each(connection, "component", CONTENTS)?;
            schedules::create(connection)?;
            ending::give_back(connection, Timestamp::MAX, Timestamp::now())?;
            Ok::<_, Error>(())
        };
        database.write(open).await?;
        let (changes, _) = broadcast::channel(CHANGES);
        Ok(Self { database, changes })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Changes something, and tells of what ended by it.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<(T, Ended), Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (done, ended) = self.database.write(change).await?;
        for id in ended {
            self.tell(id, true);
        }
        Ok(done)
    }

    fn tell(&self, id: String, is_ended: bool) {
        let id = id.into();
        // Nobody may be listening.
        let _ = self.changes.send(Change { id, is_ended });
    }
}

impl Backend for SqliteBackend {
    fn enqueue(
        &self,
        tasks: Vec<NewTask>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        let bytes = tasks.iter().map(|task| task.data.len()).sum();
        let job = move |connection: &Connection| enqueue(connection, &tasks, now);
        self.database.write_sized(bytes, job).boxed()
    }

    fn claim<'a>(
        &'a self,
        queue: &'a str,
        except: &'a [Arc<str>],
        now: Timestamp,
        lease: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claimed>, Error>> {
        let (queue, except) = (queue.to_owned(), except.to_vec());
        let job =
            move |connection: &Connection| claiming::claim(connection, &queue, &except, now, lease);
        async move {
            let claimed = self.database.write(job).await?;
            if let Some(claimed) = &claimed {
                self.tell(claimed.task.id.clone(), false);
            }
            Ok(claimed)
        }
        .boxed()
    }

    fn ready<'a>(
        &'a self,
        except: &'a [Arc<str>],
    ) -> BoxFuture<'a, Result<Vec<(String, Timestamp)>, Error>> {
        let except = except.to_vec();
        let job = move |connection: &Connection| claiming::ready(connection, &except);
        self.database.read_short(job).boxed()
    }

    fn renew<'a>(
        &'a self,
        id: &'a str,
        attempt: u32,
        lease: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        let id = id.to_owned();
        let job = move |connection: &Connection| {
            let mut renew = connection.prepare_cached(RENEW)?;
            Ok(renew.execute(params![id, attempt, lease.as_millisecond()])? > 0)
        };
        self.database.write(job).boxed()
    }

    fn report<'a>(
        &'a self,
        id: &'a str,
        attempt: u32,
        progress: Progress,
        lease: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        let task = id.to_owned();
        let job = move |connection: &Connection| {
            let mut report = connection.prepare_cached(REPORT)?;
            let Progress {
                fraction,
                message,
                data,
            } = progress;
            let lease = lease.as_millisecond();
            let values = params![task, attempt, lease, fraction, message, data];
            Ok::<_, Error>(report.execute(values)? > 0)
        };
        async move {
            let is_theirs = self.database.write(job).await?;
            if is_theirs {
                self.tell(id.to_owned(), false);
            }
            Ok(is_theirs)
        }
        .boxed()
    }

    fn finish<'a>(
        &'a self,
        id: &'a str,
        attempt: u32,
        finish: Finish,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<State>, Error>> {
        let task = id.to_owned();
        let job =
            move |connection: &Connection| ending::finish(connection, &task, attempt, finish, now);
        async move {
            let state = self.change(job).await?;
            if state == Some(State::Waiting) {
                self.tell(id.to_owned(), false);
            }
            Ok(state)
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, id: &'a str, now: Timestamp) -> BoxFuture<'a, Result<bool, Error>> {
        let id = id.to_owned();
        self.change(move |connection| ending::cancel(connection, &id, now))
            .boxed()
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Task>, Error>> {
        let id = id.to_owned();
        let job = move |connection: &Connection| {
            let mut select = connection.prepare_cached(rows::ONE)?;
            Ok(select.query_row([id], rows::task).optional()?)
        };
        self.database.read_short(job).boxed()
    }

    fn list(
        &self,
        filter: Filter,
        offset: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Listed, Error>> {
        let job = move |connection: &Connection| rows::list(connection, &filter, offset, limit);
        self.database.read(job).boxed()
    }

    fn open_of<'a>(&'a self, component: &'a str) -> BoxFuture<'a, Result<u64, Error>> {
        let component = component.to_owned();
        let job = move |connection: &Connection| {
            let mut count = connection.prepare_cached(OPEN_OF)?;
            let count: i64 = count.query_row([component], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or_default())
        };
        self.database.read(job).boxed()
    }

    fn tend(&self, now: Timestamp) -> BoxFuture<'_, Result<bool, Error>> {
        self.change(move |connection| ending::tend(connection, now))
            .boxed()
    }

    fn next<'a>(
        &'a self,
        except: &'a [Arc<str>],
    ) -> BoxFuture<'a, Result<Option<Timestamp>, Error>> {
        let except = except.to_vec();
        let job = move |connection: &Connection| claiming::next(connection, &except);
        self.database.read_short(job).boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}
