//! Searches that run too long are interrupted, even within a single step of SQLite.

use sbd_storage::rusqlite::{Connection, InterruptHandle};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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
            state.looks = state.watched.keys().next().map(|(deadline, _)| *deadline);
            state = match state.looks {
                None => self
                    .earlier
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) if deadline > now => {
                    let slept = self.earlier.wait_timeout(state, deadline - now);
                    slept.unwrap_or_else(PoisonError::into_inner).0
                }
                // Under the lock: who has dropped its guard is not interrupted any more.
                Some(_) => {
                    if let Some((_, search)) = state.watched.pop_first() {
                        search.interrupt();
                    }
                    state
                }
            };
        }
    }
}
