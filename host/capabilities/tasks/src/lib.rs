//! The tasks capability, `sbd:platform/tasks`: queued work.
//!
//! What a component enqueues is stored when the call returns, and sent to it when its turn comes; whoever
//! sends it is not in here. A [`Backend`] keeps the tasks of one tenant: which of them is next, who has
//! it and until when, which come after it, and what became of it. It is where "each ends once" is true.

mod announce;
mod backend;
mod bindings;
mod context;
mod error;
mod host;
#[cfg(test)]
mod host_tests;
pub mod limits;
pub mod schedules;
mod sqlite;
mod task;

pub use announce::Announce;
pub use backend::Backend;
pub use context::TasksCtx;
pub use error::Error;
pub use sqlite::SqliteBackend;
pub use task::{
    ActsFor, Change, Claimed, Filter, Finish, Listed, NewTask, Progress, State, Target, Task,
};

use sbd_metering::Metered;
use wasmtime::component::{HasData, Linker};

/// Implemented by the data of a store whose components enqueue tasks.
pub trait TasksView: Send {
    /// The tasks as this store's component sees them.
    fn tasks(&mut self) -> &mut TasksCtx;
}

struct Tasks;

impl HasData for Tasks {
    type Data<'a> = &'a mut TasksCtx;
}

/// Links `sbd:platform/tasks`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: TasksView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::tasks::add_to_linker::<T, Tasks>(linker, T::tasks)
}
