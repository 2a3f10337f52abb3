//! How much a component may log.

use std::sync::Mutex;
use std::time::Instant;

/// A component may log what it has not logged for this long at once.
const SAVED_SECONDS: f64 = 4.0;

/// The bytes that a component may log now; it gets new ones with every second, and may save up.
#[derive(Debug)]
pub(crate) struct LogBudget {
    rate: f64,
    saved: Mutex<(f64, Instant)>,
}

// === impl LogBudget ===

impl LogBudget {
    /// So many bytes a second.
    pub(crate) fn new(rate: u64) -> Self {
        let rate = rate as f64;
        Self {
            rate,
            saved: Mutex::new((rate * SAVED_SECONDS, Instant::now())),
        }
    }

    pub(crate) fn take(&self, bytes: usize) -> bool {
        let Ok(mut saved) = self.saved.lock() else {
            return false;
        };
        let (left, at) = &mut *saved;
        let now = Instant::now();
        let earned = now.duration_since(*at).as_secs_f64() * self.rate;
        *left = (*left + earned).min(self.rate * SAVED_SECONDS);
        *at = now;
        let bytes = bytes as f64;
        if *left < bytes {
            return false;
        }
        *left -= bytes;
        true
    }
}
