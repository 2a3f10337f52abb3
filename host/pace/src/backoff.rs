//! Exponential backoff with full jitter.

use std::time::Duration;

/// Delays that double, each drawn from all that are shorter (full jitter), so that many who wait for
/// the same do not come back at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay at most.
    pub first: Duration,
    /// Every delay at most.
    pub most: Duration,
}

// === impl Backoff ===

impl Backoff {
    /// The delay after so many attempts, of which there was one at least.
    pub fn after(self, attempts: u32) -> Duration {
        self.longest(attempts).mul_f64(random())
    }

    /// The same, but half of the longest at least: where a pause is meant to be one.
    pub fn pause(self, attempts: u32) -> Duration {
        let half = self.longest(attempts) / 2;
        half + half.mul_f64(random())
    }

    fn longest(self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
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
    fn a_pause_is_half_of_the_longest_at_least() {
        let drawn: Vec<Duration> = (0..200).map(|_| BACKOFF.pause(4)).collect();
        let range = Duration::from_secs(4)..=Duration::from_secs(8);
        assert!(drawn.iter().all(|pause| range.contains(pause)));
    }
}
