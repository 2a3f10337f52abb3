//! The embedded backend: one more table in the tenant's SQLite file.

use super::{Declared, MAX_SCHEDULES, NewSchedule, Schedules, SetSchedule, Timing};
use crate::error::Error;
use crate::limits::{DEFAULT_KEEP, DEFAULT_RETRIES};
use crate::sqlite::{Ended, SqliteBackend, enqueue, withdraw};
use crate::task::{ActsFor, NewTask, Target};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use sbd_storage::quota::{self, Counted};
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use sbd_tasks_schedule::MOST;
use std::collections::HashMap;
use std::sync::Arc;

/// Times are milliseconds since 1970. `reached` is the last time that was seen to; `next_at` is NULL
/// where nothing comes again. `task` and what follows belong to those that were set.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS schedules (
    component TEXT NOT NULL,
    is_declared INTEGER NOT NULL,
    name TEXT NOT NULL,
    timing TEXT NOT NULL,
    seed INTEGER NOT NULL,
    reached INTEGER NOT NULL,
    next_at INTEGER,
    task TEXT,
    queue TEXT,
    data TEXT,
    user TEXT,
    delegation TEXT,
    PRIMARY KEY (component, is_declared, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL";

/// What of a schedule counts for its component.
const CONTENTS: Counted<'_> = Counted {
    table: "schedules",
    condition: "{row}.is_declared = 0",
    bytes: "octet_length(concat({row}.name, {row}.data, {row}.delegation))",
    documents: 0,
};

/// Schedules that move on at once, so that no job of the writer is long.
const BATCH: usize = 100;

/// The queue of what is declared.
const QUEUE: &str = "default";

/// How long a schedule waits whose component has no room for what is due.
const FULL: SignedDuration = SignedDuration::from_secs(30);

const DECLARED: &str =
    "SELECT component, name, timing, reached FROM schedules WHERE is_declared = 1";
const KNOWN: &str = "SELECT timing, seed, reached FROM schedules
    WHERE (component, is_declared, name) = (?1, ?2, ?3)";
const PUT: &str =
    "INSERT OR REPLACE INTO schedules VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const DELETE: &str = "DELETE FROM schedules WHERE (component, is_declared, name) = (?1, ?2, ?3)";
const OTHERS: &str = "SELECT count(*) FROM schedules
    WHERE component = ?1 AND is_declared = 0 AND name <> ?2";
const SET: &str = "SELECT name, task, next_at FROM schedules
    WHERE component = ?1 AND is_declared = 0 AND next_at IS NOT NULL ORDER BY name";
const DUE: &str = "SELECT component, is_declared, name, timing, seed, reached, task, queue, data,
    user, delegation FROM schedules WHERE next_at <= ?1 ORDER BY next_at LIMIT ?2";
const NEXT: &str = "SELECT min(next_at) FROM schedules WHERE next_at IS NOT NULL";
const MOVE_ON: &str = "UPDATE schedules SET reached = ?4, next_at = ?5
    WHERE (component, is_declared, name) = (?1, ?2, ?3)";
const PUT_OFF: &str = "UPDATE schedules SET next_at = ?4
    WHERE (component, is_declared, name) = (?1, ?2, ?3)";
/// Ticks of a schedule that have not ended; by the index of unique keys.
const OPEN: &str = "SELECT count(*) FROM tasks
    WHERE (component, kind, name) = (?1, ?2, ?3) AND unique_key >= ?4 AND unique_key < ?5
    AND unique_key IS NOT NULL AND ended_at IS NULL";

/// A schedule in which something is due.
struct Due {
    component: Arc<str>,
    is_declared: bool,
    name: String,
    timing: String,
    seed: i64,
    reached: i64,
    target: Target,
    queue: String,
    data: Option<String>,
    acts_for: Option<ActsFor>,
}

/// Makes the table if it is not there yet. For use in a job of the writer.
pub(crate) fn create(connection: &Connection) -> Result<(), Error> {
    connection.execute_batch(CREATE)?;
    Ok(quota::count_each(connection, "component", CONTENTS)?)
}

