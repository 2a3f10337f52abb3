//! Times at which the host calls: those that the component declares, and those that it sets as it runs.
//!
//! ```
//! # use sbd_sdk::{Component, Result, schedule, schedules::Tick};
//! /// Clears up.
//! #[schedule("nightly", cron = "0 3 * * *", time_zone = "Europe/Berlin", missed = "once", jitter = "10m")]
//! async fn nightly(tick: Tick) -> Result<()> {
//!     println!("clearing up what was there at {}", tick.due);
//!     Ok(())
//! }
//! let app = sbd_sdk::testing::App::new(Component::new().schedules([nightly()]));
//! assert_eq!(app.anonymous().tick("nightly").status(), 200);
//! ```
//!
//! A tick is queued work: it comes in each tenant that has the component switched on, at least once, and
//! again, later and later, where it fails. A new schedule begins from now, and one whose cron is changed
//! goes on from now.
//!
//! What is set at run time has a task enqueued, again and again or once:
//!
//! ```
//! # use sbd_sdk::{Component, Result, schedules::{self, Missed, New}, task, tasks::Work};
//! # use serde_json::{Value, json};
//! # #[task("remind")] async fn remind(_: Work<Value>) -> Result<()> { Ok(()) }
//! # let app = sbd_sdk::testing::App::new(Component::new().tasks([remind()]));
//! # app.run(async {
//! let reminder = New::cron("0 9 * * MON", "remind", &json!({"of": "the week"}))?;
//! reminder.time_zone("Europe/Berlin").missed(Missed::Once).set("weekly").await?;
//! assert_eq!(schedules::list().await?[0].task, "remind");
//! schedules::end("weekly").await?;
//! # Ok::<_, sbd_sdk::Error>(()) }).unwrap();
//! ```

pub use sbd_contract::offer::Missed;

use crate::bindings::tasks as host;
use crate::time::Time;
use crate::{Error, Json};
use axum::extract::{FromRequest, Request};
use axum::routing::MethodRouter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// One of the times of a schedule, as a handler's last argument.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Tick {
    /// Its id: the same whenever this tick comes.
    pub id: String,
    /// How often it was sent, with this time: 1 at first.
    pub attempt: u32,
    /// The time that it stands for, as cron says it; it is now, or has passed.
    pub due: Time,
}

/// A time to be called at, again and again. [`crate::schedule`] makes one.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub(crate) name: &'static str,
    cron: &'static str,
    time_zone: &'static str,
    missed: &'static str,
    jitter_ms: u64,
    pub(crate) handler: MethodRouter,
}

/// A schedule that is to be set.
#[derive(Clone, Debug)]
pub struct New(host::NewSchedule);

/// A schedule that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Set {
    /// By which it is ended.
    pub name: String,
    /// The task that is enqueued.
    pub task: String,
    /// When it is due next.
    pub next_at: Time,
}

/// Ends a schedule that was set; says whether there was one.
///
/// # Errors
/// When the host cannot answer.
pub async fn end(name: &str) -> crate::Result<bool> {
    host::end_schedule(name.to_owned()).await.map_err(refused)
}

/// The schedules that were set and are not over, by name.
///
/// # Errors
/// When the host cannot answer.
pub async fn list() -> crate::Result<Vec<Set>> {
    let schedules = host::list_schedules().await.map_err(refused)?;
    let read = |schedule: host::Schedule| {
        Ok(Set {
            name: schedule.name,
            task: schedule.task,
            next_at: serde_json::from_value(schedule.next_at.into()).map_err(Error::internal)?,
        })
    };
    schedules.into_iter().map(read).collect()
}

// === impl Tick ===

impl<S: Send + Sync> FromRequest<S> for Tick {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let Json(tick) = Json::from_request(request, state).await?;
        Ok(tick)
    }
}

// === impl New ===

impl New {
    /// A task is enqueued again and again, as cron says, in UTC if no zone is named.
    ///
    /// # Errors
    /// When the data cannot be written as JSON.
    pub fn cron(cron: &str, task: &str, data: &impl Serialize) -> crate::Result<Self> {
        Self::at(host::Moment::Cron(cron.to_owned()), task, data)
    }

    /// A task is enqueued once.
    ///
    /// # Errors
    /// When the data cannot be written as JSON.
    pub fn once(at: Time, task: &str, data: &impl Serialize) -> crate::Result<Self> {
        Self::at(host::Moment::Once(at.to_string()), task, data)
    }

    fn at(moment: host::Moment, task: &str, data: &impl Serialize) -> crate::Result<Self> {
        Ok(Self(host::NewSchedule {
            name: String::new(),
            task: task.to_owned(),
            data: serde_json::to_string(data).map_err(Error::internal)?,
            missed: match moment {
                host::Moment::Cron(_) => host::Missed::Skip,
                host::Moment::Once(_) => host::Missed::One,
            },
            moment,
            time_zone: None,
            jitter_ms: 0,
            for_user: false,
        }))
    }

    /// The time zone of the cron expression, an IANA name.
    #[must_use]
    pub fn time_zone(mut self, name: impl Into<String>) -> Self {
        self.0.time_zone = Some(name.into());
        self
    }

    /// What becomes of times that passed while the host was down. If nothing is said, those of cron are
    /// left out, and a single one is made up for.
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Self {
        self.0.missed = match missed {
            Missed::Skip => host::Missed::Skip,
            Missed::Once => host::Missed::One,
            Missed::All => host::Missed::All,
        };
        self
    }

    /// Each time is put off by so much at most, a day at most.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.0.jitter_ms = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// The task acts for the user of this request, otherwise for the component itself. What the user may
    /// do is looked up again when it begins.
    #[must_use]
    pub fn for_user(mut self) -> Self {
        self.0.for_user = true;
        self
    }

    /// Sets it under this name, of 200 bytes at most, in place of the one that has it. There are 1000 a
    /// tenant at most.
    ///
    /// # Errors
    /// When its cron, its time zone or its time is none, or never comes; when the component does not offer
    /// such a task, or there is no room.
    pub async fn set(self, name: impl Into<String>) -> crate::Result<()> {
        let new = host::NewSchedule {
            name: name.into(),
            ..self.0
        };
        host::set_schedule(new).await.map_err(refused)
    }
}

// === impl Schedule ===

impl Schedule {
    /// A schedule of this name.
    #[doc(hidden)]
    pub fn new(
        name: &'static str,
        cron: &'static str,
        time_zone: &'static str,
        missed: &'static str,
        jitter_ms: u64,
        handler: MethodRouter,
    ) -> Self {
        Self {
            name,
            cron,
            time_zone,
            missed,
            jitter_ms,
            handler,
        }
    }

    pub(crate) fn offer(&self) -> Value {
        json!({
            "name": self.name, "cron": self.cron, "time_zone": self.time_zone,
            "missed": self.missed, "jitter_ms": self.jitter_ms,
        })
    }
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Invalid(cause) => Error::validation("schedule", cause),
        host::Error::Unavailable(cause) => {
            Error::overloaded("schedules cannot be set just now; try again in a moment", 1)
                .caused_by(format_args!("tasks unavailable: {cause}"))
        }
        host::Error::Full => Error::storage_full(),
        host::Error::UnknownTask(cause) | host::Error::Limit(cause) | host::Error::Other(cause) => {
            Error::internal(cause)
        }
    }
}
