//! How often somebody may say something.

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;

/// Messages at once: 100.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
/// Messages a second, on and on: 20.
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);

/// What is left to say: a token bucket.
pub(super) struct Pace<C: Clock = DefaultClock> {
    bucket: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
}

// === impl Pace ===

impl Pace {
    pub(super) fn new() -> Self {
        Self::by(DefaultClock::default())
    }
}

impl<C: Clock> Pace<C> {
    fn by(clock: C) -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        Self {
            bucket: RateLimiter::direct_with_clock(quota, clock),
        }
    }

    /// Whether one more may be said now.
    pub(super) fn admits(&self) -> bool {
        self.bucket.check().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    #[test]
    fn many_at_once_and_some_a_second() {
        let clock = FakeRelativeClock::default();
        let pace = Pace::by(clock.clone());
        let mut now = Duration::ZERO;
        let mut said = |after| {
            let then = Duration::from_secs(after);
            clock.advance(then - now);
            now = then;
            std::iter::from_fn(|| pace.admits().then_some(())).count()
        };
        assert_eq!(said(0), 100);
        assert_eq!(said(1), 20);
        assert_eq!(said(1000), 100);
    }
}
