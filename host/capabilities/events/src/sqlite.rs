//! The embedded backend: two tables in the tenant's SQLite file.

use crate::Error;
use crate::backend::{
    Backend, Blocked, DeadLetter, Held, Position, Progress, Replay, Settled, Waiting,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use sbd_storage::Database;
use sbd_storage::quota;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use std::collections::BTreeMap;

/// AUTOINCREMENT: the number of a dead letter is not given again. `since` is set in dead letters alone.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS subscribers (
    name TEXT PRIMARY KEY,
    place INTEGER NOT NULL,
    replay TEXT,
    replay_until INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    subscriber TEXT NOT NULL,
    place INTEGER NOT NULL,
    key TEXT NOT NULL,
    publisher TEXT NOT NULL,
    event TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    since INTEGER,
    reason TEXT,
    UNIQUE (subscriber, place)
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (subscriber, key, place) WHERE since IS NULL;
CREATE INDEX IF NOT EXISTS deliveries_parked ON deliveries (since) WHERE since IS NOT NULL";
const ADD_PUBLISHER: &str = "ALTER TABLE deliveries ADD COLUMN publisher TEXT NOT NULL DEFAULT ''";
const POSITION: &str = "SELECT place, replay, replay_until FROM subscribers WHERE name = ?1";
const BEGIN: &str = "INSERT INTO subscribers (name, place) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const ADVANCE: &str = "UPDATE subscribers SET place = ?2,
    replay = CASE WHEN replay_until > ?2 THEN replay END,
    replay_until = CASE WHEN replay_until > ?2 THEN replay_until END
    WHERE name = ?1";
/// An event that is held already was sent once more by a replay; the first time counts.
const HOLD: &str = "INSERT INTO deliveries
    (subscriber, place, key, publisher, event, attempts, due, since, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (subscriber, place) DO NOTHING";
const DONE: &str = "DELETE FROM deliveries WHERE subscriber = ?1 AND place = ?2
    RETURNING publisher, octet_length(event)";
const AGAIN: &str =
    "UPDATE deliveries SET attempts = ?3, due = ?4 WHERE subscriber = ?1 AND place = ?2";
const PARK: &str = "UPDATE deliveries SET attempts = ?3, since = ?4, reason = ?5
    WHERE subscriber = ?1 AND place = ?2";
/// Of the columns that are not grouped, SQLite takes those of the row with the least place.
const BLOCKED: &str = "SELECT key, due, min(place) FROM deliveries
    WHERE subscriber = ?1 AND since IS NULL GROUP BY key ORDER BY due LIMIT ?2";
const WAITING: &str = "SELECT place, key, publisher, event, attempts, due FROM deliveries
    WHERE subscriber = ?1 AND key = ?2 AND since IS NULL ORDER BY place LIMIT ?3";
const LETTERS: &str = "SELECT number, subscriber, event, attempts, since, reason FROM deliveries
    WHERE since IS NOT NULL AND number > ?1 AND (?2 IS NULL OR subscriber = ?2)
    ORDER BY number LIMIT ?3";
const LETTER: &str = "SELECT number, subscriber, event, attempts, since, reason FROM deliveries
    WHERE number = ?1 AND since IS NOT NULL";
const RETRY: &str = "UPDATE deliveries SET attempts = 0, due = ?2, since = NULL, reason = NULL
    WHERE number = ?1 AND since IS NOT NULL RETURNING subscriber";
const DROP: &str = "DELETE FROM deliveries WHERE number = ?1 AND since IS NOT NULL
    RETURNING publisher, octet_length(event)";
const REPLAY: &str =
    "UPDATE subscribers SET place = ?2, replay = ?3, replay_until = ?4 WHERE name = ?1";
const FORGET: &str = "DELETE FROM deliveries WHERE since < ?1
    RETURNING publisher, octet_length(event)";

/// Bytes more or less that are kept of events, by their publishers.
#[derive(Default)]
struct Kept(BTreeMap<String, i64>);

/// The deliveries of one tenant in its SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteBackend {
    database: Database,
}

// === impl SqliteBackend ===

impl SqliteBackend {
    /// Uses the tenant's database, and makes the tables if they are not there yet.
    ///
    /// # Errors
    /// [`Error::Storage`] if they cannot be made.
    pub async fn open(database: Database) -> Result<Self, Error> {
        let make = |connection: &Connection| {
            connection.execute_batch(CREATE)?;
            // Earlier versions did not note it: what they hold counts for nobody.
            if !connection.column_exists(None, "deliveries", "publisher")? {
                connection.execute_batch(ADD_PUBLISHER)?;
            }
            Ok::<_, Error>(())
        };
        database.write(make).await?;
        Ok(Self { database })
    }

    /// Reads rows.
    async fn rows<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<Vec<T>, Error> + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        self.database.read(query).await
    }
}

