//! What only the host asks, so that orders go on.

use crate::model::OrderId;
use crate::progress::{self, Told};
use crate::refunds;
use sbd_sdk::events::Event;
use sbd_sdk::{Result, on_event, schedule};
use serde::Deserialize;

/// Of which order something was handed over, or not.
#[derive(Debug, Deserialize)]
pub(crate) struct Granted {
    order_id: OrderId,
    /// Who hands it over; nobody else, where the shop itself does.
    #[serde(default)]
    component: Option<String>,
}

/// A family's administrator has decided on what its account is to pay, or nobody has in time.
#[on_event("family.purchase.*")]
pub(crate) async fn family_decided(event: Event<Told>) -> Result<()> {
    progress::hear(&event.kind, &event.data).await
}

/// And so has somebody in a workspace.
#[on_event("workspace.purchase.*")]
pub(crate) async fn workspace_decided(event: Event<Told>) -> Result<()> {
    progress::hear(&event.kind, &event.data).await
}

/// Another component has handed something over.
#[on_event("shop.grant.granted")]
pub(crate) async fn granted_by_others(event: Event<Granted>) -> Result<()> {
    of_others(&event.data).await
}

/// Another component would not.
#[on_event("shop.grant.refused")]
pub(crate) async fn refused_by_others(event: Event<Granted>) -> Result<()> {
    of_others(&event.data).await
}

async fn of_others(granted: &Granted) -> Result<()> {
    match granted.component {
        Some(_) => progress::wake(&granted.order_id).await,
        None => Ok(()),
    }
}

/// Goes on with orders and refunds that stopped on the way, and undoes what has not ended in time.
#[schedule("settle", cron = "* * * * *", missed = "once")]
pub(crate) async fn settle() -> Result<()> {
    progress::go_on_with_due().await?;
    refunds::go_on_with_due().await
}
