//! Tasks as they lie in the tables.

use crate::error::Error;
use crate::task::{Filter, Listed, Progress, State, Target, Task};
use jiff::Timestamp;
use sbd_storage::rusqlite::{Connection, Error as SqlError, Row, params};
use std::sync::Arc;

/// Begins every query whose rows [`task`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, component, kind, name, queue, state, priority, ready_at, deadline, attempts,
             retries, user, fraction, message, details,
             (SELECT result FROM task_contents WHERE task = number), reason, created_at, ended_at
             FROM tasks ",
            $rest
        )
    };
}
pub(super) use select;

pub(super) const ONE: &str = select!("WHERE id = ?1");
const OF_USER: &str = select!(
    "WHERE user = ?1 AND (?2 IS NULL OR state = ?2) ORDER BY number DESC LIMIT ?3 OFFSET ?4"
);
const ALL: &str = select!(
    "WHERE ?1 IS NULL AND (?2 IS NULL OR state = ?2) ORDER BY number DESC LIMIT ?3 OFFSET ?4"
);
const COUNT_OF_USER: &str =
    "SELECT count(*) FROM tasks WHERE user = ?1 AND (?2 IS NULL OR state = ?2)";
const COUNT: &str = "SELECT count(*) FROM tasks WHERE ?1 IS NULL AND (?2 IS NULL OR state = ?2)";

pub(super) fn list(
    connection: &Connection,
    filter: &Filter,
    offset: u64,
    limit: u32,
) -> Result<Listed, Error> {
    // One view for both.
    let moment = connection.unchecked_transaction()?;
    let (select, count) = match &filter.user {
        Some(_) => (OF_USER, COUNT_OF_USER),
        None => (ALL, COUNT),
    };
    let (user, state) = (filter.user.as_deref(), filter.state.map(State::word));
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let mut select = moment.prepare_cached(select)?;
    let tasks = select.query_map(params![user, state, limit, offset], task)?;
    let tasks = tasks.collect::<Result<_, _>>()?;
    let mut count = moment.prepare_cached(count)?;
    let total: i64 = count.query_row(params![user, state], |row| row.get(0))?;
    Ok(Listed {
        tasks,
        total: u64::try_from(total).unwrap_or_default(),
    })
}

pub(super) fn task(row: &Row<'_>) -> Result<Task, SqlError> {
    let kind: String = row.get(2)?;
    let state: String = row.get(5)?;
    let (message, data) = (row.get(13)?, row.get(14)?);
    Ok(Task {
        id: row.get(0)?,
        component: row.get::<_, String>(1)?.into(),
        target: Target::of_kind(&kind, row.get(3)?),
        queue: row.get(4)?,
        state: State::of_word(&state).unwrap_or(State::Failed),
        priority: row.get(6)?,
        ready_at: time(row.get(7)?),
        deadline: row.get::<_, Option<i64>>(8)?.map(time),
        attempts: row.get(9)?,
        retries: row.get(10)?,
        user: row.get::<_, Option<String>>(11)?.map(Arc::from),
        progress: row.get::<_, Option<f64>>(12)?.map(|fraction| Progress {
            fraction,
            message,
            data,
        }),
        result: row.get(15)?,
        reason: row.get(16)?,
        created_at: time(row.get(17)?),
        ended_at: row.get::<_, Option<i64>>(18)?.map(time),
    })
}

pub(super) fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}
