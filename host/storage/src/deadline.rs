//! How long statements may run.

use rusqlite::Connection;
use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Instant;

/// SQLite looks at the clock each time it has done this many steps of its machine; some ten
/// microseconds of work.
const STEPS: i32 = 1000;

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// While it lives, statements on this thread are interrupted ([`crate::Error::Interrupted`]) once
/// the time is over, even within a single step of a query.
///
/// Hold it while reading only: interrupted inside a write, SQLite undoes the whole transaction,
/// which others share.
#[must_use = "statements are bound to the deadline while this lives"]
#[derive(Debug)]
pub struct Deadline {
    before: Option<Instant>,
    /// It is this thread's.
    _not_send: PhantomData<*const ()>,
}

// === impl Deadline ===

impl Deadline {
    /// Binds the statements of this thread.
    pub fn until(deadline: Instant) -> Self {
        Self {
            before: DEADLINE.replace(Some(deadline)),
            _not_send: PhantomData,
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        DEADLINE.set(self.before);
    }
}

/// Makes a connection heed deadlines.
pub(crate) fn heed(connection: &mut Connection) -> rusqlite::Result<()> {
    let is_over = || {
        DEADLINE
            .get()
            .is_some_and(|deadline| Instant::now() >= deadline)
    };
    connection.progress_handler(STEPS, Some(is_over))
}