impl Schedules for SqliteBackend {
    fn declare(&self, declared: Vec<Declared>) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            let declared = Arc::new(declared);
            let known = Arc::clone(&declared);
            // Mostly nothing is new, and that costs no write.
            let look = move |connection: &Connection| changes(connection, &known);
            if self.database().read(look).await?.is_empty() {
                return Ok(());
            }
            let declare = move |connection: &Connection| {
                let withdrawn = declare(connection, &declared, Timestamp::now())?;
                Ok(((), withdrawn))
            };
            self.change(declare).await
        }
        .boxed()
    }

    fn set_schedule(
        &self,
        schedule: NewSchedule,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let bytes = schedule.data.len();
        let job = move |connection: &Connection| set(connection, &schedule, now);
        self.database().write_sized(bytes, job).boxed()
    }

    fn end_schedule<'a>(
        &'a self,
        component: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        let (component, name) = (component.to_owned(), name.to_owned());
        let job = move |connection: &Connection| {
            let mut delete = connection.prepare_cached(DELETE)?;
            Ok(delete.execute(params![component, false, name])? > 0)
        };
        self.database().write(job).boxed()
    }

    fn schedules_of<'a>(
        &'a self,
        component: &'a str,
    ) -> BoxFuture<'a, Result<Vec<SetSchedule>, Error>> {
        let component = component.to_owned();
        let job = move |connection: &Connection| {
            let mut set = connection.prepare_cached(SET)?;
            let set = set.query_map([component], |row| {
                Ok(SetSchedule {
                    name: row.get(0)?,
                    task: row.get(1)?,
                    next_at: time(row.get(2)?),
                })
            })?;
            Ok(set.collect::<Result<_, _>>()?)
        };
        self.database().read(job).boxed()
    }

    fn tick(&self, now: Timestamp, since: Timestamp) -> BoxFuture<'_, Result<bool, Error>> {
        let job = move |connection: &Connection| {
            let due = due(connection, now)?;
            for schedule in &due {
                schedule.move_on(connection, now, since)?;
            }
            Ok(due.len() == BATCH)
        };
        self.database().write(job).boxed()
    }

    fn next_tick(&self) -> BoxFuture<'_, Result<Option<Timestamp>, Error>> {
        let job = |connection: &Connection| {
            let mut next = connection.prepare_cached(NEXT)?;
            let next: Option<i64> = next.query_row([], |row| row.get(0))?;
            Ok(next.map(time))
        };
        self.database().read_short(job).boxed()
    }
}

/// What is to be done so that these are declared: put, or delete.
fn changes(connection: &Connection, declared: &[Declared]) -> Result<Vec<Change>, Error> {
    let mut known = connection.prepare_cached(DECLARED)?;
    let known = known.query_map([], |row| {
        let (timing, reached): (String, i64) = (row.get(2)?, row.get(3)?);
        Ok(((row.get(0)?, row.get(1)?), (timing, time(reached))))
    })?;
    let mut known = known.collect::<Result<HashMap<(String, String), _>, _>>()?;
    let mut changes = Vec::new();
    for (place, one) in declared.iter().enumerate() {
        let known = known.remove(&(one.component.to_string(), one.name.clone()));
        let goes_on = known.is_some_and(|(timing, reached)| {
            timing == written(&one.timing) && reached >= one.since
        });
        if !goes_on {
            changes.push(Change::Put(place));
        }
    }
    let gone = known.into_keys();
    changes.extend(gone.map(|(component, name)| Change::Delete(component, name)));
    Ok(changes)
}

enum Change {
    /// The one in this place of the list.
    Put(usize),
    Delete(String, String),
}

