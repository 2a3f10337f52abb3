//! The host side of `sbd:platform/tasks`. The store is free while a call waits.

use crate::bindings::tasks as wit;
use crate::limits::{
    DEFAULT_KEEP, DEFAULT_RETRIES, MAX_AFTER, MAX_DATA_BYTES, MAX_DELAY, MAX_KEEP,
    MAX_MESSAGE_BYTES, MAX_PRIORITY, MAX_PROGRESS_BYTES, MAX_RETRIES, MAX_UNIQUE_BYTES,
};
use crate::schedules::{self, SetSchedule};
use crate::task::{ActsFor, NewTask, Progress, State, Target, Task};
use crate::{Error, Tasks, TasksCtx};
use jiff::{SignedDuration, Timestamp};
use sbd_metering::{Charge, Metered, OverLimit};
use serde::de::IgnoredAny;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl wit::Host for TasksCtx {}

impl<T: Metered> wit::HostWithStore<T> for Tasks {
    async fn enqueue(
        store: &Accessor<T, Self>,
        tasks: Vec<wit::NewTask>,
    ) -> Result<Vec<String>, wit::Error> {
        let bytes = tasks.iter().map(bytes_of).sum();
        let (ctx, charge) = called(store, "enqueue", bytes)?;
        let now = Timestamp::now();
        let tasks = tasks.into_iter().enumerate();
        let tasks = tasks.map(|(place, task)| read(&ctx, &charge, place, task, now));
        let tasks = tasks.collect::<Result<_, _>>()?;
        let ids = told(&charge, ctx.enqueue(tasks).await)?;
        charge.written(ids.iter().map(String::len).sum());
        Ok(ids)
    }

    async fn get(store: &Accessor<T, Self>, id: String) -> Result<Option<wit::Task>, wit::Error> {
        let (ctx, charge) = called(store, "get", id.len())?;
        answer(&charge, ctx.get(&id).await?)
    }

    async fn wait(
        store: &Accessor<T, Self>,
        id: String,
        ms: u64,
    ) -> Result<Option<wit::Task>, wit::Error> {
        let (ctx, charge) = called(store, "wait", id.len())?;
        let task = ctx.wait(&id, Duration::from_millis(ms)).await?;
        answer(&charge, task)
    }

    async fn cancel(store: &Accessor<T, Self>, id: String) -> Result<bool, wit::Error> {
        let (ctx, _) = called(store, "cancel", id.len())?;
        Ok(ctx.cancel(&id).await?)
    }

    async fn report(
        store: &Accessor<T, Self>,
        id: String,
        attempt: u32,
        progress: wit::Progress,
    ) -> Result<bool, wit::Error> {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let bytes = id.len() + text(&progress.message) + text(&progress.data);
        let (ctx, _) = called(store, "report", bytes)?;
        Ok(ctx.report(&id, attempt, read_progress(progress)?).await?)
    }

    async fn set_schedule(
        store: &Accessor<T, Self>,
        schedule: wit::NewSchedule,
    ) -> Result<(), wit::Error> {
        let bytes = schedules::bytes_of(&schedule);
        let (ctx, charge) = called(store, "set-schedule", bytes)?;
        let schedule = schedules::read(&ctx, &charge, schedule, Timestamp::now())?;
        Ok(told(&charge, ctx.set_schedule(schedule).await)?)
    }

    async fn end_schedule(store: &Accessor<T, Self>, name: String) -> Result<bool, wit::Error> {
        let (ctx, _) = called(store, "end-schedule", name.len())?;
        Ok(ctx.end_schedule(&name).await?)
    }

