//! What only the host asks: events, tasks, ticks.

use crate::delivery;
use sbd_sdk::events::Event;
use sbd_sdk::tasks::Work;
use sbd_sdk::{Result, on_event, task};

/// Has an invitation delivered, once it is stored.
#[on_event("workspace.invitation.sent")]
pub(crate) async fn invitation_sent(event: Event<delivery::About>) -> Result<()> {
    delivery::begin(&event.data).await
}

/// Finds out who is invited, and tells them.
#[task("deliver-invitation", queue = "default")]
pub(crate) async fn deliver_invitation(work: Work<delivery::About>) -> Result<()> {
    delivery::deliver(&work.data).await
}
