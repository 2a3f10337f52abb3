//! A circuit breaker before whoever fails again and again.

use crate::{Backoff, Breaks, State};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Keeps from sending to whoever fails. Closed, it counts failures in a row; from so many on it is open
/// for a while, and then, half open, lets one through to see.
#[derive(Debug)]
pub struct CircuitBreaker {
    /// Failures in a row that open it.
    threshold: u32,
    backoff: Backoff,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    failures: u32,
    /// How often it was opened in a row.
    openings: u32,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    since: Instant,
    until: Instant,
}

// === impl CircuitBreaker ===

impl CircuitBreaker {
    /// Opens after so many failures in a row, each time in a row for longer.
    pub fn new(threshold: u32, backoff: Backoff) -> Self {
        Self {
            threshold,
            backoff,
            counts: Mutex::default(),
        }
    }

    /// How many may be under way, where so many may in good times.
    pub fn allows(&self, most: usize, now: Instant) -> usize {
        match self.state(now) {
            State::Closed => most,
            State::HalfOpen { .. } => 1,
            State::Open { .. } => 0,
        }
    }

    /// When it lets one through, if it is open.
    pub fn open_until(&self) -> Option<Instant> {
        self.counts().open.map(|open| open.until)
    }

    /// Who was sent to has answered: it is closed.
    pub fn succeeded(&self) {
        *self.counts() = Counts::default();
    }

    /// Who was sent to has failed.
    pub fn failed(&self, now: Instant) {
        let mut counts = self.counts();
        counts.failures = counts.failures.saturating_add(1);
        if counts.failures >= self.threshold || counts.open.is_some() {
            self.extend(&mut counts, now);
        }
    }

    /// Nobody is there: no need to count.
    pub fn open(&self, now: Instant) {
        self.extend(&mut self.counts(), now);
    }

    fn extend(&self, counts: &mut Counts, now: Instant) {
        counts.openings = counts.openings.saturating_add(1);
        counts.open = Some(Open {
            since: counts.open.map_or(now, |open| open.since),
            until: now + self.backoff.pause(counts.openings),
        });
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Breaks for CircuitBreaker {
    fn state(&self, now: Instant) -> State {
        match self.counts().open {
            None => State::Closed,
            Some(Open { since, until }) if until <= now => State::HalfOpen { since },
            Some(Open { since, until }) => State::Open { since, until },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        most: Duration::from_secs(60),
    };

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_through_after_a_pause() {
        let now = Instant::now();
        let breaker = CircuitBreaker::new(3, BACKOFF);
        breaker.failed(now);
        breaker.failed(now);
        breaker.succeeded();
        breaker.failed(now);
        breaker.failed(now);
        assert_eq!(breaker.allows(8, now), 8);
        breaker.failed(now);
        assert_eq!(breaker.allows(8, now), 0);
        let later = now + BACKOFF.first;
        assert_eq!(breaker.allows(8, later), 1);
        breaker.failed(later);
        assert_eq!(breaker.allows(8, later), 0);
        let longer = breaker.open_until().map(|until| until - later);
        assert!(longer >= Some(BACKOFF.first), "{longer:?}");
        breaker.succeeded();
        assert_eq!(breaker.allows(8, later), 8);
    }

    #[test]
    fn where_nobody_is_there_it_opens_at_once() {
        let now = Instant::now();
        let breaker = CircuitBreaker::new(3, BACKOFF);
        breaker.open(now);
        assert_eq!(breaker.allows(8, now), 0);
    }

    #[test]
    fn it_says_since_when_it_has_not_been_closed() {
        let now = Instant::now();
        let breaker = CircuitBreaker::new(1, BACKOFF);
        assert_eq!(breaker.state(now), State::Closed);
        breaker.failed(now);
        let until = breaker.open_until().unwrap_or(now);
        assert_eq!(breaker.state(now), State::Open { since: now, until });
        let later = now + BACKOFF.first;
        assert_eq!(breaker.state(later), State::HalfOpen { since: now });
        breaker.failed(later);
        assert!(matches!(breaker.state(later), State::Open { since, .. } if since == now));
    }
}
