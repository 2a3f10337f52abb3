//! The address of an account: verified and changed.

use crate::address;
use sbd_sdk::{Caller, Json, NoContent, Result, operation};
use serde::Deserialize;
use utoipa::ToSchema;

/// Another address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailChange {
    /// Unique without regard to case.
    #[schema(format = Email, max_length = 254, example = "ada@example.net")]
    email: String,
    /// The account's. Whoever has none shows once more who they are before (`POST /api/v1/auth/me/confirm/passkey`).
    #[serde(default)]
    #[schema(format = Password, max_length = 1024, example = "Correct-horse-7")]
    password: String,
}

/// That somebody reads what was mailed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailConfirmation {
    /// The code that was mailed.
    #[schema(example = "mt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    token: String,
}

/// That the caller reads what was mailed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailCode {
    /// The short code that was mailed.
    #[schema(example = "1234-5678")]
    code: String,
}

/// Has a code mailed to the caller's address, by which they show that it is theirs.
#[operation(
    post "/api/v1/auth/me/email/verification", permission = "account:email",
    answers = "A mail is on its way",
    refuses(
        conflict = "The address is verified already",
        rate_limited = "Too many mails to this address; see `Retry-After`"
    )
)]
pub(crate) async fn verify_email(caller: Caller) -> Result<NoContent> {
    address::verify(&caller).await?;
    Ok(NoContent)
}

/// Has a code mailed to another address, which is the account's once the code is confirmed.
///
/// The address there is is told as well.
#[operation(
    put "/api/v1/auth/me/email", permission = "account:email",
    answers = "Mails to both addresses are on their way",
    refuses(rate_limited = "Too many wrong passwords, or mails to this address; see `Retry-After`")
)]
pub(crate) async fn change_email(
    caller: Caller,
    Json(change): Json<EmailChange>,
) -> Result<NoContent> {
    address::change(&caller, &change.password, &change.email).await?;
    Ok(NoContent)
}

/// Confirms an address with the code that was mailed there, once.
#[operation(
    post "/api/v1/auth/email-verifications", answers = "Confirmed; it is the account's",
    refuses(
        token_invalid = "The code is not known, was used, or has run out",
        conflict = "Another account has this address"
    )
)]
pub(crate) async fn confirm_email(Json(input): Json<EmailConfirmation>) -> Result<NoContent> {
    address::confirm(&input.token).await?;
    Ok(NoContent)
}

/// Confirms an address with the short code that was mailed to the caller, once.
///
/// Five wrong codes are taken in an hour; the long one of the mail is good all the same.
#[operation(
    post "/api/v1/auth/me/email/confirmation", permission = "account:email",
    answers = "Confirmed; it is the account's",
    refuses(
        token_invalid = "The code is wrong, was used, or has run out",
        conflict = "Another account has this address",
        rate_limited = "Too many wrong codes; see `Retry-After`"
    )
)]
pub(crate) async fn confirm_email_by_code(
    caller: Caller,
    Json(input): Json<EmailCode>,
) -> Result<NoContent> {
    address::confirm_by_code(&caller, &input.code).await?;
    Ok(NoContent)
}