    async fn list_schedules(store: &Accessor<T, Self>) -> Result<Vec<wit::Schedule>, wit::Error> {
        let (ctx, charge) = called(store, "list-schedules", 0)?;
        let schedules = ctx.schedules().await?;
        let bytes = |of: &SetSchedule| of.name.len() + of.task.len();
        charge.answer(schedules.iter().map(bytes).sum())?;
        Ok(schedules.into_iter().map(Into::into).collect())
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Tasks>,
    operation: &'static str,
    bytes: usize,
) -> Result<(TasksCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "tasks", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

/// Notes a limit that refused a write.
fn told<R>(charge: &Charge, result: Result<R, Error>) -> Result<R, Error> {
    if let Some(limit) = result.as_ref().err().and_then(Error::over_quota) {
        charge.refused(limit);
    }
    result
}

fn answer(charge: &Charge, task: Option<Task>) -> Result<Option<wit::Task>, wit::Error> {
    let Some(task) = task else {
        return Ok(None);
    };
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let said = task.progress.as_ref();
    let said = said.map_or(0, |said| text(&said.message) + text(&said.data));
    charge.answer(text(&task.result) + text(&task.reason) + said)?;
    Ok(Some(task.into()))
}

fn bytes_of(task: &wit::NewTask) -> usize {
    let after = task.after.len() * size_of::<u32>();
    let unique = task.unique.as_ref().map_or(0, String::len);
    task.name.len() + task.data.len() + after + unique
}

/// A new task, with all that is promised of it.
fn read(
    ctx: &TasksCtx,
    charge: &Charge,
    place: usize,
    task: wit::NewTask,
    now: Timestamp,
) -> Result<NewTask, Error> {
    let queue = ctx.queue(&task.name)?.to_owned();
    check_data(&task.data)?;
    let after: Vec<usize> = task.after.iter().map(|first| *first as usize).collect();
    if let Some(first) = after.iter().find(|first| **first >= place) {
        return Err(Error::Invalid(format!(
            "the task in place {place} comes after the one in place {first}, which does not stand before it; change their order"
        )));
    }
    at_most("places in `after`", after.len(), MAX_AFTER)?;
    at_most("priority", task.priority.into(), MAX_PRIORITY.into())?;
    let retries = task.retries.unwrap_or(DEFAULT_RETRIES);
    at_most("retries", retries as usize, MAX_RETRIES as usize)?;
    if let Some(unique) = &task.unique {
        check_unique(unique)?;
    }
    let delay = duration("delay-ms", task.delay_ms, MAX_DELAY)?;
    let keep = task.keep_ms.map(|keep| duration("keep-ms", keep, MAX_KEEP));
    let deadline = task.deadline_ms.map(|deadline| later(now, deadline));
    Ok(NewTask {
        component: Arc::clone(ctx.component()),
        target: Target::Task(task.name),
        queue,
        data: task.data,
        after,
        priority: task.priority,
        ready_at: now + delay,
        deadline,
        retries,
        unique: task.unique,
        acts_for: task.for_user.then(|| acts_for(charge)).transpose()?,
        keep: keep.transpose()?.unwrap_or(DEFAULT_KEEP),
    })
}

/// For whom the running request is, as far as that may be left to the component.
pub(crate) fn acts_for(charge: &Charge) -> Result<ActsFor, Error> {
    let delegated = charge.delegate().map_err(Error::Invalid)?;
    Ok(ActsFor {
        user: delegated.user,
        delegation: delegated.sealed,
    })
}

/// Refuses data that is too large or no JSON.
pub(crate) fn check_data(data: &str) -> Result<(), Error> {
    at_most("bytes of data", data.len(), MAX_DATA_BYTES)?;
    check_json("the data", data)
}

fn check_json(what: &str, text: &str) -> Result<(), Error> {
    let json: Result<IgnoredAny, _> = serde_json::from_str(text);
    json.map(drop)
        .map_err(|error| Error::Invalid(format!("{what} is no JSON: {error}; correct it")))
}

fn check_unique(unique: &str) -> Result<(), Error> {
    if unique.is_empty() {
        let empty =
            "a unique key has 1 byte at least; leave it out, or say what is not to be done twice";
        return Err(Error::Invalid(empty.to_owned()));
    }
    at_most("bytes of a unique key", unique.len(), MAX_UNIQUE_BYTES)
}

fn read_progress(progress: wit::Progress) -> Result<Progress, Error> {
    let wit::Progress {
        fraction,
        message,
        data,
    } = progress;
    if !(0.0..=1.0).contains(&fraction) {
        return Err(Error::Invalid(format!(
            "progress is from 0 to 1, not {fraction}; divide what is done by what there is to do"
        )));
    }
    if let Some(message) = &message {
        at_most("bytes of a message", message.len(), MAX_MESSAGE_BYTES)?;
    }
    if let Some(data) = &data {
        at_most("bytes of progress", data.len(), MAX_PROGRESS_BYTES)?;
        check_json("the progress", data)?;
    }
    Ok(Progress {
        fraction,
        message,
        data,
    })
}

pub(crate) fn at_most(what: &str, given: usize, most: usize) -> Result<(), Error> {
    match given <= most {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "{what}: {given}, and at most {most}; give less"
        ))),
    }
}

fn duration(what: &str, milliseconds: u64, most: SignedDuration) -> Result<SignedDuration, Error> {
    let given = i64::try_from(milliseconds).map(SignedDuration::from_millis);
    given.ok().filter(|given| *given <= most).ok_or_else(|| {
        let most = most.as_millis();
        Error::Invalid(format!(
            "`{what}` is {milliseconds}, and at most {most}; give less"
        ))
    })
}

/// So many milliseconds later, or at the end of all times.
fn later(now: Timestamp, milliseconds: u64) -> Timestamp {
    let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    let later = now.checked_add(SignedDuration::from_millis(milliseconds));
    later.unwrap_or(Timestamp::MAX)
}

impl From<Task> for wit::Task {
    fn from(task: Task) -> Self {
        let Task {
            id,
            target: Target::Task(name) | Target::Schedule(name),
            queue,
            attempts,
            reason,
            result,
            ..
        } = task;
        Self {
            id,
            name,
            queue,
            state: task.state.into(),
            attempts,
            progress: task.progress.map(|said| wit::Progress {
                fraction: said.fraction,
                message: said.message,
                data: said.data,
            }),
            result,
            reason,
            created_at: task.created_at.to_string(),
            ended_at: task.ended_at.map(|ended| ended.to_string()),
        }
    }
}

impl From<State> for wit::State {
    fn from(state: State) -> Self {
        match state {
            State::Blocked => Self::Blocked,
            State::Waiting => Self::Waiting,
            State::Running => Self::Running,
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Canceled => Self::Canceled,
        }
    }
}

impl From<OverLimit> for wit::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        match error {
            Error::UnknownTask(_) => Self::UnknownTask(words),
            Error::Invalid(_) => Self::Invalid(words),
            Error::Limit(_) | Error::Storage(sbd_storage::Error::Quota(_)) => Self::Limit(words),
            Error::Storage(sbd_storage::Error::Full) => Self::Full,
            Error::Unavailable(_) | Error::Storage(_) => Self::Unavailable(words),
        }
    }
}
