//! `tasks` of a test: what is enqueued waits until the test has it run.

use super::app::{App, TENANT};
use super::client::Reply;
pub(crate) use super::schedules::{
    NewSchedule, SetSchedule as Schedule, end_schedule, list_schedules, set_schedule,
};
use super::world::{World, granted};
pub(crate) use crate::bindings::generated::sbd::platform::tasks::{
    Error, Missed, Moment, NewTask, Progress, State, Task,
};
use crate::time::Time;
use crate::{Principal, context};
use serde_json::{Value, json};

/// How often a task is tried again if nothing is said.
const RETRIES: u32 = 8;
/// What a task that failed waits at least before it is tried again, in milliseconds.
const AGAIN: i64 = 60_000;
const MOST: usize = 1000;
const LARGEST: usize = 256 << 10;

/// The id of the task that [`super::Client::task`] sends.
pub(super) const SENT: &str = "tsk_019a2f3c8b7e7c2d9f00112233445566";

/// Tasks, in the order in which they were enqueued.
#[derive(Default)]
pub(super) struct Tasks(Vec<Enqueued>);

/// A task that a component under test has enqueued.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Enqueued {
    /// `tsk_...`
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub data: Value,
    /// The ids of those that it comes after.
    pub after: Vec<String>,
    /// From 0 to 9.
    pub priority: u8,
    /// The user for whom it acts.
    pub user: Option<String>,
    /// Where it is.
    pub state: crate::tasks::State,
    /// How often it was begun.
    pub attempts: u32,
    /// What its handler answered.
    pub result: Option<Value>,
    /// Why it failed, or failed last.
    pub reason: Option<String>,
    ready_at: i64,
    deadline: Option<i64>,
    retries: u32,
    unique: Option<String>,
    principal: Principal,
    progress: Option<Progress>,
    created_at: i64,
    ended_at: Option<i64>,
}

/// Who acts when a task is worked on.
#[derive(Clone)]
pub(super) struct Acting {
    /// The user for whom it is.
    user: Option<String>,
    principal: Principal,
}

// === impl App ===

impl App {
    /// The tasks that the component has enqueued so far, in order, with what became of them.
    pub fn enqueued(&self) -> Vec<Enqueued> {
        self.world().tasks.borrow().0.clone()
    }

    /// Works on all tasks that are ready by the clock of the test, on those that become ready by it, and
    /// on those of the schedules that were set that are due by now.
    /// One that fails is ready again a minute later, and later each time.
    #[track_caller]
    pub fn run_tasks(&self) {
        let due = self.world().schedules.borrow_mut().tick(self.world());
        self.world().tasks.borrow_mut().0.extend(due);
        loop {
            let begun = {
                let mut tasks = self.world().tasks.borrow_mut();
                tasks.begin(self.world().now.get())
            };
            let Some((id, name, body, principal)) = begun else {
                return;
            };
            let path = format!("{}{name}", crate::path::TASKS);
            let reply = self.by(principal).post(&path, body);
            let mut tasks = self.world().tasks.borrow_mut();
            tasks.answered(&id, &reply, self.world().now.get());
        }
    }
}

pub(crate) async fn enqueue(tasks: Vec<NewTask>) -> Result<Vec<String>, Error> {
    let world = granted("tasks");
    if tasks.is_empty() || tasks.len() > MOST {
        return Err(Error::Invalid(format!("1 to {MOST} tasks are enqueued")));
    }
    let mut enqueued: Vec<Enqueued> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for new in tasks {
        let same = {
            let known = world.tasks.borrow();
            let mut known = known.0.iter().chain(&enqueued);
            known
                .find(|task| task.is_same(&new))
                .map(|task| task.id.clone())
        };
        if let Some(same) = same {
            ids.push(same);
            continue;
        }
        let task = Enqueued::read(&world, new, &ids)?;
        ids.push(task.id.clone());
        enqueued.push(task);
    }
    world.tasks.borrow_mut().0.extend(enqueued);
    Ok(ids)
}

pub(crate) async fn get(id: String) -> Result<Option<Task>, Error> {
    let world = granted("tasks");
    let tasks = world.tasks.borrow();
    Ok(tasks
        .0
        .iter()
        .find(|task| task.id == id)
        .map(Enqueued::seen))
}

