//! What a store of tasks must do.

use crate::Error;
use crate::schedules::Schedules;
use crate::task::{Change, Claimed, Filter, Finish, Listed, NewTask, Progress, State, Task};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::broadcast;

/// The tasks of one tenant. Callers have checked sizes and places; the suite in `tests/conformance` says
/// what each method must do. Each method is atomic, and durable when it returns.
///
/// A task ends once. Whoever works on one says which attempt is theirs, and is told `false` or `None`
/// when it is theirs no more: it was canceled, its deadline passed, or its lease ran out and another
/// attempt may be under way.
///
/// The tenant's schedules are in the same store, so that one moves on in the commit of its tick.
pub trait Backend: Schedules {
    /// Enqueues tasks, all or none; answers their ids in order. In place of one whose `unique` key is
    /// taken stands the one that has it.
    fn enqueue(
        &self,
        tasks: Vec<NewTask>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<String>, Error>>;

    /// Takes the task of a queue whose turn it is, and lends it until the lease ends: of those that are
    /// ready the one of the highest priority, and of these the one that has been ready longest. Those of
    /// some components may be left alone.
    fn claim<'a>(
        &'a self,
        queue: &'a str,
        except: &'a [Arc<str>],
        now: Timestamp,
        lease: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claimed>, Error>>;

    /// The queues in which tasks wait, each with when the first of them is ready, or has been; those of
    /// some components left alone.
    fn ready<'a>(
        &'a self,
        except: &'a [Arc<str>],
    ) -> BoxFuture<'a, Result<Vec<(String, Timestamp)>, Error>>;

    /// Prolongs a lease; says whether the task is still theirs.
    fn renew<'a>(
        &'a self,
        id: &'a str,
        attempt: u32,
        lease: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Error>>;

    /// Says how far a task has come, and prolongs the lease; says whether the task is still theirs.
    fn report<'a>(
        &'a self,
        id: &'a str,
        attempt: u32,
        progress: Progress,
        lease: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Error>>;

    /// Ends an attempt; answers where the task is then, or `None` if it was not theirs any more. When it
    /// has succeeded, those that come after it wait no longer; when it has failed, they fail too.
    fn finish<'a>(
        &'a self,
        id: &'a str,
        attempt: u32,
        finish: Finish,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<State>, Error>>;

    /// Cancels a task that has not ended, with those that come after it; says whether there was one.
    fn cancel<'a>(&'a self, id: &'a str, now: Timestamp) -> BoxFuture<'a, Result<bool, Error>>;

    /// One of them.
    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Task>, Error>>;

    /// A part of those that a filter finds, the newest first.
    fn list(&self, filter: Filter, offset: u64, limit: u32)
    -> BoxFuture<'_, Result<Listed, Error>>;

    /// How many tasks of a component have not ended.
    fn open_of<'a>(&'a self, component: &'a str) -> BoxFuture<'a, Result<u64, Error>>;

    /// Gives back what was lent and not returned in time, which counts as an attempt; fails what has
    /// missed its deadline, and forgets what ended long enough ago. Answers whether there may be more.
    fn tend(&self, now: Timestamp) -> BoxFuture<'_, Result<bool, Error>>;

    /// When there is something to do next: a task is ready, those of some components left alone, a lease
    /// or a deadline ends, or a task is to be forgotten.
    fn next<'a>(
        &'a self,
        except: &'a [Arc<str>],
    ) -> BoxFuture<'a, Result<Option<Timestamp>, Error>>;

    /// What becomes of tasks from now on.
    fn changes(&self) -> broadcast::Receiver<Change>;
}
