//! How attempts and tasks end. A task ends in [`end`] alone, and once.

use crate::error::Error;
use crate::limits::MAX_RESULTS_BYTES;
use crate::task::{Finish, State};
use jiff::Timestamp;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};

/// The ids of tasks that ended.
pub(crate) type Ended = Vec<String>;

/// Rows that are tended at once, so that no job of the writer is long.
const BATCH: i64 = 500;

const THEIRS: &str = "SELECT number, attempts, retries FROM tasks
    WHERE id = ?1 AND attempts = ?2 AND state = 'running'";
const OPEN: &str = "SELECT number FROM tasks WHERE id = ?1 AND ended_at IS NULL";
const LENT: &str = "SELECT number, attempts, retries FROM tasks
    WHERE state = 'running' AND lease <= ?1 ORDER BY lease LIMIT ?2";
const MISSED: &str = "SELECT number FROM tasks
    WHERE deadline <= ?1 AND ended_at IS NULL ORDER BY deadline LIMIT ?2";
const AGAIN: &str = "UPDATE tasks SET state = 'waiting', lease = NULL, ready_at = ?2,
    reason = coalesce(?3, reason), attempts = attempts - ?4 WHERE number = ?1";
const END: &str = "UPDATE tasks SET state = ?2, ended_at = ?3, lease = NULL, reason = ?4
    WHERE number = ?1 AND ended_at IS NULL RETURNING id";
const END_CONTENTS: &str =
    "UPDATE task_contents SET data = NULL, delegation = NULL, result = ?2 WHERE task = ?1";
const UNBEGUN: &str =
    "SELECT number FROM tasks WHERE component = ?1 AND kind = 'schedule' AND name = ?2
    AND ended_at IS NULL AND state = 'waiting' AND attempts = 0";
const END_ORDER: &str = "DELETE FROM task_order WHERE task = ?1";
const AFTER: &str = "SELECT DISTINCT task FROM task_order WHERE before = ?1";
const FEWER: &str = "UPDATE tasks SET missing = missing -
    (SELECT count(*) FROM task_order WHERE task = number AND before = ?2)
    WHERE number = ?1 RETURNING missing";
const UNBLOCK: &str = "UPDATE tasks SET state = 'waiting', ready_at = max(ready_at, ?2)
    WHERE number = ?1 AND state = 'blocked'";
const RESULTS_BYTES: &str = "SELECT coalesce(sum(octet_length(result)), 0) FROM task_order
    JOIN task_contents ON task_contents.task = before WHERE task_order.task = ?1";
/// What others come after is needed until they have ended.
const FORGET: &str = "DELETE FROM tasks WHERE number IN (
    SELECT number FROM tasks WHERE ended_at IS NOT NULL AND ended_at + keep <= ?1
        AND NOT EXISTS (SELECT 1 FROM task_order WHERE before = number)
    ORDER BY ended_at + keep LIMIT ?2)";

/// An attempt that is at its end.
struct Attempt {
    number: i64,
    attempts: u32,
    retries: u32,
}

/// How a task ends.
struct End<'a> {
    state: State,
    result: Option<&'a str>,
    reason: Option<&'a str>,
}

pub(super) fn finish(
    connection: &Connection,
    id: &str,
    attempt: u32,
    finish: Finish,
    now: Timestamp,
) -> Result<(Option<State>, Ended), Error> {
    let mut theirs = connection.prepare_cached(THEIRS)?;
    let theirs = theirs.query_row(params![id, attempt], Attempt::read);
    let Some(theirs) = theirs.optional()? else {
        return Ok((None, Ended::new()));
    };
    let mut ended = Ended::new();
    let state = match finish {
        Finish::Succeeded { result } => {
            let success = End {
                state: State::Succeeded,
                result: Some(&result),
                reason: None,
            };
            end(connection, theirs.number, &success, now, &mut ended)?;
            State::Succeeded
        }
        Finish::Again { at, reason } => theirs.again(connection, at, &reason, now, &mut ended)?,
        Finish::Failed { reason } => {
            end(
                connection,
                theirs.number,
                &End::failed(&reason),
                now,
                &mut ended,
            )?;
            State::Failed
        }
        Finish::NotBegun { at } => {
            let values = params![theirs.number, at.as_millisecond(), None::<&str>, 1];
            connection.prepare_cached(AGAIN)?.execute(values)?;
            State::Waiting
        }
    };
    Ok((Some(state), ended))
}

pub(super) fn cancel(
    connection: &Connection,
    id: &str,
    now: Timestamp,
) -> Result<(bool, Ended), Error> {
    let mut open = connection.prepare_cached(OPEN)?;
    let number = open.query_row([id], |row| row.get(0)).optional()?;
    let mut ended = Ended::new();
    if let Some(number) = number {
        let canceled = End {
            state: State::Canceled,
            result: None,
            reason: Some("it was canceled"),
        };
        end(connection, number, &canceled, now, &mut ended)?;
    }
    Ok((number.is_some(), ended))
}

/// Ends the ticks of a schedule that nobody has begun to work on: it is no longer declared.
pub(crate) fn withdraw(
    connection: &Connection,
    component: &str,
    schedule: &str,
    now: Timestamp,
) -> Result<Ended, Error> {
    let mut unbegun = connection.prepare_cached(UNBEGUN)?;
    let unbegun = unbegun.query_map(params![component, schedule], |row| row.get(0))?;
    let withdrawn = End {
        state: State::Canceled,
        result: None,
        reason: Some("its schedule was switched off before it began"),
    };
    let mut ended = Ended::new();
    for number in unbegun.collect::<Result<Vec<i64>, _>>()? {
        end(connection, number, &withdrawn, now, &mut ended)?;
    }
    Ok(ended)
}

