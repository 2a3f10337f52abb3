//! What only the host asks: events, tasks, ticks.

use crate::continuity::{self, Due};
use crate::departure;
use crate::model::FamilyId;
use crate::telling::{self, Told};
use group::account::{self, About};
use group::requests::RequestId;
use group::{deletion, delivery, freezing, payments, requests};
use sbd_sdk::events::Event;
use sbd_sdk::tasks::Work;
use sbd_sdk::{Result, on_event, schedule, task};
use serde::Deserialize;

/// Which family an event is about, and which request, if it is about one.
#[derive(Debug, Deserialize)]
pub(crate) struct Of {
    family_id: FamilyId,
    #[serde(default)]
    request_id: Option<RequestId>,
}

/// Who is gone.
#[derive(Deserialize)]
pub(crate) struct AccountDeleted {
    user_id: String,
}

/// A user who is gone is a member no more.
#[on_event("account.deleted")]
pub(crate) async fn account_deleted(event: Event<AccountDeleted>) -> Result<()> {
    departure::of(&event.data.user_id).await
}

/// A family has an account, so that it can be paid into.
#[on_event("family.created")]
pub(crate) async fn created(event: Event<Of>) -> Result<()> {
    account::open(&event.data.family_id).await
}

/// Opens an account that could not be, as long as the wallet was switched off.
#[task("open-account", queue = "default")]
pub(crate) async fn open_account(work: Work<About<FamilyId>>) -> Result<()> {
    account::open_later(&work.data).await
}

/// What happens to the account, all members are told.
#[on_event("family.wallet.*")]
pub(crate) async fn account_changed(event: Event<Of>) -> Result<()> {
    group::telling::of_account(&event.id, &event.kind, &event.data.family_id).await
}

/// That tokens are asked for, administrators are told.
#[on_event("family.token_request.created")]
pub(crate) async fn tokens_requested(event: Event<Of>) -> Result<()> {
    of_request(&event.data).await
}

/// And that something is to be bought.
#[on_event("family.purchase.created")]
pub(crate) async fn purchase_requested(event: Event<Of>) -> Result<()> {
    of_request(&event.data).await
}

async fn of_request(of: &Of) -> Result<()> {
    match &of.request_id {
        Some(id) => group::telling::of_request(&of.family_id, id).await,
        None => Ok(()),
    }
}

/// Has an invitation delivered, once it is stored.
#[on_event("family.invitation.sent")]
pub(crate) async fn invitation_sent(event: Event<delivery::About>) -> Result<()> {
    delivery::begin(&event.data).await
}

/// Finds out who is invited, and tells them.
#[task("deliver-invitation", queue = "default")]
pub(crate) async fn deliver_invitation(work: Work<delivery::About>) -> Result<()> {
    delivery::deliver::<FamilyId>(&work.data).await
}

/// That an account is to be given back, whoever can confirm it is told.
#[on_event("family.recovery.asked")]
pub(crate) async fn recovery_asked(event: Event<Told>) -> Result<()> {
    telling::of_recovery(&event.data).await
}

/// Has one thing go on whose time has come: a succession, an emergency access, a recovery.
#[task("go-on", queue = "default")]
pub(crate) async fn go_on(work: Work<Due>) -> Result<()> {
    continuity::go_on(&work.data).await
}

/// Looks for those.
#[schedule("continuity", cron = "*/5 * * * *", missed = "once")]
pub(crate) async fn look() -> Result<()> {
    continuity::look().await
}

/// Goes on with the deletion of a family, if it stopped on the way.
#[task("close-family", queue = "default")]
pub(crate) async fn close_family(work: Work<deletion::About<FamilyId>>) -> Result<()> {
    deletion::go_on(&work.data).await
}

/// Has the ledger freeze an account, or unfreeze it, as it was decided.
#[task("settle-freeze", queue = "default")]
pub(crate) async fn settle_freeze(work: Work<About<FamilyId>>) -> Result<()> {
    freezing::settle_later(&work.data).await
}

/// Goes on with payments that stopped on the way, and ends requests whose time is over.
#[schedule("settle", cron = "* * * * *", missed = "once")]
pub(crate) async fn settle() -> Result<()> {
    requests::end_due::<FamilyId>().await?;
    payments::go_on_with_due::<FamilyId>().await
}
