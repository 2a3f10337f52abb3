//! The events of a tenant that are to be delivered: one table, made for the first of them.

use super::session::text_of;
use crate::{Error, Event, Published, Retention};
use jiff::Timestamp;
use sbd_metering::Cause;
use sbd_storage::quota::{self, Counted};
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

const TABLE: &str = "outbox";
/// AUTOINCREMENT: a place is not given again when the last event is forgotten.
const CREATE: &str = "CREATE TABLE outbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    time INTEGER NOT NULL,
    component TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT,
    data TEXT NOT NULL,
    attributes TEXT NOT NULL,
    request TEXT,
    event TEXT,
    user TEXT,
    trace TEXT
) STRICT";
/// All of its texts: many small events fill a disk as few large ones do.
const BYTES: &str = "octet_length(concat({row}.id, {row}.component, {row}.kind, {row}.subject, \
    {row}.data, {row}.attributes, {row}.request, {row}.event, {row}.user, {row}.trace))";
const IS_THERE: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'outbox'";
const INSERT: &str = "INSERT INTO outbox
    (id, time, component, kind, subject, data, attributes, request, event, user, trace)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const AFTER: &str = "SELECT place, id, time, component, kind, subject, data, attributes, request,
    event, user, trace FROM outbox WHERE place > ?1 ORDER BY place LIMIT ?2";
const FORGET: &str = "DELETE FROM outbox WHERE place <= ?1";
/// Places and times have one order.
const BEFORE: &str = "SELECT place FROM outbox WHERE time < ?1 ORDER BY place DESC LIMIT 1";
/// The first place that is too much, counted from the newest.
const TOO_MUCH: &str = "SELECT place FROM (
    SELECT place, sum(octet_length(data)) OVER (ORDER BY place DESC) AS bytes FROM outbox)
    WHERE bytes > ?1 ORDER BY place DESC LIMIT 1";

/// Stores an event; answers its id. For use in a job of the writer, where ids, times and places come
/// in one order.
pub(super) fn publish(
    connection: &Connection,
    component: &str,
    event: Event,
) -> Result<String, Error> {
    if !is_there(connection)? {
        connection.execute_batch(CREATE)?;
        let counted = Counted {
            table: TABLE,
            condition: "1",
            bytes: BYTES,
            documents: 0,
        };
        quota::count_each(connection, "component", counted)?;
    }
    let id = format!("evt_{}", Uuid::now_v7().simple());
    let attributes = event.attributes.into_iter();
    let attributes: Map<_, _> = attributes
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    let cause = &event.cause;
    connection.prepare_cached(INSERT)?.execute(params![
        id,
        Timestamp::now().as_millisecond(),
        component,
        event.kind,
        event.subject,
        event.data,
        Value::Object(attributes).to_string(),
        cause.request.as_deref(),
        cause.event.as_deref(),
        cause.user.as_deref(),
        cause.trace.as_deref(),
    ])?;
    Ok(id)
}

/// The first events behind a place, so many and of so many bytes of data at most; one at least.
pub(super) fn after(
    connection: &Connection,
    place: u64,
    limit: u32,
    bytes: usize,
) -> Result<Vec<Published>, Error> {
    if !connection.prepare_cached(IS_THERE)?.exists([])? {
        return Ok(Vec::new());
    }
    let mut after = connection.prepare_cached(AFTER)?;
    let mut rows = after.query(params![number(place), limit])?;
    let (mut events, mut held) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        held += text_of(row, 6)?.len();
        if held > bytes && !events.is_empty() {
            break;
        }
        events.push(read(row)?);
    }
    Ok(events)
}

/// The last place before a time.
pub(super) fn place_at(connection: &Connection, time: Timestamp) -> Result<u64, Error> {
    if !connection.prepare_cached(IS_THERE)?.exists([])? {
        return Ok(0);
    }
    place(connection, BEFORE, time.as_millisecond())
}

/// Deletes the events up to a place, but for those that are to be kept; answers how many.
pub(super) fn forget(
    connection: &Connection,
    mut up_to: u64,
    keep: Option<Retention>,
) -> Result<u64, Error> {
    if !is_there(connection)? {
        return Ok(0);
    }
    if let Some(keep) = keep {
        let old = place(connection, BEFORE, keep.since.as_millisecond())?;
        let too_much = place(connection, TOO_MUCH, number(keep.bytes))?;
        up_to = up_to.min(old.max(too_much));
    }
    let forgotten = connection
        .prepare_cached(FORGET)?
        .execute([number(up_to)])?;
    Ok(u64::try_from(forgotten).unwrap_or(u64::MAX))
}

/// The place that a query finds; 0 if none.
fn place(connection: &Connection, query: &str, value: i64) -> Result<u64, Error> {
    let found: Option<i64> = connection
        .prepare_cached(query)?
        .query_row([value], |row| row.get(0))
        .optional()?;
    Ok(found
        .and_then(|place| u64::try_from(place).ok())
        .unwrap_or_default())
}

/// Whether there is the table, for use on the writer: a reader remembers the tables of before.
fn is_there(connection: &Connection) -> Result<bool, Error> {
    Ok(connection.table_exists(Some("main"), TABLE)?)
}

fn read(row: &Row<'_>) -> Result<Published, Error> {
    let known = |column| Ok::<_, Error>(row.get::<_, Option<String>>(column)?.map(Arc::from));
    let time: i64 = row.get(2)?;
    let time = Timestamp::from_millisecond(time).map_err(|error| damaged(&error))?;
    let attributes: Map<String, Value> =
        serde_json::from_str(text_of(row, 7)?).map_err(|error| damaged(&error))?;
    let attributes = attributes
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::String(value) => Some((name, value)),
            _ => None,
        });
    Ok(Published {
        place: u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
        id: row.get(1)?,
        time,
        component: row.get(3)?,
        event: Event {
            kind: row.get(4)?,
            subject: row.get(5)?,
            data: row.get(6)?,
            attributes: attributes.collect(),
            cause: Cause {
                request: known(8)?,
                event: known(9)?,
                user: known(10)?,
                trace: known(11)?,
                ..Cause::default()
            },
        },
    })
}

fn damaged(error: &dyn std::error::Error) -> Error {
    Error::Unavailable(format!("an event is damaged: {error}"))
}

fn number(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}