/// Answers which ticks ended by it: those of what is declared no more, where nobody has begun them. They
/// would come when it is switched on again, and so make up for time in which it was off.
fn declare(connection: &Connection, declared: &[Declared], now: Timestamp) -> Result<Ended, Error> {
    let mut withdrawn = Ended::new();
    for change in changes(connection, declared)? {
        let place = match change {
            Change::Put(place) => place,
            Change::Delete(component, name) => {
                let mut delete = connection.prepare_cached(DELETE)?;
                delete.execute(params![component, true, name])?;
                withdrawn.extend(withdraw(connection, &component, &name, now)?);
                continue;
            }
        };
        let Some(one) = declared.get(place) else {
            continue;
        };
        let known = known(connection, &one.component, true, &one.name)?;
        // No time twice, whatever it was declared as before.
        let reached = known.map_or(one.since, |(_, _, reached)| reached.max(one.since));
        // It was checked when the offer was read; what never comes by now has come for the last time.
        let next = first(&one.timing, one.seed.cast_signed(), reached).ok();
        connection.prepare_cached(PUT)?.execute(params![
            &*one.component,
            true,
            one.name,
            written(&one.timing),
            one.seed.cast_signed(),
            reached.as_millisecond(),
            next.map(Timestamp::as_millisecond),
            None::<&str>,
            None::<&str>,
            None::<&str>,
            None::<&str>,
            None::<&str>,
        ])?;
    }
    Ok(withdrawn)
}

fn set(connection: &Connection, new: &NewSchedule, now: Timestamp) -> Result<(), Error> {
    let mut others = connection.prepare_cached(OTHERS)?;
    let others: i64 = others.query_row(params![&*new.component, new.name], |row| row.get(0))?;
    if u64::try_from(others).unwrap_or_default() >= MAX_SCHEDULES {
        return Err(Error::Limit(format!(
            "a component has {MAX_SCHEDULES} schedules at most; end some of them"
        )));
    }
    // One that comes at the same times goes on, and any other begins now.
    let (seed, reached) = match known(connection, &new.component, false, &new.name)? {
        Some((timing, seed, reached)) if timing == written(&new.timing) => (seed, reached),
        Some((_, seed, reached)) => (seed, reached.max(now)),
        None => (
            connection.query_row("SELECT random()", [], |row| row.get(0))?,
            now,
        ),
    };
    let next = first(&new.timing, seed, reached)?;
    let acts_for = new.acts_for.as_ref();
    connection.prepare_cached(PUT)?.execute(params![
        &*new.component,
        false,
        new.name,
        written(&new.timing),
        seed,
        reached.as_millisecond(),
        next.as_millisecond(),
        new.task,
        new.queue,
        new.data,
        acts_for.map(|who| &*who.user),
        acts_for.map(|who| &who.delegation),
    ])?;
    Ok(())
}

/// When a schedule that is there is due, its seed, and how far it has come.
fn known(
    connection: &Connection,
    component: &str,
    is_declared: bool,
    name: &str,
) -> Result<Option<(String, i64, Timestamp)>, Error> {
    let mut known = connection.prepare_cached(KNOWN)?;
    let known = known.query_row(params![component, is_declared, name], |row| {
        Ok((row.get(0)?, row.get(1)?, time(row.get(2)?)))
    });
    Ok(known.optional()?)
}

fn first(timing: &Timing, seed: i64, reached: Timestamp) -> Result<Timestamp, Error> {
    let invalid = |error: sbd_tasks_schedule::Error| Error::Invalid(error.to_string());
    let schedule = timing.schedule(seed.cast_unsigned(), reached);
    let next = schedule.map_err(invalid)?.next(reached);
    next.ok_or_else(|| Error::Invalid("it never comes; give a time to come".to_owned()))
}

fn due(connection: &Connection, now: Timestamp) -> Result<Vec<Due>, Error> {
    let mut due = connection.prepare_cached(DUE)?;
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let due = due.query_map(params![now.as_millisecond(), most], Due::read)?;
    Ok(due.collect::<Result<_, _>>()?)
}

// === impl Due ===

impl Due {
    fn read(row: &Row<'_>) -> Result<Self, sbd_storage::rusqlite::Error> {
        let name: String = row.get(2)?;
        let task: Option<String> = row.get(6)?;
        let queue: Option<String> = row.get(7)?;
        let (user, delegation): (Option<Arc<str>>, _) = (row.get(9)?, row.get(10)?);
        let acts_for = user.zip(delegation);
        Ok(Self {
            component: row.get(0)?,
            is_declared: row.get(1)?,
            timing: row.get(3)?,
            seed: row.get(4)?,
            reached: row.get(5)?,
            target: task.map_or_else(|| Target::Schedule(name.clone()), Target::Task),
            queue: queue.unwrap_or_else(|| QUEUE.to_owned()),
            data: row.get(8)?,
            acts_for: acts_for.map(|(user, delegation)| ActsFor { user, delegation }),
            name,
        })
    }

