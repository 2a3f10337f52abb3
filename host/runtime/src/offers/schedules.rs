//! Whether the schedules of an offer are schedules.

use jiff::Timestamp;
use sbd_contract::Offer;
use sbd_contract::offer::SCHEDULES;
use sbd_tasks_schedule::Schedule;

/// Refuses a schedule whose cron or time zone is wrong, or that never comes.
///
/// # Errors
/// Which, and what to write instead.
pub(super) fn check(offer: &Offer, now: Timestamp) -> Result<(), String> {
    for declared in &offer.schedules {
        Schedule::declared(declared, 0, now)
            .map_err(|error| format!("`{SCHEDULES}` has `{}`: {error}", declared.name))?;
    }
    Ok(())
}
