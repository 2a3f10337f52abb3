//! When a schedule is due, as it is written down.

use jiff::Timestamp;
use sbd_contract::offer::{self, Missed};
use sbd_tasks_schedule::{Cron, Error, Schedule};
use serde::{Deserialize, Serialize};

/// When something is begun, again and again or once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Again and again.
    Cron {
        /// As cron writes it.
        expression: String,
        /// The time zone of that, an IANA name; UTC without it.
        time_zone: Option<String>,
    },
    /// Once.
    Once {
        /// Then, in milliseconds since 1970.
        at: i64,
    },
}

/// When a schedule is due. Equal ones are due at the same times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// When.
    pub moment: Moment,
    /// What becomes of times that were missed.
    pub missed: Missed,
    /// Each time is put off by so many milliseconds at most.
    pub jitter_ms: u64,
}

// === impl Timing ===

impl Timing {
    /// When a schedule is due that an offer declares.
    pub fn declared(declared: &offer::Schedule) -> Self {
        Self {
            moment: Moment::Cron {
                expression: declared.cron.clone(),
                time_zone: declared.time_zone.clone(),
            },
            missed: declared.missed,
            jitter_ms: declared.jitter_ms,
        }
    }

    /// What comes of it, for one that has come so far.
    ///
    /// # Errors
    /// What is wrong with it, or that it never comes again.
    pub(crate) fn schedule(&self, seed: u64, reached: Timestamp) -> Result<Schedule, Error> {
        let moment = match &self.moment {
            Moment::Cron {
                expression,
                time_zone,
            } => {
                let cron = Cron::read(expression, time_zone.as_deref(), reached)?;
                sbd_tasks_schedule::Moment::Cron(cron)
            }
            Moment::Once { at } => {
                let at = Timestamp::from_millisecond(*at).unwrap_or(Timestamp::MAX);
                if at <= reached {
                    return Err(Error::Passed(at));
                }
                sbd_tasks_schedule::Moment::Once(at)
            }
        };
        Schedule::new(moment, self.missed, self.jitter_ms, seed)
    }
}