/// Nothing happens in a test while it waits.
pub(crate) async fn wait(id: String, _: u64) -> Result<Option<Task>, Error> {
    get(id).await
}

pub(crate) async fn cancel(id: String) -> Result<bool, Error> {
    let world = granted("tasks");
    let now = world.now.get();
    let mut tasks = world.tasks.borrow_mut();
    let is_open = |task: &Enqueued| task.id == id && !task.state.is_ended();
    if !tasks.0.iter().any(is_open) {
        return Ok(false);
    }
    tasks.end(&id, crate::tasks::State::Canceled, "it was canceled", now);
    Ok(true)
}

pub(crate) async fn report(id: String, attempt: u32, progress: Progress) -> Result<bool, Error> {
    let world = granted("tasks");
    if !(0.0..=1.0).contains(&progress.fraction) {
        return Err(Error::Invalid("progress is from 0 to 1".to_owned()));
    }
    if id == SENT {
        return Ok(true);
    }
    let mut tasks = world.tasks.borrow_mut();
    let theirs = tasks.0.iter_mut().find(|task| {
        task.id == id && task.attempts == attempt && task.state == crate::tasks::State::Running
    });
    let is_theirs = theirs.is_some();
    if let Some(task) = theirs {
        task.progress = Some(progress);
    }
    Ok(is_theirs)
}

// === impl Tasks ===

impl Tasks {
    /// Takes the task whose turn it is.
    fn begin(&mut self, now: i64) -> Option<(String, String, Value, Principal)> {
        use crate::tasks::State::{Blocked, Failed, Running, Waiting};
        let late = self.0.iter().filter(|task| {
            !task.state.is_ended() && task.deadline.is_some_and(|deadline| deadline <= now)
        });
        let late: Vec<String> = late.map(|task| task.id.clone()).collect();
        for id in late {
            self.end(&id, Failed, "it did not succeed before its deadline", now);
        }
        let results: Vec<(String, Value)> = self
            .0
            .iter()
            .filter_map(|task| Some((task.id.clone(), task.result.clone()?)))
            .collect();
        let result = |id: &String| {
            let mut results = results.iter();
            results
                .find(|(known, _)| known == id)
                .map(|(_, result)| result.clone())
        };
        for task in self.0.iter_mut().filter(|task| task.state == Blocked) {
            if task.after.iter().all(|first| result(first).is_some()) {
                task.state = Waiting;
            }
        }
        let ready = self
            .0
            .iter_mut()
            .filter(|task| task.state == Waiting && task.ready_at <= now);
        // Of several of the same priority the first one.
        let task = ready.rev().max_by_key(|task| task.priority)?;
        task.state = Running;
        task.attempts += 1;
        task.progress = None;
        let results: Vec<Value> = task.after.iter().filter_map(result).collect();
        let body = json!({
            "id": task.id, "attempt": task.attempts, "data": task.data, "results": results,
        });
        Some((
            task.id.clone(),
            task.name.clone(),
            body,
            task.principal.clone(),
        ))
    }

    fn answered(&mut self, id: &str, reply: &Reply, now: i64) {
        use crate::tasks::State::{Failed, Running, Succeeded, Waiting};
        let mut tasks = self.0.iter_mut();
        // It may have been canceled meanwhile.
        let Some(task) = tasks.find(|task| task.id == id && task.state == Running) else {
            return;
        };
        let reason = format!("{}: {}", reply.status(), reply.body());
        match reply.status() {
            200..300 => {
                task.state = Succeeded;
                task.result = Some(reply.body().clone());
                task.ended_at = Some(now);
            }
            408 | 425 | 429 | 500.. if task.attempts <= task.retries => {
                task.state = Waiting;
                task.ready_at = now + AGAIN * i64::from(task.attempts);
                task.reason = Some(reason);
            }
            _ => self.end(id, Failed, &reason, now),
        }
    }

    /// Ends a task otherwise than well, and those that come after it.
    fn end(&mut self, id: &str, state: crate::tasks::State, reason: &str, now: i64) {
        let mut behind = Vec::new();
        for task in &mut self.0 {
            if task.id == id && !task.state.is_ended() {
                task.state = state;
                task.reason = Some(reason.to_owned());
                task.ended_at = Some(now);
            }
            if task.after.iter().any(|first| first == id) && !task.state.is_ended() {
                behind.push(task.id.clone());
            }
        }
        for next in behind {
            let reason = format!("{id}, which it was to come after, has not succeeded");
            self.end(&next, state, &reason, now);
        }
    }
}

