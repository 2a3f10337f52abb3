//! Queued work: what is to be done later, by this component itself.
//!
//! ```
//! # use sbd_sdk::{Component, Json, Result, task, tasks::{self, New, Work}};
//! # use serde::{Deserialize, Serialize}; use serde_json::json; use std::time::Duration;
//! #[derive(Serialize, Deserialize)]
//! struct Index { document: String }
//!
//! #[task("index", queue = "ai")]
//! async fn index(work: Work<Index>) -> Result<Json<usize>> {
//!     work.report(0.5, "reading").await?;
//!     Ok(Json(work.data.document.len()))
//! }
//! # #[task("merge")] async fn merge(work: Work<serde_json::Value>) -> Result<Json<Vec<serde_json::Value>>> { Ok(Json(work.results)) }
//! # let app = sbd_sdk::testing::App::new(Component::new().tasks([index(), merge()]));
//! # app.run(async {
//! let one = |document: &str| New::of("index", &Index { document: document.to_owned() });
//! let id = one("doc_1")?.priority(3).retries(2).unique("doc_1").enqueue().await?;
//! # tasks::cancel(&id).await?;
//! // Several at once, and then one that has the results of them all.
//! let ids = tasks::chord([one("doc_1")?, one("doc_2")?], New::of("merge", &json!({}))?).enqueue().await?;
//! # Ok::<_, sbd_sdk::Error>(ids) }).unwrap();
//! # app.run_tasks();
//! ```
//!
//! A task is stored when it is enqueued, and comes to its handler at least once: where that fails or is
//! cut off, it comes again, so a handler must bear to see it twice. What the handler answers is the task's
//! result; a refusal (4xx) says that trying again is no use.

use crate::bindings::tasks as host;
use crate::time::Time;
use crate::{Error, Json};
use axum::extract::{FromRequest, Request};
use axum::routing::MethodRouter;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A kind of queued work. [`crate::task`] makes one.
#[derive(Clone, Debug)]
pub struct Task {
    pub(crate) name: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) handler: MethodRouter,
}

/// A task to work on, as a handler's last argument.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Work<T> {
    /// Its id: the same whenever this task comes.
    pub id: String,
    /// How often it has come, this time included.
    pub attempt: u32,
    /// What it is about.
    pub data: T,
    /// What those answered that it came after, in order.
    #[serde(default)]
    pub results: Vec<Value>,
}

/// A task that is to be enqueued.
#[derive(Clone, Debug)]
pub struct New(host::NewTask);

/// Tasks that are to be enqueued together, all or none. [`chain`], [`group`] and [`chord`] make them.
#[derive(Clone, Debug)]
pub struct Several(Vec<host::NewTask>);

/// Where a task is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Others must succeed first.
    Blocked,
    /// It waits for its time or its turn.
    Waiting,
    /// It is being worked on.
    Running,
    /// Done, for good.
    Succeeded,
    /// Given up, for good.
    Failed,
    /// Canceled, for good.
    Canceled,
}

/// What there is to know of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// `tsk_...`
    pub id: String,
    /// Its name.
    pub name: String,
    /// The queue it waits in.
    pub queue: String,
    /// Where it is.
    pub state: State,
    /// How often it was begun.
    pub attempts: u32,
    /// What it last said.
    pub progress: Option<Progress>,
    /// What its handler answered, if it has succeeded.
    pub result: Option<Value>,
    /// Why it failed, or failed last.
    pub reason: Option<String>,
    /// When it was enqueued.
    pub created_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// How far a task has come, in its own words.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// For people.
    pub message: Option<String>,
    /// For programs.
    pub data: Option<Value>,
}

/// Tasks one after the other: each has the result of the one before.
pub fn chain(tasks: impl IntoIterator<Item = New>) -> Several {
    let tasks = (0u32..).zip(tasks);
    let tasks = tasks.map(|(place, New(task))| host::NewTask {
        after: place.checked_sub(1).into_iter().collect(),
        ..task
    });
    Several(tasks.collect())
}

/// Tasks side by side.
pub fn group(tasks: impl IntoIterator<Item = New>) -> Several {
    Several(tasks.into_iter().map(|New(task)| task).collect())
}

/// Tasks side by side, and one that has the results of them all, in their order.
pub fn chord(tasks: impl IntoIterator<Item = New>, last: New) -> Several {
    let Several(mut tasks) = group(tasks);
    let after = (0u32..).zip(&tasks).map(|(place, _)| place).collect();
    tasks.push(host::NewTask { after, ..last.0 });
    Several(tasks)
}

/// A task of this component, if there is one, or was not long ago.
///
/// # Errors
/// When the host cannot answer.
pub async fn get(id: &str) -> crate::Result<Option<Status>> {
    let task = host::get(id.to_owned()).await.map_err(refused)?;
    task.map(Status::read).transpose()
}

/// The same once it has ended, or as it is after this time, a minute at most.
///
/// # Errors
/// When the host cannot answer.
pub async fn wait(id: &str, time: Duration) -> crate::Result<Option<Status>> {
    let task = host::wait(id.to_owned(), milliseconds(time)).await;
    task.map_err(refused)?.map(Status::read).transpose()
}

/// Cancels a task that has not ended, with those that were to come after it; says whether there was one.
///
/// # Errors
/// When the host cannot answer.
pub async fn cancel(id: &str) -> crate::Result<bool> {
    host::cancel(id.to_owned()).await.map_err(refused)
}

// === impl Task ===