/// Gives back what was lent until then.
pub(super) fn give_back(
    connection: &Connection,
    until: Timestamp,
    now: Timestamp,
) -> Result<Ended, Error> {
    let mut ended = Ended::new();
    loop {
        let mut lent = connection.prepare_cached(LENT)?;
        let lent = lent.query_map(params![until.as_millisecond(), BATCH], Attempt::read)?;
        let lent = lent.collect::<Result<Vec<_>, _>>()?;
        if lent.is_empty() {
            return Ok(ended);
        }
        for attempt in lent {
            let reason = "whoever worked on it was lost";
            attempt.again(connection, now, reason, now, &mut ended)?;
        }
    }
}

pub(super) fn tend(connection: &Connection, now: Timestamp) -> Result<(bool, Ended), Error> {
    let mut ended = give_back(connection, now, now)?;
    let mut missed = connection.prepare_cached(MISSED)?;
    let missed = missed.query_map(params![now.as_millisecond(), BATCH], |row| row.get(0))?;
    let missed = missed.collect::<Result<Vec<i64>, _>>()?;
    for number in &missed {
        let late = End::failed("it did not succeed before its deadline");
        end(connection, *number, &late, now, &mut ended)?;
    }
    let mut forget = connection.prepare_cached(FORGET)?;
    let forgotten = forget.execute(params![now.as_millisecond(), BATCH])?;
    let batch = usize::try_from(BATCH).unwrap_or(usize::MAX);
    Ok((missed.len() >= batch || forgotten >= batch, ended))
}

/// Ends a task, if it has not ended, and does to those that come after it what follows from that.
fn end(
    connection: &Connection,
    number: i64,
    how: &End<'_>,
    now: Timestamp,
    ended: &mut Ended,
) -> Result<(), Error> {
    let Some(id) = end_one(connection, number, how, now)? else {
        return Ok(());
    };
    let mut behind = match how.state {
        State::Succeeded => unblock(connection, number, now)?,
        _ => after(connection, number)?,
    };
    let state = match how.state {
        State::Canceled => State::Canceled,
        _ => State::Failed,
    };
    let reason = match how.state {
        State::Succeeded => format!(
            "the results that it was to have are larger than {} MiB together",
            MAX_RESULTS_BYTES >> 20
        ),
        State::Canceled => format!("{id}, which it was to come after, was canceled"),
        _ => format!("{id}, which it was to come after, failed"),
    };
    ended.push(id);
    // One by one instead of in itself: a chain may be long.
    while let Some(next) = behind.pop() {
        let how = End {
            state,
            result: None,
            reason: Some(&reason),
        };
        let Some(id) = end_one(connection, next, &how, now)? else {
            continue;
        };
        behind.extend(after(connection, next)?);
        ended.push(id);
    }
    Ok(())
}

/// Ends a task alone; answers its id, or `None` if it has ended before.
fn end_one(
    connection: &Connection,
    number: i64,
    how: &End<'_>,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let values = params![number, how.state.word(), now.as_millisecond(), how.reason];
    let mut end = connection.prepare_cached(END)?;
    let Some(id) = end.query_row(values, |row| row.get(0)).optional()? else {
        return Ok(None);
    };
    let mut contents = connection.prepare_cached(END_CONTENTS)?;
    contents.execute(params![number, how.result])?;
    connection.prepare_cached(END_ORDER)?.execute([number])?;
    Ok(Some(id))
}

/// Those that come after a task have one less to wait for. Answers which of them cannot have the results
/// that they waited for.
fn unblock(connection: &Connection, number: i64, now: Timestamp) -> Result<Vec<i64>, Error> {
    let mut overfed = Vec::new();
    for next in after(connection, number)? {
        let mut fewer = connection.prepare_cached(FEWER)?;
        let missing: i64 = fewer.query_row([next, number], |row| row.get(0))?;
        if missing > 0 {
            continue;
        }
        let mut bytes = connection.prepare_cached(RESULTS_BYTES)?;
        let bytes: i64 = bytes.query_row([next], |row| row.get(0))?;
        if usize::try_from(bytes).is_ok_and(|bytes| bytes > MAX_RESULTS_BYTES) {
            overfed.push(next);
            continue;
        }
        let mut unblock = connection.prepare_cached(UNBLOCK)?;
        unblock.execute([next, now.as_millisecond()])?;
    }
    Ok(overfed)
}

/// Those that come right after a task.
fn after(connection: &Connection, number: i64) -> Result<Vec<i64>, Error> {
    let mut after = connection.prepare_cached(AFTER)?;
    let after = after.query_map([number], |row| row.get(0))?;
    Ok(after.collect::<Result<_, _>>()?)
}

// === impl Attempt ===

impl Attempt {
    fn read(row: &Row<'_>) -> Result<Self, sbd_storage::rusqlite::Error> {
        Ok(Self {
            number: row.get(0)?,
            attempts: row.get(1)?,
            retries: row.get(2)?,
        })
    }

    /// Tries the task again then, if it may be tried again.
    fn again(
        &self,
        connection: &Connection,
        at: Timestamp,
        reason: &str,
        now: Timestamp,
        ended: &mut Ended,
    ) -> Result<State, Error> {
        if self.attempts > self.retries {
            end(connection, self.number, &End::failed(reason), now, ended)?;
            return Ok(State::Failed);
        }
        let values = params![self.number, at.as_millisecond(), Some(reason), 0];
        connection.prepare_cached(AGAIN)?.execute(values)?;
        Ok(State::Waiting)
    }
}

// === impl End ===

impl<'a> End<'a> {
    fn failed(reason: &'a str) -> Self {
        Self {
            state: State::Failed,
            result: None,
            reason: Some(reason),
        }
    }
}
