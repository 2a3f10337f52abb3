//! A circuit breaker: components that fail again and again are paused, or each failure would cost an instance.
//!
//! It counts instances that fail within a while, whatever others answer meanwhile, and is half open never:
//! what visitors send can be why instances fail, and one probe at a time would shut out all others. So it
//! is another than [`sbd_pace::CircuitBreaker`], which counts answers in a row; and each request asks it,
//! which takes no lock.

use sbd_pace::{Breaks, State};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Failures are counted over so long.
const WINDOW: Duration = Duration::from_secs(10);

/// The recent failures of one component for one tenant.
#[derive(Debug)]
pub(crate) struct CircuitBreaker {
    started: Instant,
    most: u64,
    /// The number of the current window in the upper half, its failures in the lower.
    state: AtomicU64,
}

// === impl CircuitBreaker ===

impl CircuitBreaker {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            started: Instant::now(),
            most: u64::try_from(most).unwrap_or(u64::MAX),
            state: AtomicU64::new(0),
        }
    }

    pub(crate) fn note(&self) {
        let now = self.window();
        let count = |state: u64| {
            let failures = if state >> 32 == now {
                state & 0xffff_ffff
            } else {
                0
            };
            Some(now << 32 | (failures + 1).min(0xffff_ffff))
        };
        // Always `Some`, so it always stores.
        let _ = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }

    /// How long the component is paused still; `None` if it is not.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let state = self.state.load(Ordering::Relaxed);
        // Most components never fail; they need no clock.
        if state & 0xffff_ffff < self.most || state >> 32 != self.window() {
            return None;
        }
        let into = self.started.elapsed().as_millis() % WINDOW.as_millis();
        let into = u64::try_from(into).unwrap_or_default();
        Some(WINDOW.saturating_sub(Duration::from_millis(into)))
    }

    fn window(&self) -> u64 {
        self.started.elapsed().as_secs() / WINDOW.as_secs()
    }
}

impl Breaks for CircuitBreaker {
    fn state(&self, now: Instant) -> State {
        match self.pause() {
            None => State::Closed,
            Some(pause) => {
                let until = now + pause;
                // Nothing is written down but the window in which it was opened.
                let since = until.checked_sub(WINDOW).unwrap_or(now);
                State::Open { since, until }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_failures_pause() {
        let failures = CircuitBreaker::new(3);
        failures.note();
        failures.note();
        assert_eq!(failures.pause(), None);
        failures.note();
        assert!(failures.pause().is_some_and(|pause| pause <= WINDOW));
    }

    #[test]
    fn old_failures_are_forgiven() {
        let mut failures = CircuitBreaker::new(1);
        failures.note();
        assert!(failures.pause().is_some());
        failures.started -= WINDOW;
        assert_eq!(failures.pause(), None);
    }
}
