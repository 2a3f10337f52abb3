//! When to try again: exponential backoff with full jitter, and a circuit breaker before whoever fails.

use std::time::{Duration, Instant};

/// Delays that double, each drawn from all that are shorter (full jitter), so that many who wait for
/// the same do not come back at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The first delay at most.
    pub(crate) first: Duration,
    /// Every delay at most.
    pub(crate) most: Duration,
}

/// Keeps from sending to whoever fails. Closed, it counts failures in a row; from so many on it is open
/// for a while, and then lets one through to see.
#[derive(Debug)]
pub(crate) struct CircuitBreaker {
    /// Failures in a row that open it.
    threshold: u32,
    backoff: Backoff,
    failures: u32,
    /// How often it was opened in a row.
    openings: u32,
    open_until: Option<Instant>,
}

// === impl Backoff ===

impl Backoff {
    /// The delay after so many attempts, of which there was one at least.
    pub(crate) fn after(self, attempts: u32) -> Duration {
        self.longest(attempts).mul_f64(random())
    }

    fn longest(self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

// === impl CircuitBreaker ===

impl CircuitBreaker {
    pub(crate) fn new(threshold: u32, backoff: Backoff) -> Self {
        Self {
            threshold,
            backoff,
            failures: 0,
            openings: 0,
            open_until: None,
        }
    }

    /// How many may be under way, where so many may in good times.
    pub(crate) fn allows(&self, most: usize, now: Instant) -> usize {
        match self.open_until {
            None => most,
            Some(until) if until <= now => 1,
            Some(_) => 0,
        }
    }

    /// When it lets one through, if it is open.
    pub(crate) fn open_until(&self) -> Option<Instant> {
        self.open_until
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.openings = 0;
        self.open_until = None;
    }

    pub(crate) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.threshold || self.open_until.is_some() {
            self.open(now);
        }
    }

    /// Nobody is there: no need to count.
    pub(crate) fn open(&mut self, now: Instant) {
        self.openings = self.openings.saturating_add(1);
        // Half of it at least, or a dead subscriber would be asked without a pause.
        let longest = self.backoff.longest(self.openings);
        let pause = longest / 2 + (longest / 2).mul_f64(random());
        self.open_until = Some(now + pause);
    }
}

/// From 0 to 1. Without randomness every delay is the longest, which is correct too.
fn random() -> f64 {
    let mut bytes = [u8::MAX; 4];
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        most: Duration::from_secs(60),
    };

    #[test]
    fn delays_double_up_to_a_bound_and_are_drawn_from_all_that_are_shorter() {
        let longest: Vec<u64> = (1..9).map(|n| BACKOFF.longest(n).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(BACKOFF.longest(u32::MAX), BACKOFF.most);
        let drawn: Vec<Duration> = (0..200).map(|_| BACKOFF.after(4)).collect();
        assert!(drawn.iter().all(|delay| *delay <= Duration::from_secs(8)));
        assert!(drawn.iter().any(|delay| *delay < Duration::from_secs(4)));
        assert!(drawn.iter().any(|delay| *delay > Duration::from_secs(4)));
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_through_after_a_pause() {
        let now = Instant::now();
        let mut breaker = CircuitBreaker::new(3, BACKOFF);
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
        let mut breaker = CircuitBreaker::new(3, BACKOFF);
        breaker.open(now);
        assert_eq!(breaker.allows(8, now), 0);
    }
}
