//! New tasks.

use crate::error::Error;
use crate::task::{NewTask, State};
use jiff::Timestamp;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

const SAME: &str = "SELECT number, id FROM tasks
    WHERE (component, kind, name, unique_key) = (?1, ?2, ?3, ?4) AND ended_at IS NULL";
const INSERT: &str = "INSERT INTO tasks
    (id, component, kind, name, queue, state, priority, ready_at, deadline, missing, attempts,
     retries, unique_key, user, created_at, keep)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?12, ?13, ?14, ?15)";
const INSERT_CONTENTS: &str =
    "INSERT INTO task_contents (task, component, data, delegation) VALUES (?1, ?2, ?3, ?4)";
const INSERT_ORDER: &str = "INSERT INTO task_order (task, place, before) VALUES (?1, ?2, ?3)";

/// Enqueues tasks; answers their ids in order. For use in a job of the writer, so that whatever else the
/// job does happens with it or not at all.
pub(crate) fn enqueue(
    connection: &Connection,
    tasks: &[NewTask],
    now: Timestamp,
) -> Result<Vec<String>, Error> {
    let mut enqueued: Vec<(i64, String)> = Vec::with_capacity(tasks.len());
    for task in tasks {
        let one = match same(connection, task)? {
            Some(same) => same,
            None => insert(connection, task, &enqueued, now)?,
        };
        enqueued.push(one);
    }
    Ok(enqueued.into_iter().map(|(_, id)| id).collect())
}

/// The task that has the unique key of a new one.
fn same(connection: &Connection, task: &NewTask) -> Result<Option<(i64, String)>, Error> {
    let Some(unique) = &task.unique else {
        return Ok(None);
    };
    let target = &task.target;
    let values = params![&*task.component, target.kind(), target.name(), unique];
    let mut same = connection.prepare_cached(SAME)?;
    let same = same.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(same.optional()?)
}

fn insert(
    connection: &Connection,
    task: &NewTask,
    before: &[(i64, String)],
    now: Timestamp,
) -> Result<(i64, String), Error> {
    let first = |place: &usize| {
        let first = before.get(*place).map(|(number, _)| *number);
        first.ok_or_else(|| Error::Invalid(format!("there is no task {place} before this one")))
    };
    // None of them has succeeded: they are as new, or hold a key that those which ended hold no more.
    let first = task
        .after
        .iter()
        .map(first)
        .collect::<Result<Vec<_>, _>>()?;
    let state = match first.is_empty() {
        true => State::Waiting,
        false => State::Blocked,
    };
    let id = format!("tsk_{}", Uuid::now_v7().simple());
    let acts_for = task.acts_for.as_ref();
    connection.prepare_cached(INSERT)?.execute(params![
        id,
        &*task.component,
        task.target.kind(),
        task.target.name(),
        task.queue,
        state.word(),
        task.priority,
        task.ready_at.as_millisecond(),
        task.deadline.map(Timestamp::as_millisecond),
        i64::try_from(first.len()).unwrap_or(i64::MAX),
        task.retries,
        task.unique,
        acts_for.map(|who| &*who.user),
        now.as_millisecond(),
        i64::try_from(task.keep.as_millis()).unwrap_or(i64::MAX),
    ])?;
    let number = connection.last_insert_rowid();
    connection
        .prepare_cached(INSERT_CONTENTS)?
        .execute(params![
            number,
            &*task.component,
            task.data,
            acts_for.map(|who| &who.delegation),
        ])?;
    let mut order = connection.prepare_cached(INSERT_ORDER)?;
    for (place, first) in first.iter().enumerate() {
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        order.execute(params![number, place, first])?;
    }
    Ok((number, id))
}
