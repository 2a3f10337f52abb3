//! What only the host asks about the account: events, tasks, ticks.

use crate::model::WorkspaceId;
use group::account::{self, About};
use group::requests::RequestId;
use group::{freezing, payments, requests, telling};
use sbd_sdk::events::Event;
use sbd_sdk::tasks::Work;
use sbd_sdk::{Result, on_event, schedule, task};
use serde::Deserialize;

/// Which workspace an event is about, and which request, if it is about one.
#[derive(Debug, Deserialize)]
pub(crate) struct Of {
    workspace_id: WorkspaceId,
    #[serde(default)]
    request_id: Option<RequestId>,
}

/// A workspace has an account, so that it can be paid into.
#[on_event("workspace.created")]
pub(crate) async fn created(event: Event<Of>) -> Result<()> {
    account::open(&event.data.workspace_id).await
}

/// Opens an account that could not be, as long as the wallet was switched off.
#[task("open-account", queue = "default")]
pub(crate) async fn open_account(work: Work<About<WorkspaceId>>) -> Result<()> {
    account::open_later(&work.data).await
}

/// What happens to the account, all members are told.
#[on_event("workspace.wallet.*")]
pub(crate) async fn account_changed(event: Event<Of>) -> Result<()> {
    telling::of_account(&event.id, &event.kind, &event.data.workspace_id).await
}

/// That tokens are asked for, those who review are told.
#[on_event("workspace.token_request.created")]
pub(crate) async fn tokens_requested(event: Event<Of>) -> Result<()> {
    of_request(&event.data).await
}

/// And that something is to be bought.
#[on_event("workspace.purchase.created")]
pub(crate) async fn purchase_requested(event: Event<Of>) -> Result<()> {
    of_request(&event.data).await
}

async fn of_request(of: &Of) -> Result<()> {
    match &of.request_id {
        Some(id) => telling::of_request(&of.workspace_id, id).await,
        None => Ok(()),
    }
}

/// Has the ledger freeze an account, or unfreeze it, as it was decided.
#[task("settle-freeze", queue = "default")]
pub(crate) async fn settle_freeze(work: Work<About<WorkspaceId>>) -> Result<()> {
    freezing::settle_later(&work.data).await
}

/// Goes on with payments that stopped on the way, and ends requests whose time is over.
#[schedule("settle", cron = "* * * * *", missed = "once")]
pub(crate) async fn settle() -> Result<()> {
    requests::end_due::<WorkspaceId>().await?;
    payments::go_on_with_due::<WorkspaceId>().await
}
