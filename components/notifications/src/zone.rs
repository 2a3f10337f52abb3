//! Times of a day as a user's clock shows them.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use sbd_sdk::time::Time;

/// Where a user's clock is.
pub(crate) struct Zone(TimeZone);

// === impl Zone ===

impl Zone {
    /// The zone of an IANA name, like `Europe/Berlin`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// The zone of a name; UTC if it is none any more.
    pub(crate) fn known(name: &str) -> Self {
        Self::named(name).unwrap_or(Self(TimeZone::UTC))
    }

    /// What a clock there shows.
    pub(crate) fn shows(&self, time: Time) -> civil::DateTime {
        let time = Timestamp::from_second(time.seconds()).unwrap_or_default();
        self.0.to_datetime(time)
    }

    /// The first time after `now` at which a clock there shows this. A clock that is put forward skips
    /// some times, which count as those after; one that is put back shows some twice.
    pub(crate) fn when(&self, shown: civil::DateTime, now: Time) -> Option<Time> {
        let ambiguous = || self.0.to_ambiguous_timestamp(shown);
        let (earlier, later) = (ambiguous().compatible(), ambiguous().later());
        let times = earlier.into_iter().chain(later);
        let mut times = times.map(|time| Time::from_seconds(time.as_second()));
        times.find(|time| *time > now)
    }
}

/// A time of day, `07:30`.
pub(crate) fn clock(text: &str) -> Option<civil::Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_two_digits_each() {
        assert_eq!(clock("07:30"), civil::Time::new(7, 30, 0, 0).ok());
        for wrong in [
            "", "7:30", "07:3", "24:00", "07:60", "07.30", "+7:30", "07:30:00",
        ] {
            assert_eq!(clock(wrong), None, "{wrong}");
        }
        assert!(Zone::named("Europe/Berlin").is_some() && Zone::named("UTC").is_some());
        assert!(Zone::named("Europe/Atlantis").is_none() && Zone::named("").is_none());
    }
}
