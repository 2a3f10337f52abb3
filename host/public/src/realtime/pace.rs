//! How often somebody may say something.

use std::time::Instant;

/// Messages at once.
const BURST: f64 = 100.0;
/// Messages a second, on and on.
const PER_SECOND: f64 = 20.0;

/// What is left to say.
pub(super) struct Pace {
    left: f64,
    at: Instant,
}

// === impl Pace ===

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            left: BURST,
            at: Instant::now(),
        }
    }

    /// Whether one more may be said now.
    pub(super) fn admits(&mut self) -> bool {
        self.admits_at(Instant::now())
    }

    fn admits_at(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * PER_SECOND;
        self.left = (self.left + gained).min(BURST);
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn many_at_once_and_some_a_second() {
        let mut pace = Pace::new();
        let start = pace.at;
        let mut said = |after| {
            let now = start + Duration::from_secs(after);
            std::iter::from_fn(|| pace.admits_at(now).then_some(())).count()
        };
        assert_eq!(said(0), 100);
        assert_eq!(said(1), 20);
        assert_eq!(said(1000), 100);
    }
}
