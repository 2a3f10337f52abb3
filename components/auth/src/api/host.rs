//! What only the host asks, under `/-/`: it is not reachable from outside.

use crate::lockdown::{attempts, change};
use crate::permanent::upkeep;
use crate::sessions::Revoked;
use crate::{
    administrators, departure, invitations, mailed, network_policy, refusals, resets, tokens,
};
use axum::response::{IntoResponse, Response};
use sbd_sdk::authentication::{Identity, Question};
use sbd_sdk::tasks::Work;
use sbd_sdk::{Created, Json, Result, schedule, task};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who is to be an administrator.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdministratorRequest {
    email: String,
    #[serde(default)]
    username: Option<String>,
    password: String,
    /// Whether accounts are to be used from any network again.
    #[serde(default)]
    from_anywhere: bool,
}

/// An administrator.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdministratorView {
    id: String,
    username: String,
    email: String,
    roles: Vec<String>,
}

/// Checks an access token, or whether somebody may still act.
pub(crate) async fn authenticate(Json(question): Json<Question>) -> Result<Json<Identity>> {
    tokens::authenticate(question).await.map(Json)
}

/// Makes a secret and mails it.
#[task("mail-secret", queue = "default")]
pub(crate) async fn mail_secret(work: Work<mailed::About>) -> Result<()> {
    mailed::send(&work.data, &work.id).await
}

/// Mails who forgot a password, or asks them whether they did.
#[task("mail-reset", queue = "default")]
pub(crate) async fn mail_reset(work: Work<resets::About>) -> Result<()> {
    resets::send(&work.data, &work.id).await
}

/// Makes the code of an invitation and mails it.
#[task("mail-invitation", queue = "default")]
pub(crate) async fn mail_invitation(work: Work<invitations::About>) -> Result<()> {
    invitations::send(&work.data, &work.id).await
}

/// Makes the code of what an account is to be bound to, and mails it.
#[task("mail-lockdown-change", queue = "default")]
pub(crate) async fn mail_lockdown_change(work: Work<change::About>) -> Result<()> {
    change::send(&work.data, &work.id).await
}

/// Records who came from elsewhere, and mails of it.
#[task("mail-lockdown-attempt", queue = "default")]
pub(crate) async fn mail_lockdown_attempt(work: Work<attempts::About>) -> Result<()> {
    attempts::send(&work.data, &work.id).await
}

/// Records a sign-in that failed.
#[task("record-refusal", queue = "default")]
pub(crate) async fn record_refusal(work: Work<refusals::About>) -> Result<()> {
    refusals::record(&work.data).await
}

/// Deletes the accounts whose time is over.
#[schedule("end-accounts", cron = "10 * * * *", missed = "once", jitter = "10m")]
pub(crate) async fn end_accounts() -> Result<()> {
    departure::end_due().await
}

/// Ends the permanent tokens that nobody uses, where that is wanted, and tells the users of those that come next.
#[schedule(
    "end-unused-tokens",
    cron = "40 3 * * *",
    missed = "once",
    jitter = "1h"
)]
pub(crate) async fn end_unused_tokens() -> Result<()> {
    upkeep::end_unused().await
}

/// Makes an administrator: 201 with a new account, 200 when the account was there.
pub(crate) async fn administrators(Json(request): Json<AdministratorRequest>) -> Result<Response> {
    let appointed = administrators::appoint(
        &request.email,
        request.username.as_deref(),
        &request.password,
    )
    .await?;
    if request.from_anywhere {
        network_policy::lift().await?;
    }
    let view = AdministratorView {
        id: appointed.user.id,
        username: appointed.user.username,
        email: appointed.user.email,
        roles: appointed.user.roles,
    };
    Ok(match appointed.created {
        true => Created::at("/api/v1/auth/me", &view)?.into_response(),
        false => (Revoked(appointed.sessions), Json(view)).into_response(),
    })
}
