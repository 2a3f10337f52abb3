//! A moment on the clocks of a time zone, as `croner` searches for it.

use croner::errors::CronError;
use croner::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use std::cell::Cell;
use std::cmp::Ordering;
use std::rc::Rc;

/// How often a search may ask what a clock's time means: thirty years of an hour, second by second, that
/// the clocks always leave out. Whoever writes an expression must not keep the host searching.
const PATIENCE: u32 = 100_000;

/// A moment in a time zone.
#[derive(Clone)]
pub(crate) struct Local {
    moment: ZonedDateTime,
    patience: Rc<Cell<u32>>,
}

// === impl Local ===

impl Local {
    /// Where a search begins.
    pub(crate) fn begin(moment: ZonedDateTime) -> Self {
        Self {
            moment,
            patience: Rc::new(Cell::new(PATIENCE)),
        }
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        self.moment.timestamp()
    }

    /// Another moment of the same search.
    fn other(&self, moment: ZonedDateTime) -> Self {
        Self {
            moment,
            patience: Rc::clone(&self.patience),
        }
    }
}

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let civil = self.moment.datetime();
        let part = |part: i8| u32::try_from(part).unwrap_or_default();
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(
                civil.year().into(),
                part(civil.month()),
                part(civil.day()),
            ),
            CivilTime::from_parts_unchecked(
                part(civil.hour()),
                part(civil.minute()),
                part(civil.second()),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.moment.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(u32::try_from(days).unwrap_or_default())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let patience = self.patience.get().checked_sub(1);
        let patience = patience.ok_or(CronError::TimeSearchLimitExceeded)?;
        self.patience.set(patience);
        let civil = date_time(civil).ok_or(CronError::InvalidDate)?;
        let zone = self.moment.time_zone();
        let ambiguous = zone.to_ambiguous_zoned_datetime(civil);
        let moment = |zoned: Result<ZonedDateTime, jiff::Error>| match zoned {
            Ok(zoned) => Ok(self.other(zoned)),
            Err(_) => Err(CronError::InvalidTime),
        };
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
            AmbiguousOffset::Unambiguous { .. } => {
                Resolution::Single(moment(ambiguous.unambiguous())?)
            }
            AmbiguousOffset::Fold { .. } => Resolution::Ambiguous(
                moment(ambiguous.clone().earlier())?,
                moment(ambiguous.later())?,
            ),
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let moved = self.moment.checked_add(SignedDuration::from_secs(seconds));
        moved.ok().map(|moved| self.other(moved))
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.timestamp().cmp(&other.timestamp())
    }
}

fn date_time(civil: CivilDateTime) -> Option<DateTime> {
    let part = |part: u32| i8::try_from(part).ok();
    let date = DateTime::new(
        i16::try_from(civil.year()).ok()?,
        part(civil.month())?,
        part(civil.day())?,
        part(civil.hour())?,
        part(civil.minute())?,
        part(civil.second())?,
        0,
    );
    date.ok()
}
