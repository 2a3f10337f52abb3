//! What somebody who listens has yet to be told. It is bounded: whoever takes it too slowly is told no
//! more, instead of holding up whoever speaks or filling the memory.

use crate::Told;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Most messages that wait.
const WAITING: usize = 256;
/// Most bytes of them. One that is larger still waits alone.
const WAITING_BYTES: usize = 1 << 20;

/// Somebody who listens, as whoever speaks knows them. Cheap to clone.
#[derive(Clone)]
pub struct Listener {
    inner: Arc<Inner>,
}

/// Where somebody who listens hears.
pub struct Queue {
    inner: Arc<Inner>,
}

/// What is heard.
#[derive(Debug)]
pub enum Heard {
    /// Something was said.
    Told(Arc<Told>),
    /// Who may be in this channel has changed. What is said there after it comes after it.
    Changed(Arc<str>),
    /// Nothing more is heard.
    Ended(End),
}

/// Why somebody hears nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// They took too slowly what they were told.
    TooSlow,
    /// Their session has ended.
    SignedOut,
    /// The tenant is not served any more.
    Suspended,
}

struct Inner {
    number: u64,
    user: Option<Arc<str>>,
    state: Mutex<State>,
    /// There is one who waits.
    ready: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Heard>,
    bytes: usize,
    ended: Option<End>,
}

// === impl Listener ===

impl Listener {
    /// A user who begins to listen, or somebody who is none.
    pub fn new(user: Option<Arc<str>>) -> (Self, Queue) {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let inner = Arc::new(Inner {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            user,
            state: Mutex::default(),
            ready: Notify::new(),
        });
        let queue = Queue {
            inner: Arc::clone(&inner),
        };
        (Self { inner }, queue)
    }

    /// Tells them apart.
    pub fn number(&self) -> u64 {
        self.inner.number
    }

    /// The user.
    pub fn user(&self) -> Option<&Arc<str>> {
        self.inner.user.as_ref()
    }

    /// Says something to them; who has too much to hear already hears no more.
    pub fn tell(&self, told: &Arc<Told>) {
        let bytes = told.bytes();
        let mut state = self.inner.state();
        let is_full = state.waiting.len() >= WAITING
            || (state.bytes + bytes > WAITING_BYTES && !state.waiting.is_empty());
        if is_full {
            state.end(End::TooSlow);
        } else if state.ended.is_none() {
            state.bytes += bytes;
            state.waiting.push_back(Heard::Told(Arc::clone(told)));
        }
        self.wake(state);
    }

    /// Who may be in a channel has changed.
    pub fn doubt(&self, channel: &Arc<str>) {
        let mut state = self.inner.state();
        let is_same = |heard: &Heard| matches!(heard, Heard::Changed(known) if known == channel);
        if state.waiting.back().is_some_and(is_same) {
            return;
        }
        if state.waiting.len() >= WAITING {
            state.end(End::TooSlow);
        } else if state.ended.is_none() {
            state.waiting.push_back(Heard::Changed(Arc::clone(channel)));
        }
        self.wake(state);
    }

    /// They hear nothing more, and that at once.
    pub fn end(&self, why: End) {
        let mut state = self.inner.state();
        state.end(why);
        self.wake(state);
    }

    fn wake(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.inner.ready.notify_one();
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("number", &self.inner.number)
            .finish_non_exhaustive()
    }
}

// === impl Queue ===

impl Queue {
    /// What is to be heard next. Dropped before it is ready, it has taken nothing.
    pub async fn next(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.take() {
                return heard;
            }
            self.inner.ready.notified().await;
        }
    }

    /// What is to be heard now.
    pub fn take(&mut self) -> Option<Heard> {
        let mut state = self.inner.state();
        if let Some(why) = state.ended {
            return Some(Heard::Ended(why));
        }
        let heard = state.waiting.pop_front()?;
        if let Heard::Told(told) = &heard {
            state.bytes -= told.bytes();
        }
        if state.waiting.is_empty() {
            // Most of the time nothing waits.
            state.waiting = VecDeque::new();
        }
        Some(heard)
    }

    /// Whether nothing waits to be heard.
    pub fn is_empty(&self) -> bool {
        let state = self.inner.state();
        state.waiting.is_empty() && state.ended.is_none()
    }

    /// Resolves when nothing more will be heard; what waits stays.
    pub async fn ended(&mut self) -> End {
        loop {
            let ended = self.inner.state().ended;
            if let Some(why) = ended {
                return why;
            }
            self.inner.ready.notified().await;
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// The first reason counts.
    fn end(&mut self, why: End) {
        self.ended.get_or_insert(why);
        self.waiting = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::Message;

    fn told(bytes: usize) -> Arc<Told> {
        let message = Message {
            channel: "family:1".to_owned(),
            kind: "a.b".to_owned(),
            data: format!("\"{}\"", "x".repeat(bytes)),
        };
        Arc::new(Told::new(&message, "family:1".into(), "e-1".to_owned()))
    }

    #[tokio::test]
    async fn whoever_is_too_slow_hears_no_more() {
        for (bytes, fits) in [(1, WAITING), (WAITING_BYTES / 4, 3), (WAITING_BYTES * 2, 1)] {
            let (listener, mut queue) = Listener::new(None);
            for _ in 0..fits {
                listener.tell(&told(bytes));
            }
            assert!(matches!(queue.next().await, Heard::Told(_)));
            listener.tell(&told(bytes));
            listener.tell(&told(bytes));
            assert_eq!(queue.ended().await, End::TooSlow, "{bytes}");
            assert!(matches!(queue.next().await, Heard::Ended(End::TooSlow)));
        }
    }

    #[tokio::test]
    async fn who_takes_what_comes_hears_all_of_it() {
        let (listener, mut queue) = Listener::new(None);
        for _ in 0..10 * WAITING {
            listener.tell(&told(1024));
            assert!(matches!(queue.next().await, Heard::Told(_)));
        }
        listener.end(End::SignedOut);
        listener.end(End::TooSlow);
        assert!(matches!(queue.next().await, Heard::Ended(End::SignedOut)));
    }
}
