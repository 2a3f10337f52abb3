//! Times that come again and again, as cron writes them.

use crate::Error;
use crate::local::Local;
use croner::Direction;
use croner::parser::{CronParser, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Bytes of the longest expression, and of the longest name of a time zone.
const LONGEST: usize = 256;

/// Characters of what is wrong that are repeated.
const REPEATED: usize = 100;

/// A cron expression in a time zone.
///
/// Where clocks go forward, a time of day in the hour that is left out comes right after it; where they go
/// back, it comes once. What comes every so often (`*` in the minute or the hour) keeps its distance
/// throughout.
#[derive(Clone, Debug)]
pub struct Cron {
    pattern: Box<croner::Cron>,
    zone: TimeZone,
}

// === impl Cron ===

impl Cron {
    /// Reads an expression of five fields, or of six with seconds first, that comes after now; UTC if no
    /// zone is named.
    ///
    /// # Errors
    /// [`Error::Expression`], [`Error::TimeZone`], [`Error::Never`].
    pub fn read(expression: &str, time_zone: Option<&str>, now: Timestamp) -> Result<Self, Error> {
        let zone = match time_zone {
            None => TimeZone::UTC,
            Some(name) => zone(name).ok_or_else(|| Error::TimeZone(shown(name)))?,
        };
        let wrong = |reason: String| Error::Expression {
            expression: shown(expression),
            reason: shown(&reason),
        };
        if expression.len() > LONGEST {
            return Err(wrong(format!("it has more than {LONGEST} bytes")));
        }
        let parser = CronParser::builder().year(Year::Disallowed).build();
        let pattern = parser.parse(expression);
        let cron = Self {
            pattern: Box::new(pattern.map_err(|error| wrong(error.to_string()))?),
            zone,
        };
        match cron.after(now) {
            Some(_) => Ok(cron),
            None => Err(Error::Never(shown(expression))),
        }
    }

    /// The first time after a moment.
    pub fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        self.search(moment, false, Direction::Forward)
    }

    /// The last time at or before a moment.
    pub fn until(&self, moment: Timestamp) -> Option<Timestamp> {
        self.search(moment, true, Direction::Backward)
    }

    /// The last time before another time.
    pub(crate) fn before(&self, time: Timestamp) -> Option<Timestamp> {
        self.until(time.checked_sub(SignedDuration::from_secs(1)).ok()?)
    }

    fn search(&self, from: Timestamp, inclusive: bool, way: Direction) -> Option<Timestamp> {
        let from = Local::begin(from.to_zoned_datetime(self.zone.clone()));
        let found = match way {
            Direction::Forward => self.pattern.find_next_occurrence(&from, inclusive),
            Direction::Backward => self.pattern.find_previous_occurrence(&from, inclusive),
        };
        found.ok().map(|found| found.timestamp())
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    (name.len() <= LONGEST).then(|| TimeZone::get(name).ok())?
}

fn shown(text: &str) -> String {
    text.chars().take(REPEATED).collect()
}
