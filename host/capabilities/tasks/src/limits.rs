//! What a component may ask for at most, as `wit/tasks.wit` promises.

use jiff::SignedDuration;
use std::time::Duration;

/// Most tasks of one call.
pub const MAX_TASKS: usize = 1000;
/// Largest data of a task, and largest result (256 KiB).
pub const MAX_DATA_BYTES: usize = 256 << 10;
/// Most bytes of all results that one task is handed (1 MiB).
pub const MAX_RESULTS_BYTES: usize = 1 << 20;
/// Most tasks that one may come after.
pub const MAX_AFTER: usize = 1000;
/// The highest priority.
pub const MAX_PRIORITY: u8 = 9;
/// Longest time until a task begins: a year.
pub const MAX_DELAY: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Most that a task is tried again.
pub const MAX_RETRIES: u32 = 100;
/// How often a task is tried again if nothing is said.
pub const DEFAULT_RETRIES: u32 = 8;
/// Longest key that keeps a task from being enqueued twice, in bytes.
pub const MAX_UNIQUE_BYTES: usize = 256;
/// How long a task is remembered at most: 30 days.
pub const MAX_KEEP: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long it is remembered if nothing is said: a day.
pub const DEFAULT_KEEP: SignedDuration = SignedDuration::from_hours(24);
/// Longest words of progress for people, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1000;
/// Largest progress for programs (16 KiB).
pub const MAX_PROGRESS_BYTES: usize = 16 << 10;
/// Longest wait of one call: a minute.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// Most tasks of a component of a tenant that have not ended.
pub const MAX_OPEN: u64 = 100_000;
/// How long a task is lent at a time.
pub const LEASE: SignedDuration = SignedDuration::from_secs(30);
