//! Times at which tasks are enqueued: what components declare, and what they set at run time.
//!
//! A tick is a task. A schedule moves on in the commit that enqueues its ticks, so that each is enqueued
//! once, whoever looks and however often; being tried again, being given up and being seen are those of
//! any task.

mod calls;
mod reading;
mod sqlite;
mod timing;

pub use timing::{Moment, Timing};

pub(crate) use reading::{bytes_of, read};
pub(crate) use sqlite::create;

use crate::Error;
use crate::task::ActsFor;
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;

/// Most schedules that a component sets in a tenant.
pub const MAX_SCHEDULES: u64 = 1000;

/// A schedule that a component's offer declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The component.
    pub component: Arc<str>,
    /// Its name, the last part of the address that its ticks are sent to.
    pub name: String,
    /// When.
    pub timing: Timing,
    /// Since when: what came before is none of it.
    pub since: Timestamp,
    /// By which its jitter is drawn; its own in every tenant.
    pub seed: u64,
}

/// A schedule that a component sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSchedule {
    /// The component.
    pub component: Arc<str>,
    /// By which the component calls it.
    pub name: String,
    /// When.
    pub timing: Timing,
    /// The task that is enqueued.
    pub task: String,
    /// The queue of that.
    pub queue: String,
    /// What the task is about, a JSON text.
    pub data: String,
    /// `None`: for the component itself.
    pub acts_for: Option<ActsFor>,
}

/// A schedule that a component has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetSchedule {
    /// By which the component calls it.
    pub name: String,
    /// The task that is enqueued.
    pub task: String,
    /// When it is due next.
    pub next_at: Timestamp,
}

/// The schedules of one tenant. Each method is atomic, and durable when it returns.
pub trait Schedules: Send + Sync + 'static {
    /// From now on these are declared, and no others. Those that are there and come at the same times go
    /// on; ticks of those that are not declared any more end where nobody has begun them.
    fn declare(&self, declared: Vec<Declared>) -> BoxFuture<'_, Result<(), Error>>;

    /// Sets a schedule, in place of the component's one of the same name. It begins now; one that comes
    /// at the same times goes on.
    fn set_schedule(
        &self,
        schedule: NewSchedule,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// Ends a schedule that was set; says whether there was one.
    fn end_schedule<'a>(
        &'a self,
        component: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool, Error>>;

    /// The schedules that a component has set, by name.
    fn schedules_of<'a>(
        &'a self,
        component: &'a str,
    ) -> BoxFuture<'a, Result<Vec<SetSchedule>, Error>>;

    /// Enqueues what is due now. What was due before `since` was missed. Answers whether there may be
    /// more.
    fn tick(&self, now: Timestamp, since: Timestamp) -> BoxFuture<'_, Result<bool, Error>>;

    /// When something is due next.
    fn next_tick(&self) -> BoxFuture<'_, Result<Option<Timestamp>, Error>>;
}

// === impl Declared ===

impl Declared {
    /// When it is due first; `None`: never.
    pub fn first(&self) -> Option<Timestamp> {
        let schedule = self.timing.schedule(self.seed, self.since).ok()?;
        schedule.next(self.since)
    }
}
