//! Changing a password, and having a new one without the old.

use crate::api::second_factor::BackupCodes;
use crate::model::Device;
use crate::password::{self, Mail};
use crate::resets;
use crate::sessions::Revoked;
use http::HeaderMap;
use sbd_sdk::{Caller, Json, NoContent, NoStore, Result, operation};
use serde::Deserialize;
use utoipa::ToSchema;

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The one there is. Whoever has none shows once more who they are before (`POST /api/v1/auth/me/confirm/passkey`).
    #[serde(default)]
    #[schema(format = Password, max_length = 1024, example = "Correct-horse-7")]
    current_password: String,
    /// Of the same form as at registration, and another one.
    #[schema(format = Password, min_length = 8, max_length = 1024, example = "Battery-staple-8")]
    new_password: String,
}

/// Whose password is forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordResetRequest {
    /// The address of the account.
    #[schema(format = Email, max_length = 254, example = "ada@example.org")]
    email: String,
    /// What shows that there is a person, where that is asked for: see `GET /api/v1/auth/captcha`.
    #[serde(default)]
    captcha: Option<String>,
}

/// What was mailed to the owner of an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordResetDecision {
    /// The code that was mailed.
    #[schema(example = "mt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    token: String,
}

/// A new password, and the right to set it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordReset {
    /// The code that was mailed.
    #[schema(example = "mt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    token: String,
    /// Of the same form as at registration, and another one.
    #[schema(format = Password, min_length = 8, max_length = 1024, example = "Battery-staple-8")]
    new_password: String,
}

/// A new password, and the right to set it by what is soon typed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordResetByCode {
    /// The address that the mail was sent to.
    #[schema(format = Email, max_length = 254, example = "ada@example.org")]
    email: String,
    /// The short code of the mail.
    #[schema(example = "1234-5678")]
    code: String,
    /// Of the same form as at registration, and another one.
    #[schema(format = Password, min_length = 8, max_length = 1024, example = "Battery-staple-8")]
    new_password: String,
}

/// Changes the caller's password.
///
/// All other sessions end with it; the one that asks goes on.
#[operation(
    put "/api/v1/auth/me/password", permission = "account:password",
    answers = "Changed; all other sessions have ended",
    refuses(
        conflict = "The account was changed at the same time",
        rate_limited = "Too many wrong passwords; see `Retry-After`"
    )
)]
pub(crate) async fn change_password(
    caller: Caller,
    Json(change): Json<PasswordChange>,
) -> Result<(Revoked, NoContent)> {
    let ended = password::change(&caller, &change.current_password, &change.new_password).await?;
    Ok((Revoked(ended), NoContent))
}

/// Removes the caller's password, who has a passkey and signs in by passkeys alone from then on.
///
/// Whoever loses those has a new password mailed, and takes the second step by one of the backup codes that are answered.
#[operation(
    delete "/api/v1/auth/me/password", permission = "account:password",
    answers = "Removed; its owner is told. These are the backup codes, and those before are worth nothing",
    refuses(
        conflict = "There is no passkey, or no password, or the account was changed at the same time",
        forbidden = "The caller is a program, or has to show once more who they are"
    )
)]
pub(crate) async fn remove_password(caller: Caller) -> Result<(NoStore, Json<BackupCodes>)> {
    let backup_codes = password::remove(&caller).await?;
    Ok((NoStore, Json(BackupCodes { backup_codes })))
}

/// Has a code for a new password mailed.
///
/// The answer is the same whether there is an account with this address or not. The code is good for an hour,
/// and the last one alone; three mails go to an address in an hour. Where it looks like abuse, the owner is asked by
/// another mail first.
#[operation(
    post "/api/v1/auth/password-resets",
    answers = "If there is an account with this address, a mail is on its way",
    refuses(
        forbidden = "It takes an answer that shows that there is a person",
        rate_limited = "Too many mails to this address; see `Retry-After`"
    )
)]
pub(crate) async fn ask_for_password_reset(
    headers: HeaderMap,
    Json(request): Json<PasswordResetRequest>,
) -> Result<NoContent> {
    let device = Device::of(&headers).showing(request.captcha);
    resets::ask(request.email.trim(), &device).await?;
    Ok(NoContent)
}

/// Approves what looked like abuse: the mail for a new password is on its way, once.
#[operation(
    post "/api/v1/auth/password-resets/approve", answers = "The mail is on its way",
    refuses(token_invalid = "The code is not known, was used, or has run out")
)]
pub(crate) async fn approve_password_reset(
    Json(decision): Json<PasswordResetDecision>,
) -> Result<NoContent> {
    resets::approve(&decision.token).await?;
    Ok(NoContent)
}

/// Denies what looked like abuse: nobody is sent a mail for a new password of this account for a day.
#[operation(
    post "/api/v1/auth/password-resets/deny", answers = "Nobody is sent one for a day",
    refuses(token_invalid = "The code is not known, was used, or has run out")
)]
pub(crate) async fn deny_password_reset(
    Json(decision): Json<PasswordResetDecision>,
) -> Result<NoContent> {
    resets::deny(&decision.token).await?;
    Ok(NoContent)
}

/// Sets a new password with the code that was mailed, once.
///
/// All sessions end with it: sign in anew.
#[operation(
    post "/api/v1/auth/password-resets/complete", answers = "Set; all sessions have ended",
    refuses(
        token_invalid = "The code is not known, was used, or has run out",
        conflict = "The account was changed at the same time"
    )
)]
pub(crate) async fn reset_password(
    headers: HeaderMap,
    Json(reset): Json<PasswordReset>,
) -> Result<(Revoked, NoContent)> {
    let (mail, device) = (Mail::Token(&reset.token), Device::of(&headers));
    let ended = password::reset(&mail, &reset.new_password, &device).await?;
    Ok((Revoked(ended), NoContent))
}

/// Sets a new password with the short code that was mailed and the address, once.
///
/// All sessions end with it: sign in anew. Five wrong codes are taken for an address in an hour; the long one of the mail
/// is good all the same.
#[operation(
    post "/api/v1/auth/password-resets/complete-by-code", answers = "Set; all sessions have ended",
    refuses(
        token_invalid = "The code is wrong, was used, or has run out, or is of another address",
        conflict = "The account was changed at the same time",
        rate_limited = "Too many wrong codes for this address, or from here; see `Retry-After`"
    )
)]
pub(crate) async fn reset_password_by_code(
    headers: HeaderMap,
    Json(reset): Json<PasswordResetByCode>,
) -> Result<(Revoked, NoContent)> {
    let mail = Mail::Code {
        email: &reset.email,
        code: &reset.code,
    };
    let ended = password::reset(&mail, &reset.new_password, &Device::of(&headers)).await?;
    Ok((Revoked(ended), NoContent))
}
