//! When somebody wants to hear nothing.

use crate::zone::{Zone, clock};
use sbd_sdk::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When the user hears nothing: neither push nor mail, which come afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuietHours {
    /// From when on, as the user's clock shows it: `22:00`.
    #[schema(example = "22:00", min_length = 5, max_length = 5)]
    pub(crate) from: String,
    /// Until when; before `from`, it is the next day.
    #[schema(example = "07:00", min_length = 5, max_length = 5)]
    pub(crate) to: String,
}

// === impl QuietHours ===

impl QuietHours {
    /// When it ends, if it is quiet now.
    pub(crate) fn end(&self, zone: &Zone, now: Time) -> Option<Time> {
        let (from, to) = (clock(&self.from)?, clock(&self.to)?);
        let shown = zone.shows(now);
        let (time, date) = (shown.time(), shown.date());
        let over_midnight = from > to;
        let day = match (over_midnight, time >= from, time < to) {
            (false, true, true) | (true, false, true) => date,
            (true, true, false) => date.tomorrow().ok()?,
            _ => return None,
        };
        zone.when(day.to_datetime(to), now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn time(text: &str) -> Time {
        serde_json::from_value(text.into()).unwrap()
    }

    /// What ends when, of these hours in Berlin.
    fn end(from: &str, to: &str, now: &str) -> Option<String> {
        let hours = QuietHours {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let zone = Zone::named("Europe/Berlin").unwrap();
        hours.end(&zone, time(now)).map(|end| end.to_string())
    }

    #[test]
    fn they_last_over_midnight() {
        for (now, until) in [
            ("2026-01-10T20:59:59Z", None),
            ("2026-01-10T21:00:00Z", Some("2026-01-11T06:00:00.000Z")),
            ("2026-01-10T23:30:00Z", Some("2026-01-11T06:00:00.000Z")),
            ("2026-01-11T05:59:59Z", Some("2026-01-11T06:00:00.000Z")),
            ("2026-01-11T06:00:00Z", None),
        ] {
            assert_eq!(end("22:00", "07:00", now).as_deref(), until, "{now}");
        }
        for (now, until) in [
            ("2026-01-10T11:59:59Z", None),
            ("2026-01-10T12:00:00Z", Some("2026-01-10T13:30:00.000Z")),
            ("2026-01-10T13:30:00Z", None),
        ] {
            assert_eq!(end("13:00", "14:30", now).as_deref(), until, "{now}");
        }
    }

    #[test]
    fn a_clock_that_is_put_forward_or_back_counts() {
        // The night of 29 March has no 02:30; that of 25 October has it twice.
        for (from, to, now, until) in [
            (
                "22:00",
                "07:00",
                "2026-03-28T21:30:00Z",
                Some("2026-03-29T05:00:00.000Z"),
            ),
            (
                "22:00",
                "02:30",
                "2026-03-28T23:00:00Z",
                Some("2026-03-29T01:30:00.000Z"),
            ),
            (
                "22:00",
                "07:00",
                "2026-10-24T21:30:00Z",
                Some("2026-10-25T06:00:00.000Z"),
            ),
            (
                "22:00",
                "02:30",
                "2026-10-24T22:00:00Z",
                Some("2026-10-25T00:30:00.000Z"),
            ),
            // Between both: the first 02:45, and the second 02:10.
            ("22:00", "02:30", "2026-10-25T00:45:00Z", None),
            (
                "22:00",
                "02:30",
                "2026-10-25T01:10:00Z",
                Some("2026-10-25T01:30:00.000Z"),
            ),
        ] {
            assert_eq!(end(from, to, now).as_deref(), until, "{now}");
        }
    }
}