    /// Enqueues what is due and moves on, both or neither. Where the component has no room for it, it
    /// waits.
    fn move_on(
        &self,
        connection: &Connection,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<(), Error> {
        connection.execute_batch("SAVEPOINT tick")?;
        let moved = self.moved(connection, now, since);
        if let Err(Error::Storage(sbd_storage::Error::Quota(_))) = moved {
            connection.execute_batch("ROLLBACK TO tick; RELEASE tick")?;
            let later = now.checked_add(FULL).unwrap_or(now).as_millisecond();
            let mut put_off = connection.prepare_cached(PUT_OFF)?;
            put_off.execute(params![
                &*self.component,
                self.is_declared,
                self.name,
                later
            ])?;
            return Ok(());
        }
        moved?;
        Ok(connection.execute_batch("RELEASE tick")?)
    }

    fn moved(
        &self,
        connection: &Connection,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<(), Error> {
        let reached = time(self.reached);
        let timing: Option<Timing> = serde_json::from_str(&self.timing).ok();
        let schedule = timing.map(|timing| timing.schedule(self.seed.cast_unsigned(), reached));
        // What never comes again is over.
        let (reached, next) = match schedule {
            Some(Ok(schedule)) => {
                let due = schedule.due(reached, now, since);
                let room = MOST.saturating_sub(self.open(connection)?);
                let newest = due.times.len().saturating_sub(room);
                let ticks = due.times.iter().skip(newest);
                let ticks: Vec<_> = ticks.map(|time| self.tick(*time, now)).collect();
                // Nobody may have used the component here yet.
                quota::begin(connection, &self.component)?;
                enqueue(connection, &ticks, now)?;
                (due.reached, due.next)
            }
            Some(Err(_)) | None => (reached, None),
        };
        if next.is_none() && !self.is_declared {
            let mut delete = connection.prepare_cached(DELETE)?;
            delete.execute(params![&*self.component, false, self.name])?;
            return Ok(());
        }
        connection.prepare_cached(MOVE_ON)?.execute(params![
            &*self.component,
            self.is_declared,
            self.name,
            reached.as_millisecond(),
            next.map(Timestamp::as_millisecond),
        ])?;
        Ok(())
    }

    /// How many of its ticks have not ended. A component that is behind gets no more than [`MOST`].
    fn open(&self, connection: &Connection) -> Result<usize, Error> {
        let key = self.key("");
        // The first text behind all that begin so.
        let mut end = key.clone();
        end.push(char::MAX);
        let target = &self.target;
        let values = params![&*self.component, target.kind(), target.name(), key, end];
        let mut open = connection.prepare_cached(OPEN)?;
        let open: i64 = open.query_row(values, |row| row.get(0))?;
        Ok(usize::try_from(open).unwrap_or_default())
    }

    fn key(&self, time: &str) -> String {
        // With its length, no name is the beginning of another.
        format!("schedule {}:{} {time}", self.name.len(), self.name)
    }

    /// The task that a time becomes.
    fn tick(&self, time: Timestamp, now: Timestamp) -> NewTask {
        let data = self.data.clone();
        NewTask {
            component: Arc::clone(&self.component),
            target: self.target.clone(),
            queue: self.queue.clone(),
            data: data.unwrap_or_else(|| format!("\"{time}\"")),
            after: Vec::new(),
            priority: 0,
            ready_at: now,
            deadline: None,
            retries: DEFAULT_RETRIES,
            unique: Some(self.key(&time.to_string())),
            acts_for: self.acts_for.clone(),
            keep: DEFAULT_KEEP,
        }
    }
}

fn written(timing: &Timing) -> String {
    // It is words and numbers alone, which JSON can write.
    serde_json::to_string(timing).unwrap_or_default()
}

fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}
