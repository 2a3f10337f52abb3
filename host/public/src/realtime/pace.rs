//! How often somebody may say something.

use tokio::time::Instant;

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
        let now = Instant::now();
        let gained = now.duration_since(self.at).as_secs_f64() * PER_SECOND;
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

    #[tokio::test(start_paused = true)]
    async fn many_at_once_and_some_a_second() {
        let mut pace = Pace::new();
        let mut said = || {
            let mut said = 0;
            while pace.admits() {
                said += 1;
            }
            said
        };
        assert_eq!(said(), 100);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(said(), 20);
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert_eq!(said(), 100);
    }
}
