//! What only the host asks: events, ticks.

use crate::{contents, grants, rentals};
use sbd_sdk::{Result, schedule};

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
