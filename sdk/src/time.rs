//! Points in time, to the millisecond, as RFC 3339 text in UTC: such texts order as the times do.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;
use utoipa::ToSchema;

/// A point in time, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-31T08:15:30.250Z")]
pub struct Time(Timestamp);

/// The present; in a test of a component, what its clock says.
pub fn now() -> Time {
    #[cfg(not(target_family = "wasm"))]
    if let Some(now) = crate::testing::now() {
        return Time::from_milliseconds(now);
    }
    Time::from_milliseconds(Timestamp::now().as_millisecond())
}

// === impl Time ===

impl Time {
    /// So many milliseconds after 1970; the nearest there is, when that is out of range.
    pub fn from_milliseconds(milliseconds: i64) -> Self {
        let end = if milliseconds < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        Self(Timestamp::from_millisecond(milliseconds).unwrap_or(end))
    }

    /// So many seconds after 1970; the nearest there is, when that is out of range.
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_milliseconds(seconds.saturating_mul(1000))
    }

    /// Seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.as_millisecond().div_euclid(1000)
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        let milliseconds = self
            .0
            .as_millisecond()
            .saturating_sub(earlier.0.as_millisecond());
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        let later = i64::try_from(later.as_millis()).unwrap_or(i64::MAX);
        Self::from_milliseconds(self.0.as_millisecond().saturating_add(later))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        let earlier = i64::try_from(earlier.as_millis()).unwrap_or(i64::MAX);
        Self::from_milliseconds(self.0.as_millisecond().saturating_sub(earlier))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Self::from_milliseconds(time.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn always_three_digits_and_a_z() {
        assert_eq!(
            Time::from_milliseconds(0).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Time::from_milliseconds(1_769_847_330_250).to_string(),
            "2026-01-31T08:15:30.250Z"
        );
    }

    #[test]
    fn text_and_back() {
        let time = now();
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), time);
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let time = Time::from_seconds(10);
        assert_eq!(
            (time + Duration::from_millis(1500)).since(time),
            Duration::from_millis(1500)
        );
        assert_eq!(time.since(time + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!((time - Duration::from_secs(4)).seconds(), 6);
        assert!(time + Duration::MAX > time);
    }
}
