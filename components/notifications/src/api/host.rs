//! What only the host asks: events, tasks, ticks.

use crate::model::Requested;
use crate::{arrival, delivery, digest as digests_of, inbox};
use sbd_sdk::events::Event;
use sbd_sdk::tasks::Work;
use sbd_sdk::{Result, on_event, schedule, task};
use serde::Deserialize;

/// Somebody is to be told something.
#[on_event("notification.requested")]
pub(crate) async fn requested(event: Event<Requested>) -> Result<()> {
    arrival::arrive(event).await
}

/// Who is gone.
#[derive(Deserialize)]
pub(crate) struct AccountDeleted {
    user_id: String,
}

/// What a user was told goes with the account, and how they wanted it.
#[on_event("account.deleted")]
pub(crate) async fn account_deleted(event: Event<AccountDeleted>) -> Result<()> {
    inbox::forget(&event.data.user_id).await
}

/// Tells whoever is connected what was held back.
#[task("push", queue = "default")]
pub(crate) async fn push(work: Work<delivery::About>) -> Result<()> {
    delivery::push_now(&work.data).await
}

/// Sends the mail about a notification.
#[task("mail", queue = "default")]
pub(crate) async fn mail(work: Work<delivery::About>) -> Result<()> {
    delivery::mail_now(&work.data).await
}

/// Sends a digest.
#[task("digest", queue = "default")]
pub(crate) async fn digest(work: Work<digests_of::About>) -> Result<()> {
    digests_of::send(&work.data).await
}

/// Has the next digests sent when they are due. Once a day will do: they wait as tasks.
#[schedule("digests", cron = "0 0 * * *", missed = "once", jitter = "1h")]
pub(crate) async fn digests() -> Result<()> {
    digests_of::begin_all().await
}
