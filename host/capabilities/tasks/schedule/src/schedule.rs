//! What is due of a schedule, and when something is again.

use crate::{Cron, Error};
use jiff::{SignedDuration, Timestamp};
use sbd_contract::offer::{self, MOST_JITTER_MS, Missed};

/// A time that is later than this was missed, even if the host was up: it was asleep, or its clock wrong,
/// or the tenant suspended. Long enough for all tenants to have their turn when they share a time.
pub const LATE: SignedDuration = SignedDuration::from_mins(10);

/// Most times that are due at once.
pub const MOST: usize = 1000;

/// When something is begun, again and again or once.
#[derive(Clone, Debug)]
pub enum Moment {
    /// Again and again.
    Cron(Cron),
    /// Once.
    Once(Timestamp),
}

/// When something is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    moment: Moment,
    missed: Missed,
    jitter_ms: u64,
    /// What the jitter is drawn by, beside the time.
    seed: u64,
}

/// What is due of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The times, as they were planned, the first one first.
    pub times: Vec<Timestamp>,
    /// How far the schedule has come with them.
    pub reached: Timestamp,
    /// When something is due again; `None`: never.
    pub next: Option<Timestamp>,
}

// === impl Schedule ===

impl Schedule {
    /// A schedule. `seed` is its own: the same for all who share its store.
    ///
    /// # Errors
    /// [`Error::Jitter`].
    pub fn new(moment: Moment, missed: Missed, jitter_ms: u64, seed: u64) -> Result<Self, Error> {
        if jitter_ms > MOST_JITTER_MS {
            return Err(Error::Jitter(jitter_ms));
        }
        Ok(Self {
            moment,
            missed,
            jitter_ms,
            seed,
        })
    }

    /// The schedule that an offer declares.
    ///
    /// # Errors
    /// As [`Schedule::new`] and [`Cron::read`].
    pub fn declared(declared: &offer::Schedule, seed: u64, now: Timestamp) -> Result<Self, Error> {
        let cron = Cron::read(&declared.cron, declared.time_zone.as_deref(), now)?;
        let moment = Moment::Cron(cron);
        Self::new(moment, declared.missed, declared.jitter_ms, seed)
    }

    /// When something is due first, for one that has come so far.
    pub fn next(&self, reached: Timestamp) -> Option<Timestamp> {
        self.put_off(self.after(reached)?)
    }

    /// What is due now, for one that has come so far. Times before `since` passed while nobody was there
    /// to see to them.
    pub fn due(&self, reached: Timestamp, now: Timestamp, since: Timestamp) -> Due {
        let since = since.max(now.checked_sub(LATE).unwrap_or(Timestamp::MIN));
        let mut due = Due {
            times: Vec::new(),
            reached,
            next: self.next(reached),
        };
        let mut made_up = false;
        let mut candidate = self.until(now);
        while let Some(time) = candidate.filter(|time| *time > reached) {
            candidate = self.before(time);
            let Some(begins) = self.put_off(time) else {
                break;
            };
            if begins > now {
                continue;
            }
            if due.reached == reached {
                due.reached = time;
                due.next = self.next(time);
            }
            let is_missed = begins < since;
            if due.times.len() == MOST || is_missed && (self.missed == Missed::Skip || made_up) {
                break;
            }
            made_up = is_missed && self.missed == Missed::Once;
            due.times.push(time);
        }
        due.times.reverse();
        due
    }

    /// When a time is seen to: its jitter later, and always before the next time, so that times keep
    /// their order.
    fn put_off(&self, time: Timestamp) -> Option<Timestamp> {
        if self.jitter_ms == 0 {
            return Some(time);
        }
        let room = match self.after(time) {
            Some(next) => next.as_millisecond() - time.as_millisecond(),
            None => i64::MAX,
        };
        let most = u64::try_from(room).unwrap_or(1).min(self.jitter_ms + 1);
        let mut drawn = blake3::Hasher::new();
        drawn.update(&time.as_millisecond().to_le_bytes());
        drawn.update(&self.seed.to_le_bytes());
        let [a, b, c, d, e, f, g, h, ..] = *drawn.finalize().as_bytes();
        let drawn = u64::from_le_bytes([a, b, c, d, e, f, g, h]) % most.max(1);
        let drawn = SignedDuration::from_millis(i64::try_from(drawn).ok()?);
        time.checked_add(drawn).ok()
    }

    fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        match &self.moment {
            Moment::Cron(cron) => cron.after(moment),
            Moment::Once(at) => Some(*at).filter(|at| *at > moment),
        }
    }

    fn until(&self, moment: Timestamp) -> Option<Timestamp> {
        match &self.moment {
            Moment::Cron(cron) => cron.until(moment),
            Moment::Once(at) => Some(*at).filter(|at| *at <= moment),
        }
    }

    fn before(&self, time: Timestamp) -> Option<Timestamp> {
        match &self.moment {
            Moment::Cron(cron) => cron.before(time),
            Moment::Once(_) => None,
        }
    }
}
