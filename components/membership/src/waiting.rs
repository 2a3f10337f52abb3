//! Time in which somebody may object to what happens otherwise. Those who may are told when it begins, halfway
//! and a day before it ends.

use sbd_sdk::time::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A waiting time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// When it began.
    pub since: Time,
    /// When it is over.
    pub until: Time,
    /// Up to when its reminders were said.
    pub reminded_at: Time,
}

// === impl Waiting ===

impl Waiting {
    /// Begins now. Whoever begins it says so.
    pub fn begin(now: Time, time: Duration) -> Self {
        Self {
            since: now,
            until: now + time,
            reminded_at: now,
        }
    }

    /// Whether nobody has objected in time.
    pub fn is_over(&self, now: Time) -> bool {
        self.until <= now
    }

    /// When there is something to do next: to remind, or to end it.
    pub fn next_at(&self) -> Time {
        self.reminders()
            .into_iter()
            .find(|at| *at > self.reminded_at)
            .unwrap_or(self.until)
    }

    /// Whether a reminder is due; of several that were missed, one is said.
    pub fn is_reminder_due(&self, now: Time) -> bool {
        !self.is_over(now) && self.next_at() <= now
    }

    /// The same, reminded.
    #[must_use]
    pub fn reminded(self, now: Time) -> Self {
        Self {
            reminded_at: now,
            ..self
        }
    }

    /// In order; of a day or two there is one, which is halfway.
    fn reminders(&self) -> [Time; 2] {
        let halfway = self.since + self.until.since(self.since) / 2;
        let last_day = self.until - DAY;
        [halfway, last_day.max(halfway)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(days: u32) -> Vec<f64> {
        let since = Time::from_seconds(1_700_000_000);
        let mut waiting = Waiting::begin(since, DAY * days);
        let mut moments = Vec::new();
        while !waiting.is_over(waiting.next_at()) {
            let now = waiting.next_at();
            assert!(!waiting.is_reminder_due(now - Duration::from_millis(1)));
            assert!(waiting.is_reminder_due(now));
            moments.push(now.since(since).as_secs_f64() / DAY.as_secs_f64());
            waiting = waiting.reminded(now);
            assert!(!waiting.is_reminder_due(now));
        }
        moments
    }

    #[test]
    fn reminders_come_halfway_and_a_day_before_the_end() {
        assert_eq!(moments(1), [0.5]);
        assert_eq!(moments(2), [1.0]);
        assert_eq!(moments(7), [3.5, 6.0]);
        assert_eq!(moments(30), [15.0, 29.0]);
    }

    #[test]
    fn of_those_that_were_missed_one_is_said() {
        let since = Time::from_seconds(1_700_000_000);
        let waiting = Waiting::begin(since, DAY * 7);
        let late = since + DAY * 13 / 2;
        assert!(waiting.is_reminder_due(late));
        let reminded = waiting.reminded(late);
        assert!(!reminded.is_reminder_due(late));
        assert_eq!(reminded.next_at(), waiting.until);
        // When it is over there is nothing to remind of.
        assert!(!waiting.is_reminder_due(waiting.until));
        assert!(waiting.is_over(waiting.until));
    }
}
