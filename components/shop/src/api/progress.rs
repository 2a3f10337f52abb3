//! What only the host asks, so that orders go on.

use crate::features;
use crate::kinds::Kind;
use crate::model::OrderId;
use crate::progress::{self, Told};
use crate::refunds;
use sbd_sdk::events::Event;
use sbd_sdk::{Result, on_event, schedule};
use serde::Deserialize;

/// What was handed over, or not, of which order.
#[derive(Debug, Deserialize)]
pub(crate) struct Granted {
    order_id: OrderId,
    user_id: String,
    kind: Kind,
    #[serde(default)]
    reference: Option<String>,
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

/// Another component has handed something over, or the shop a feature.
#[on_event("shop.grant.granted")]
pub(crate) async fn granted(event: Event<Granted>) -> Result<()> {
    of_features(&event.data).await?;
    of_others(&event.data).await
}

/// Something is somebody's no more.
#[on_event("shop.grant.ended")]
pub(crate) async fn ended(event: Event<Granted>) -> Result<()> {
    of_features(&event.data).await
}

/// Another component would not.
#[on_event("shop.grant.refused")]
pub(crate) async fn refused_by_others(event: Event<Granted>) -> Result<()> {
    of_others(&event.data).await
}

/// The host has a feature be on for those who have it.
async fn of_features(granted: &Granted) -> Result<()> {
    match (&granted.kind, &granted.reference) {
        (Kind::Feature, Some(feature)) => features::tell(&granted.user_id, feature).await,
        _ => Ok(()),
    }
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
