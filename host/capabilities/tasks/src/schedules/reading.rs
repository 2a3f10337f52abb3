//! Schedules as guests write them.

use super::{Moment, NewSchedule, SetSchedule, Timing};
use crate::bindings::tasks as wit;
use crate::host::{acts_for, at_most, check_data};
use crate::{Error, TasksCtx};
use jiff::Timestamp;
use sbd_contract::offer::Missed;
use sbd_metering::Charge;
use std::sync::Arc;

/// Longest name, in bytes.
const LONGEST_NAME: usize = 200;

/// What a new schedule is charged for.
pub(crate) fn bytes_of(new: &wit::NewSchedule) -> usize {
    let (wit::Moment::Cron(moment) | wit::Moment::Once(moment)) = &new.moment;
    let time_zone = new.time_zone.as_ref().map_or(0, String::len);
    new.name.len() + new.task.len() + new.data.len() + moment.len() + time_zone
}

/// A new schedule, with all that is promised of it.
///
/// # Errors
/// [`Error::Invalid`], [`Error::UnknownTask`].
pub(crate) fn read(
    ctx: &TasksCtx,
    charge: &Charge,
    new: wit::NewSchedule,
    now: Timestamp,
) -> Result<NewSchedule, Error> {
    let queue = ctx.queue(&new.task)?.to_owned();
    if new.name.is_empty() {
        let unnamed = "a schedule has a name of 1 byte at least; give it one, to end it by";
        return Err(Error::Invalid(unnamed.to_owned()));
    }
    at_most("bytes of a schedule's name", new.name.len(), LONGEST_NAME)?;
    check_data(&new.data)?;
    let timing = Timing {
        moment: moment(new.moment, new.time_zone)?,
        missed: match new.missed {
            wit::Missed::Skip => Missed::Skip,
            wit::Missed::One => Missed::Once,
            wit::Missed::All => Missed::All,
        },
        jitter_ms: new.jitter_ms,
    };
    let checked = timing.schedule(0, now);
    checked.map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(NewSchedule {
        component: Arc::clone(ctx.component()),
        name: new.name,
        timing,
        task: new.task,
        queue,
        data: new.data,
        acts_for: new.for_user.then(|| acts_for(charge)).transpose()?,
    })
}

fn moment(moment: wit::Moment, time_zone: Option<String>) -> Result<Moment, Error> {
    match moment {
        wit::Moment::Cron(expression) => Ok(Moment::Cron {
            expression,
            time_zone,
        }),
        wit::Moment::Once(_) if time_zone.is_some() => {
            let offset = "a time of RFC 3339 has its offset in it; leave out the time zone";
            Err(Error::Invalid(offset.to_owned()))
        }
        wit::Moment::Once(text) => {
            let at: Result<Timestamp, _> = text.parse();
            let at = at.map_err(|error| {
                let text: String = text.chars().take(100).collect();
                Error::Invalid(format!(
                    "`{text}` is no time ({error}); write it as in RFC 3339, like `2026-12-24T18:00:00Z`"
                ))
            })?;
            let at = at.as_millisecond();
            Ok(Moment::Once { at })
        }
    }
}

impl From<SetSchedule> for wit::Schedule {
    fn from(schedule: SetSchedule) -> Self {
        Self {
            name: schedule.name,
            task: schedule.task,
            next_at: schedule.next_at.to_string(),
        }
    }
}
