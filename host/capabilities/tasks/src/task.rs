//! Tasks, and what becomes of them.

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Which address of a component a task is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Queued work of this name.
    Task(String),
    /// The tick of a schedule of this name.
    Schedule(String),
}

/// Where a task is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// For whom a task acts, if not for its component itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActsFor {
    /// The user, who may see the task.
    pub user: Arc<str>,
    /// The sealed delegation by which it acts.
    pub delegation: String,
}

/// A task that is to be enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// The component that works on it.
    pub component: Arc<str>,
    /// What it is.
    pub target: Target,
    /// The queue it waits in.
    pub queue: String,
    /// What it is about, a JSON text.
    pub data: String,
    /// Places in the same list of those that must succeed first: each stands before this one.
    pub after: Vec<usize>,
    /// 0 to 9; the highest begins first.
    pub priority: u8,
    /// It begins then at the earliest.
    pub ready_at: Timestamp,
    /// It has failed if it has not succeeded by then.
    pub deadline: Option<Timestamp>,
    /// How often it is tried again.
    pub retries: u32,
    /// While a task of this target with this key has not ended, no other is enqueued.
    pub unique: Option<String>,
    /// `None`: for the component itself.
    pub acts_for: Option<ActsFor>,
    /// How long it is remembered after its end.
    pub keep: SignedDuration,
}

/// How far a task has come, in its own words.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// For people.
    pub message: Option<String>,
    /// For programs, a JSON text.
    pub data: Option<String>,
}

/// A task as it is seen from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// `tsk_...`
    pub id: String,
    /// The component that works on it.
    pub component: Arc<str>,
    /// What it is.
    pub target: Target,
    /// The queue it waits in.
    pub queue: String,
    /// Where it is.
    pub state: State,
    /// The highest begins first.
    pub priority: u8,
    /// It begins, or began, then at the earliest.
    pub ready_at: Timestamp,
    /// It fails then, if it has not ended.
    pub deadline: Option<Timestamp>,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it may be tried again.
    pub retries: u32,
    /// For whom it acts, if not for its component itself.
    pub user: Option<Arc<str>>,
    /// What it last said.
    pub progress: Option<Progress>,
    /// What it answered, if it has succeeded: a JSON text.
    pub result: Option<String>,
    /// Why it failed, or failed last.
    pub reason: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A task that somebody has taken to work on. It is theirs as long as the lease is renewed; what they
/// say of it carries [`Task::attempts`].
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The task.
    pub task: Task,
    /// What it is about, a JSON text.
    pub data: String,
    /// By which it acts for its user.
    pub delegation: Option<String>,
    /// What those answered that it came after, in order.
    pub results: Vec<String>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The work is done.
    Succeeded {
        /// What it answered, a JSON text.
        result: String,
    },
    /// It did not work. It is tried again if it may be, and has failed otherwise.
    Again {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// Trying again is no use.
    Failed {
        /// Why.
        reason: String,
    },
    /// Nobody was asked: nothing about this task, and no attempt.
    NotBegun {
        /// When to try.
        at: Timestamp,
    },
}

/// Which tasks are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that act for this user; anybody's otherwise.
    pub user: Option<Arc<str>>,
    /// Those in this state; in any otherwise.
    pub state: Option<State>,
}

/// A part of the tasks that a filter finds, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The part.
    pub tasks: Vec<Task>,
    /// How many there are in all.
    pub total: u64,
}

/// Something about a task is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The task.
    pub id: Arc<str>,
    /// Whether it has ended; it was begun, is to be tried again, or said how far it is otherwise.
    pub is_ended: bool,
}

// === impl Target ===

impl Target {
    /// Its name, the last part of the address.
    pub fn name(&self) -> &str {
        match self {
            Self::Task(name) | Self::Schedule(name) => name,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::Schedule(_) => "schedule",
        }
    }

    pub(crate) fn of_kind(kind: &str, name: String) -> Self {
        match kind {
            "schedule" => Self::Schedule(name),
            _ => Self::Task(name),
        }
    }
}

// === impl State ===

impl State {
    /// Each of them.
    pub const ALL: [Self; 6] = [
        Self::Blocked,
        Self::Waiting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// The state of this word, if it is one.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether it is for good.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }
}
