//! What only the host asks: events, tasks, ticks.

use crate::continuity::{self, Due};
use crate::freezing::{self, About};
use crate::model::FamilyId;
use crate::telling::{self, Told};
use crate::{account, deletion, delivery, payments, requests, wallet};
use sbd_sdk::events::Event;
use sbd_sdk::tasks::Work;
use sbd_sdk::{Error, Result, on_event, schedule, task};
use serde::{Deserialize, Serialize};

/// Which family.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Created {
    pub(crate) family_id: FamilyId,
}

/// A family has an account, so that it can be paid into.
#[on_event("family.created")]
pub(crate) async fn created(event: Event<Created>) -> Result<()> {
    account::open(&event.data.family_id).await
}

/// Opens an account that could not be, as long as the wallet was switched off.
#[task("open-account", queue = "default")]
pub(crate) async fn open_account(work: Work<Created>) -> Result<()> {
    wallet::open(&work.data.family_id).await.map_err(|error| {
        // Also what says that trying again is no use: the wallet may be there tomorrow.
        Error::overloaded("the wallet is not there; the account is opened later", 60)
            .caused_by(error.message())
    })?;
    Ok(())
}

/// What happens to the account, all members are told.
#[on_event("family.wallet.*")]
pub(crate) async fn account_changed(event: Event<Told>) -> Result<()> {
    telling::of_account(&event.id, &event.kind, &event.data).await
}

/// That tokens are asked for, administrators are told.
#[on_event("family.token_request.created")]
pub(crate) async fn tokens_requested(event: Event<Told>) -> Result<()> {
    telling::of_request(&event.data).await
}

/// And that something is to be bought.
#[on_event("family.purchase.created")]
pub(crate) async fn purchase_requested(event: Event<Told>) -> Result<()> {
    telling::of_request(&event.data).await
}

/// Has an invitation delivered, once it is stored.
#[on_event("family.invitation.sent")]
pub(crate) async fn invitation_sent(event: Event<delivery::About>) -> Result<()> {
    delivery::begin(&event.data).await
}

/// Finds out who is invited, and tells them.
#[task("deliver-invitation", queue = "default")]
pub(crate) async fn deliver_invitation(work: Work<delivery::About>) -> Result<()> {
    delivery::deliver(&work.data).await
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
pub(crate) async fn close_family(work: Work<deletion::About>) -> Result<()> {
    deletion::go_on(&work.data).await
}

/// Has the ledger freeze an account, or unfreeze it, as it was decided.
#[task("settle-freeze", queue = "default")]
pub(crate) async fn settle_freeze(work: Work<About>) -> Result<()> {
    freezing::settle_later(&work.data).await
}

/// Goes on with payments that stopped on the way, and ends requests whose time is over.
#[schedule("settle", cron = "* * * * *", missed = "once")]
pub(crate) async fn settle() -> Result<()> {
    requests::end_due().await?;
    payments::go_on_with_due().await
}
