//! Whose turn it is, and when.

use super::rows::{self, time};
use crate::error::Error;
use crate::limits::MAX_PRIORITY;
use crate::task::Claimed;
use jiff::Timestamp;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;

/// By the index, priority by priority: what is not ready yet would stand between otherwise.
const FIRST: &str = "SELECT number, ready_at FROM tasks
    WHERE state = 'waiting' AND queue = ?1 AND priority = ?2
        AND (?3 = '[]' OR component NOT IN (SELECT value FROM json_each(?3)))
    ORDER BY ready_at LIMIT 1";
const BEGIN: &str = "UPDATE tasks SET state = 'running', attempts = attempts + 1, lease = ?2,
    fraction = NULL, message = NULL, details = NULL WHERE number = ?1";
const ONE: &str = rows::select!("WHERE number = ?1");
const CONTENTS: &str = "SELECT data, delegation FROM task_contents WHERE task = ?1";
const RESULTS: &str = "SELECT coalesce(result, 'null') FROM task_order
    JOIN task_contents ON task_contents.task = before WHERE task_order.task = ?1 ORDER BY place";
const NEXT: &str = "SELECT min(at) FROM (
    SELECT (SELECT min(lease) FROM tasks WHERE state = 'running') AS at
    UNION ALL SELECT (SELECT min(deadline) FROM tasks WHERE deadline IS NOT NULL AND ended_at IS NULL)
    UNION ALL SELECT (SELECT min(ended_at + keep) FROM tasks WHERE ended_at IS NOT NULL))";
const QUEUES: &str = "WITH RECURSIVE queues (queue) AS (
    SELECT min(queue) FROM tasks WHERE state = 'waiting'
    UNION ALL SELECT (SELECT min(queue) FROM tasks WHERE state = 'waiting' AND tasks.queue > queues.queue)
        FROM queues WHERE queue IS NOT NULL)
    SELECT queue FROM queues WHERE queue IS NOT NULL";

pub(super) fn claim(
    connection: &Connection,
    queue: &str,
    except: &[Arc<str>],
    now: Timestamp,
    lease: Timestamp,
) -> Result<Option<Claimed>, Error> {
    let firsts = firsts(connection, queue, except)?;
    let mut ready = firsts.into_iter().filter(|(_, ready_at)| *ready_at <= now);
    let Some((number, _)) = ready.next() else {
        return Ok(None);
    };
    let lease = lease.as_millisecond();
    connection.prepare_cached(BEGIN)?.execute([number, lease])?;
    let mut one = connection.prepare_cached(ONE)?;
    let mut contents = connection.prepare_cached(CONTENTS)?;
    let read = |row: &sbd_storage::rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (data, delegation): (Option<String>, _) = contents.query_row([number], read)?;
    let mut results = connection.prepare_cached(RESULTS)?;
    let results = results.query_map([number], |row| row.get(0))?;
    Ok(Some(Claimed {
        task: one.query_row([number], rows::task)?,
        data: data.unwrap_or_else(|| "null".to_owned()),
        delegation,
        results: results.collect::<Result<_, _>>()?,
    }))
}

pub(super) fn ready(
    connection: &Connection,
    except: &[Arc<str>],
) -> Result<Vec<(String, Timestamp)>, Error> {
    let mut queues = connection.prepare_cached(QUEUES)?;
    let queues = queues.query_map([], |row| row.get(0))?;
    let mut ready = Vec::new();
    for queue in queues.collect::<Result<Vec<String>, _>>()? {
        let firsts = firsts(connection, &queue, except)?;
        let first = firsts.into_iter().map(|(_, ready_at)| ready_at).min();
        ready.extend(first.map(|first| (queue, first)));
    }
    Ok(ready)
}

pub(super) fn next(
    connection: &Connection,
    except: &[Arc<str>],
) -> Result<Option<Timestamp>, Error> {
    let mut other = connection.prepare_cached(NEXT)?;
    let other: Option<i64> = other.query_row([], |row| row.get(0)).optional()?.flatten();
    let ready = ready(connection, except)?.into_iter().map(|(_, at)| at);
    Ok(ready.chain(other.map(time)).min())
}

/// The first waiting task of each priority, the highest first.
fn firsts(
    connection: &Connection,
    queue: &str,
    except: &[Arc<str>],
) -> Result<Vec<(i64, Timestamp)>, Error> {
    let except = serde_json::json!(except.iter().map(|one| &**one).collect::<Vec<&str>>());
    let except = except.to_string();
    let mut first = connection.prepare_cached(FIRST)?;
    let mut firsts = Vec::new();
    for priority in (0..=MAX_PRIORITY).rev() {
        let read = |row: &sbd_storage::rusqlite::Row<'_>| Ok((row.get(0)?, time(row.get(1)?)));
        let found = first.query_row(params![queue, priority, except], read);
        firsts.extend(found.optional()?);
    }
    Ok(firsts)
}
