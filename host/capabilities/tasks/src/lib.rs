//! The tasks capability, `sbd:platform/tasks`: queued work.
//!
//! What a component enqueues is stored when the call returns, and sent to it when its turn comes; whoever
//! sends it is not in here. A [`Backend`] keeps the tasks of one tenant: which of them is next, who has
//! it and until when, which come after it, and what became of it. It is where "each ends once" is true.

mod backend;
mod error;
pub mod limits;
mod sqlite;
mod task;

pub use backend::Backend;
pub use error::Error;
pub use sqlite::SqliteBackend;
pub use task::{
    ActsFor, Change, Claimed, Filter, Finish, Listed, NewTask, Progress, State, Target, Task,
};