impl Backend for SqliteBackend {
    fn begin<'a>(
        &'a self,
        subscriber: &'a str,
        newest: u64,
    ) -> BoxFuture<'a, Result<Position, Error>> {
        let name = subscriber.to_owned();
        async move {
            let known = name.clone();
            let read = move |connection: &Connection| position(connection, &known);
            if let Some(position) = self.database.read(read).await? {
                return Ok(position);
            }
            let begin = move |connection: &Connection| {
                connection.execute(BEGIN, params![name, signed(newest)])?;
                position(connection, &name)
            };
            let position = self.database.write(begin).await?;
            Ok(position.unwrap_or(Position {
                place: newest,
                replay: None,
            }))
        }
        .boxed()
    }

    fn record<'a>(
        &'a self,
        subscriber: &'a str,
        progress: Progress,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let name = subscriber.to_owned();
        let record = move |connection: &Connection| {
            let mut kept = Kept::default();
            for held in progress.held {
                hold(connection, &name, held, &mut kept)?;
            }
            for settled in progress.settled {
                settle(connection, &name, settled, &mut kept)?;
            }
            kept.count(connection)?;
            let place = signed(progress.place);
            connection
                .prepare_cached(ADVANCE)?
                .execute(params![name, place])?;
            Ok(())
        };
        self.database.write(record).boxed()
    }

    fn blocked<'a>(
        &'a self,
        subscriber: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Blocked>, Error>> {
        let name = subscriber.to_owned();
        self.rows(move |connection| {
            let mut blocked = connection.prepare_cached(BLOCKED)?;
            let rows = blocked.query_map(params![name, limit], |row| {
                Ok(Blocked {
                    key: row.get(0)?,
                    due: time(row.get(1)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .boxed()
    }

    fn waiting<'a>(
        &'a self,
        subscriber: &'a str,
        key: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Waiting>, Error>> {
        let (name, key) = (subscriber.to_owned(), key.to_owned());
        self.rows(move |connection| {
            let mut waiting = connection.prepare_cached(WAITING)?;
            let rows = waiting.query_map(params![name, key, limit], |row| {
                Ok(Waiting {
                    place: unsigned(row.get(0)?),
                    key: row.get(1)?,
                    publisher: row.get(2)?,
                    event: row.get(3)?,
                    attempts: row.get(4)?,
                    due: time(row.get(5)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .boxed()
    }

    fn dead_letters<'a>(
        &'a self,
        subscriber: Option<&'a str>,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, Error>> {
        let name = subscriber.map(str::to_owned);
        self.rows(move |connection| {
            let mut letters = connection.prepare_cached(LETTERS)?;
            let rows = letters.query_map(params![signed(after), name, limit], letter)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .boxed()
    }

    fn dead_letter(&self, number: u64) -> BoxFuture<'_, Result<Option<DeadLetter>, Error>> {
        let read = move |connection: &Connection| {
            let mut select = connection.prepare_cached(LETTER)?;
            Ok(select.query_row([signed(number)], letter).optional()?)
        };
        self.database.read(read).boxed()
    }

    fn retry(&self, number: u64, now: Timestamp) -> BoxFuture<'_, Result<Option<String>, Error>> {
        let retry = move |connection: &Connection| {
            let mut update = connection.prepare_cached(RETRY)?;
            let values = params![signed(number), now.as_millisecond()];
            Ok(update.query_row(values, |row| row.get(0)).optional()?)
        };
        self.database.write(retry).boxed()
    }

    fn drop_letter(&self, number: u64) -> BoxFuture<'_, Result<bool, Error>> {
        let delete = move |connection: &Connection| {
            let mut kept = Kept::default();
            let dropped = kept.delete(connection, DROP, [signed(number)])?;
            kept.count(connection)?;
            Ok(dropped > 0)
        };
        self.database.write(delete).boxed()
    }

    fn replay<'a>(
        &'a self,
        subscriber: &'a str,
        place: u64,
        replay: Replay,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        let name = subscriber.to_owned();
        let update = move |connection: &Connection| {
            let values = params![name, signed(place), replay.id, signed(replay.until)];
            Ok(connection.execute(REPLAY, values)? > 0)
        };
        self.database.write(update).boxed()
    }

    fn forget(&self, before: Timestamp) -> BoxFuture<'_, Result<u64, Error>> {
        let delete = move |connection: &Connection| {
            let mut kept = Kept::default();
            let forgotten = kept.delete(connection, FORGET, [before.as_millisecond()])?;
            kept.count(connection)?;
            Ok(forgotten)
        };
        self.database.write(delete).boxed()
    }
}

fn position(connection: &Connection, subscriber: &str) -> Result<Option<Position>, Error> {
    let mut select = connection.prepare_cached(POSITION)?;
    let position = select.query_row([subscriber], |row| {
        let (replay, until): (Option<String>, Option<i64>) = (row.get(1)?, row.get(2)?);
        Ok(Position {
            place: unsigned(row.get(0)?),
            replay: replay.zip(until).map(|(id, until)| Replay {
                id,
                until: unsigned(until),
            }),
        })
    });
    Ok(position.optional()?)
}

// === impl Kept ===

impl Kept {
    /// Deletes deliveries by a statement that returns publishers and bytes; answers how many.
    fn delete(
        &mut self,
        connection: &Connection,
        statement: &str,
        values: impl Params,
    ) -> Result<u64, Error> {
        let mut delete = connection.prepare_cached(statement)?;
        let mut rows = delete.query(values)?;
        let mut deleted = 0;
        while let Some(row) = rows.next()? {
            *self.0.entry(row.get(0)?).or_default() -= row.get::<_, i64>(1)?;
            deleted += 1;
        }
        Ok(deleted)
    }

    fn count(self, connection: &Connection) -> Result<(), Error> {
        let known = self.0.into_iter().filter(|(name, _)| !name.is_empty());
        for (publisher, bytes) in known {
            quota::begin(connection, &publisher)?;
            quota::recognise(connection, &publisher, bytes)?;
        }
        Ok(())
    }
}

fn hold(
    connection: &Connection,
    subscriber: &str,
    held: Held,
    kept: &mut Kept,
) -> Result<(), Error> {
    let (event, parked) = match held {
        Held::Waiting(event) => (event, None),
        Held::Parked { event, reason } => (event, Some(reason)),
    };
    let due = event.due.as_millisecond();
    let inserted = connection.prepare_cached(HOLD)?.execute(params![
        subscriber,
        signed(event.place),
        event.key,
        event.publisher,
        event.event,
        event.attempts,
        due,
        parked.is_some().then_some(due),
        parked,
    ])?;
    if inserted > 0 {
        let bytes = i64::try_from(event.event.len()).unwrap_or(i64::MAX);
        *kept.0.entry(event.publisher).or_default() += bytes;
    }
    Ok(())
}

fn settle(
    connection: &Connection,
    subscriber: &str,
    settled: Settled,
    kept: &mut Kept,
) -> Result<(), Error> {
    match settled {
        Settled::Done { place } => {
            let values = params![subscriber, signed(place)];
            kept.delete(connection, DONE, values)?;
        }
        Settled::Again {
            place,
            attempts,
            due,
        } => {
            let values = params![subscriber, signed(place), attempts, due.as_millisecond()];
            connection.prepare_cached(AGAIN)?.execute(values)?;
        }
        Settled::Parked {
            place,
            attempts,
            since,
            reason,
        } => {
            let since = since.as_millisecond();
            let values = params![subscriber, signed(place), attempts, since, reason];
            connection.prepare_cached(PARK)?.execute(values)?;
        }
    }
    Ok(())
}

fn letter(row: &Row<'_>) -> Result<DeadLetter, sbd_storage::rusqlite::Error> {
    Ok(DeadLetter {
        number: unsigned(row.get(0)?),
        subscriber: row.get(1)?,
        event: row.get(2)?,
        attempts: row.get(3)?,
        since: time(row.get(4)?),
        reason: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}
