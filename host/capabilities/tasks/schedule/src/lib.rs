//! When what is scheduled is due, without I/O: [`Cron`] in a time zone, and a [`Schedule`] of such times
//! or of a single one.
//!
//! A *time* is what cron or a one-off says; it is put off by the schedule's jitter, which is drawn by the
//! schedule's seed and the time alone, so that hosts agree about it and a restart changes nothing. How far a
//! schedule has come is the last time that was seen to: nothing up to then is due again, wherever the
//! clock jumps.

mod cron;
mod error;
mod local;
mod schedule;

pub use cron::Cron;
pub use error::Error;
pub use schedule::{Due, LATE, MOST, Moment, Schedule};
