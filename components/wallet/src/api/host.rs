//! What only the host asks: events, tasks, ticks, and an operator by it whether the books are right.

use crate::model::Kind;
use crate::{accounts, closure, holds, reconciliation};
use sbd_sdk::events::Event;
use sbd_sdk::tasks::Work;
use sbd_sdk::{By, Json, Result, on_event, schedule, task};
use serde::Deserialize;
use serde_json::{Value, json};

/// Who has registered.
#[derive(Debug, Deserialize)]
pub(crate) struct Registered {
    user_id: String,
}

/// Whoever registers has an account, so that others can pay them.
#[on_event("account.registered")]
pub(crate) async fn registered(event: Event<Registered>) -> Result<()> {
    accounts::ensure(&event.data.user_id, Kind::User)
        .await
        .map(drop)
}

/// Who is gone.
#[derive(Debug, Deserialize)]
pub(crate) struct Deleted {
    user_id: String,
}

/// Whoever is gone has no account any more, and there are fewer tokens.
#[on_event("account.deleted")]
pub(crate) async fn deleted(By(by): By, event: Event<Deleted>) -> Result<()> {
    closure::of_departed(&by, &event.data.user_id).await
}

/// Frees what was reserved, when its time is over.
#[task("expire-hold", queue = "default")]
pub(crate) async fn expire_hold(work: Work<holds::About>) -> Result<()> {
    holds::expire(&work.data).await
}

/// Frees what the tasks did not, and finds out whether the books are right.
#[schedule("reconcile", cron = "30 2 * * *", missed = "once", jitter = "1h")]
pub(crate) async fn reconcile() -> Result<()> {
    let overdue = holds::expire_overdue().await?;
    if overdue > 0 {
        eprintln!("warning: {overdue} holds were overdue");
    }
    reconciliation::nightly().await
}

/// Whether the books are right, for an operator: `sbd ledger verify`.
pub(crate) async fn verify() -> Result<Json<Value>> {
    let report = reconciliation::reconcile().await?;
    Ok(Json(json!({"sound": report.is_right(), "found": report})))
}