// === impl Enqueued ===

impl Enqueued {
    fn read(world: &World, new: NewTask, before: &[String]) -> Result<Self, Error> {
        if new.data.len() > LARGEST || new.priority > 9 {
            let bounds = "data has at most 256 KiB, and a priority is 0 to 9";
            return Err(Error::Invalid(bounds.to_owned()));
        }
        let after = new.after.iter().map(|place| {
            let first = before.get(*place as usize).cloned();
            first
                .ok_or_else(|| Error::Invalid(format!("no task stands in place {place} before it")))
        });
        let after = after.collect::<Result<Vec<_>, _>>()?;
        let invalid = |error: serde_json::Error| Error::Invalid(error.to_string());
        let Acting { user, principal } = Acting::of(new.for_user)?;
        let now = world.now.get();
        let later = |ms: u64| now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
        Ok(Self {
            id: crate::id::new("tsk"),
            name: new.name,
            data: serde_json::from_str(&new.data).map_err(invalid)?,
            state: match after.is_empty() {
                true => crate::tasks::State::Waiting,
                false => crate::tasks::State::Blocked,
            },
            after,
            priority: new.priority,
            user,
            attempts: 0,
            result: None,
            reason: None,
            ready_at: later(new.delay_ms),
            deadline: new.deadline_ms.map(later),
            retries: new.retries.unwrap_or(RETRIES),
            unique: new.unique,
            principal,
            progress: None,
            created_at: now,
            ended_at: None,
        })
    }

    /// What a schedule has enqueued.
    pub(super) fn by_schedule(world: &World, task: &str, data: &str, acting: Acting) -> Self {
        let now = world.now.get();
        Self {
            id: crate::id::new("tsk"),
            name: task.to_owned(),
            data: serde_json::from_str(data).unwrap(),
            after: Vec::new(),
            priority: 0,
            user: acting.user,
            state: crate::tasks::State::Waiting,
            attempts: 0,
            result: None,
            reason: None,
            ready_at: now,
            deadline: None,
            retries: RETRIES,
            unique: None,
            principal: acting.principal,
            progress: None,
            created_at: now,
            ended_at: None,
        }
    }

    fn is_same(&self, new: &NewTask) -> bool {
        self.name == new.name
            && new.unique.is_some()
            && self.unique == new.unique
            && !self.state.is_ended()
    }

    fn seen(&self) -> Task {
        let time = |at: i64| Time::from_milliseconds(at).to_string();
        Task {
            id: self.id.clone(),
            name: self.name.clone(),
            queue: "default".to_owned(),
            state: match self.state {
                crate::tasks::State::Blocked => State::Blocked,
                crate::tasks::State::Waiting => State::Waiting,
                crate::tasks::State::Running => State::Running,
                crate::tasks::State::Succeeded => State::Succeeded,
                crate::tasks::State::Failed => State::Failed,
                crate::tasks::State::Canceled => State::Canceled,
            },
            attempts: self.attempts,
            progress: self.progress.clone(),
            result: self.result.as_ref().map(Value::to_string),
            reason: self.reason.clone(),
            created_at: time(self.created_at),
            ended_at: self.ended_at.map(time),
        }
    }
}

// === impl Acting ===

impl Acting {
    /// The component itself, or the user of the request that is being answered.
    pub(super) fn of(for_user: bool) -> Result<Self, Error> {
        if !for_user {
            return Ok(Self {
                user: None,
                principal: Principal::service(TENANT, "test"),
            });
        }
        let nobody = || Error::Invalid("there is no user to act for".to_owned());
        let principal = context::current().and_then(|context| context.principal.clone());
        let principal = principal.ok_or_else(nobody)?;
        let user = principal.user.as_ref().ok_or_else(nobody)?.to_string();
        let scopes = principal.scopes.clone();
        Ok(Self {
            user: Some(user),
            principal: principal.delegated_to("test", &scopes),
        })
    }
}