impl Task {
    /// Work of this name, out of this queue.
    #[doc(hidden)]
    pub fn new(name: &'static str, queue: &'static str, handler: MethodRouter) -> Self {
        Self {
            name,
            queue,
            handler,
        }
    }
}

// === impl Work ===

impl<T> Work<T> {
    /// Says how far it has come, from 0 to 1, and with it that it goes on. Answers false when the task is
    /// not this handler's any more (it was canceled, or begun elsewhere): all it does is in vain then.
    ///
    /// # Errors
    /// When the words are over 1000 bytes, or the host cannot answer.
    pub async fn report(&self, fraction: f64, message: impl Into<String>) -> crate::Result<bool> {
        let message = Some(message.into()).filter(|message| !message.is_empty());
        self.say(fraction, message, None).await
    }

    /// The same with something for programs, of 16 KiB of JSON at most.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub async fn report_with(
        &self,
        fraction: f64,
        message: impl Into<String>,
        data: &impl Serialize,
    ) -> crate::Result<bool> {
        let message = Some(message.into()).filter(|message| !message.is_empty());
        let data = serde_json::to_string(data).map_err(Error::internal)?;
        self.say(fraction, message, Some(data)).await
    }

    async fn say(
        &self,
        fraction: f64,
        message: Option<String>,
        data: Option<String>,
    ) -> crate::Result<bool> {
        let progress = host::Progress {
            fraction,
            message,
            data,
        };
        let said = host::report(self.id.clone(), self.attempt, progress);
        said.await.map_err(refused)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Work<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let Json(work) = Json::from_request(request, state).await?;
        Ok(work)
    }
}

// === impl New ===

impl New {
    /// Work of this name about this: JSON of 256 KiB at most.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn of(name: &str, data: &impl Serialize) -> crate::Result<Self> {
        Ok(Self(host::NewTask {
            name: name.to_owned(),
            data: serde_json::to_string(data).map_err(Error::internal)?,
            after: Vec::new(),
            priority: 0,
            delay_ms: 0,
            deadline_ms: None,
            retries: None,
            unique: None,
            for_user: false,
            keep_ms: None,
        }))
    }

    /// From 0 to 9: of those that are ready the highest begins first. 0 if nothing is said.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.0.priority = priority;
        self
    }

    /// It begins after this time at the earliest; a year at most.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.0.delay_ms = milliseconds(delay);
        self
    }

    /// It has failed if it has not succeeded after this time.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.0.deadline_ms = Some(milliseconds(deadline));
        self
    }

    /// How often it is tried again when it fails, 100 times at most; 8 times if nothing is said.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.0.retries = Some(retries);
        self
    }

    /// While a task of this name with this key has not ended, no other is enqueued.
    #[must_use]
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.0.unique = Some(key.into());
        self
    }

    /// Acts for the user of the request, who may see it; otherwise for the component itself. What the
    /// user may do is looked up again when it begins.
    #[must_use]
    pub fn for_user(mut self) -> Self {
        self.0.for_user = true;
        self
    }

    /// How long it is remembered after its end, 30 days at most; a day if nothing is said.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.0.keep_ms = Some(milliseconds(keep));
        self
    }

    /// Enqueues it; answers its id.
    ///
    /// # Errors
    /// When the component does not offer such a task, something is out of bounds, or there is no room.
    pub async fn enqueue(self) -> crate::Result<String> {
        let ids = Several(vec![self.0]).enqueue().await?;
        let none = || Error::internal("the host answered no id");
        ids.into_iter().next().ok_or_else(none)
    }
}

// === impl Several ===

impl Several {
    /// Enqueues them, all or none; answers their ids in order.
    ///
    /// # Errors
    /// As [`New::enqueue`]; when there are none, or more than 1000.
    pub async fn enqueue(self) -> crate::Result<Vec<String>> {
        host::enqueue(self.0).await.map_err(refused)
    }
}

// === impl Status ===

impl Status {
    fn read(task: host::Task) -> crate::Result<Self> {
        let json = |text: Option<String>| {
            let value = text.map(|text| serde_json::from_str::<Value>(&text));
            value.transpose().map_err(Error::internal)
        };
        let progress = task.progress.map(|said| {
            Ok::<_, Error>(Progress {
                fraction: said.fraction,
                message: said.message,
                data: json(said.data)?,
            })
        });
        Ok(Self {
            id: task.id,
            name: task.name,
            queue: task.queue,
            state: State::read(task.state),
            attempts: task.attempts,
            progress: progress.transpose()?,
            result: json(task.result)?,
            reason: task.reason,
            created_at: time(task.created_at)?,
            ended_at: task.ended_at.map(time).transpose()?,
        })
    }
}

// === impl State ===

impl State {
    /// Whether it is for good.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }

    fn read(state: host::State) -> Self {
        match state {
            host::State::Blocked => Self::Blocked,
            host::State::Waiting => Self::Waiting,
            host::State::Running => Self::Running,
            host::State::Succeeded => Self::Succeeded,
            host::State::Failed => Self::Failed,
            host::State::Canceled => Self::Canceled,
        }
    }
}

fn time(text: String) -> crate::Result<Time> {
    serde_json::from_value(text.into()).map_err(Error::internal)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Unavailable(cause) => {
            Error::overloaded("work cannot be queued just now; try again in a moment", 1)
                .caused_by(format_args!("tasks unavailable: {cause}"))
        }
        host::Error::Full => Error::storage_full(),
        host::Error::UnknownTask(cause)
        | host::Error::Invalid(cause)
        | host::Error::Limit(cause)
        | host::Error::Other(cause) => Error::internal(cause),
    }
}
