//! What only the host asks: events, ticks.

use crate::{contents, departure, features, grants, renewals, rentals};
use sbd_sdk::events::Event;
use sbd_sdk::tasks::Work;
use sbd_sdk::{Caller, Result, on_event, schedule, task};
use serde::Deserialize;

/// Who is gone.
#[derive(Deserialize)]
pub(crate) struct AccountDeleted {
    user_id: String,
}

/// What a user had goes with the account.
#[on_event("account.deleted")]
pub(crate) async fn account_deleted(event: Event<AccountDeleted>) -> Result<()> {
    departure::of(&event.data.user_id).await
}

/// Ends what was rented until now, reminds of what ends soon, and refuses what no component has confirmed in time.
#[schedule("settle-rentals", cron = "* * * * *", missed = "once")]
pub(crate) async fn settle_rentals() -> Result<()> {
    rentals::settle().await?;
    grants::lapse().await
}

/// Leaves nothing of contents that no item knows of.
#[schedule("sweep-contents", cron = "40 3 * * *", missed = "once", jitter = "1h")]
pub(crate) async fn sweep_contents() -> Result<()> {
    contents::sweep().await
}

/// Has the host know which features are on for whom, whatever it has forgotten.
#[schedule("tell-features", cron = "10 4 * * *", missed = "once", jitter = "1h")]
pub(crate) async fn tell_features() -> Result<()> {
    features::tell_all().await
}

/// Rents again what ends in an hour.
#[task("renew-rental", queue = "default")]
pub(crate) async fn renew_rental(caller: Caller, work: Work<renewals::About>) -> Result<()> {
    renewals::renew(&caller, &work.data).await
}
