//! Searches that run too long are interrupted, even within a single step of SQLite.

use sbd_storage::rusqlite::{Connection, InterruptHandle};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A statement that had not begun yet when it was interrupted runs: it is interrupted again.
const AGAIN: Duration = Duration::from_millis(10);

/// A thread that interrupts what it watches, once its time is over.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
}

/// A search that is interrupted at its deadline, until this is dropped.
///
/// Hold it during reads only: interrupted inside a write, SQLite undoes the whole transaction.
pub(super) struct Watched<'a> {
    shared: &'a Shared,
    key: Key,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    earlier: Condvar,
}

/// A deadline, and a number to tell it from its like.
type Key = (Instant, u64);

#[derive(Default)]
struct State {
    watched: BTreeMap<Key, InterruptHandle>,
    next: u64,
    /// When the thread looks again; `None`: when it is told to.
    looks: Option<Instant>,
    over: bool,
}

// === impl Watchdog ===

impl Watchdog {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("sbd-query-time".to_owned())
            .spawn(move || its.serve())?;
        Ok(Self { shared })
    }

    pub(super) fn watch(&self, connection: &Connection, deadline: Instant) -> Watched<'_> {
        let mut state = self.shared.lock();
        let key = (deadline, state.next);
        state.next = state.next.wrapping_add(1);
        state.watched.insert(key, connection.get_interrupt_handle());
        // Deadlines mostly come in order, so that the thread sleeps through.
        if state.looks.is_none_or(|looks| deadline < looks) {
            self.shared.earlier.notify_one();
        }
        Watched {
            shared: &self.shared,
            key,
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.earlier.notify_one();
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.shared.lock().watched.remove(&self.key);
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut state = self.lock();
        while !state.over {
            let now = Instant::now();
            // Under the lock: who has dropped its guard is not interrupted any more.
            let late = state.watched.range(..=(now, u64::MAX));
            let late = late.map(|(_, search)| search.interrupt()).count();
            state.looks = if late > 0 {
                Some(now + AGAIN)
            } else {
                state.watched.keys().next().map(|(deadline, _)| *deadline)
            };
            state = match state.looks {
                None => self
                    .earlier
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(then) => {
                    let slept = self.earlier.wait_timeout(state, then - now);
                    slept.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Watchdog;
    use sbd_storage::rusqlite::{Connection, ErrorCode, Result};
    use std::time::{Duration, Instant};

    /// Counts to a number; without one, for ever.
    fn count(connection: &Connection, to: Option<i64>) -> Result<i64> {
        let end = to.map_or(String::new(), |to| format!("WHERE i < {to}"));
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n {end}) SELECT count(*) FROM n"
        );
        connection.query_row(&sql, [], |row| row.get(0))
    }

    #[test]
    fn what_never_ends_is_interrupted() {
        let watchdog = Watchdog::start().unwrap();
        let begun = Instant::now();
        // The thread must wake for a deadline that is earlier than the one it knows.
        let patient = Connection::open_in_memory().unwrap();
        let _patient = watchdog.watch(&patient, begun + Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
        let connection = Connection::open_in_memory().unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        let watched = watchdog.watch(&connection, deadline);
        let error = count(&connection, None).unwrap_err();
        let code = error.sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::OperationInterrupted));
        assert!(Instant::now() >= deadline);
        assert!(begun.elapsed() < Duration::from_secs(30));
        drop(watched);
        assert_eq!(count(&connection, Some(10)).unwrap(), 10);
        assert_eq!(count(&patient, Some(10)).unwrap(), 10);
    }

    #[test]
    fn what_begins_too_late_is_interrupted() {
        let watchdog = Watchdog::start().unwrap();
        let connection = Connection::open_in_memory().unwrap();
        let _watched = watchdog.watch(&connection, Instant::now());
        std::thread::sleep(Duration::from_millis(30));
        let error = count(&connection, None).unwrap_err();
        let code = error.sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::OperationInterrupted));
    }

    #[test]
    fn what_is_not_watched_any_more_is_left_alone() {
        let watchdog = Watchdog::start().unwrap();
        let connection = Connection::open_in_memory().unwrap();
        let deadline = Instant::now() + Duration::from_millis(5);
        drop(watchdog.watch(&connection, deadline));
        while Instant::now() < deadline + Duration::from_millis(20) {
            assert_eq!(count(&connection, Some(1000)).unwrap(), 1000);
        }
    }
}
