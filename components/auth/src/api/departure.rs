//! Leaving, and thinking again.

use crate::departure;
use crate::model::Device;
use crate::sessions::Revoked;
use http::HeaderMap;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, NoContent, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// That somebody means it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Departure {
    /// The account's. Whoever has none shows once more who they are before (`POST /api/v1/auth/me/confirm/passkey`).
    #[serde(default)]
    #[schema(format = Password, max_length = 1024, example = "Correct-horse-7")]
    password: String,
}

/// An account that is going to be deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Leaving {
    /// When it is gone for good. Until then it can be kept.
    ends_at: Time,
}

/// Whose account is kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptAccount {
    /// The username or the e-mail address, in any case.
    #[schema(min_length = 1, max_length = 254, example = "ada")]
    identifier: String,
    /// The password.
    #[schema(format = Password, min_length = 1, max_length = 1024)]
    password: String,
    /// What shows that there is a person, where that is asked for after some failures: see `GET /api/v1/auth/captcha`.
    #[serde(default)]
    captcha: Option<String>,
}

/// Has the caller's account deleted in two weeks, or when the operator says.
///
/// It is out of use at once: all sessions end, and permanent tokens are taken back. With it goes what other components
/// have of its owner: their notes, documents, messages and possessions, and the tokens on their account. What belongs
/// to a family or a workspace stays there.
#[operation(
    put "/api/v1/auth/me/deletion", permission = "account:delete", answers = "When it is gone for good",
    refuses(
        conflict = "The caller is the only administrator",
        rate_limited = "Too many wrong passwords; see `Retry-After`"
    )
)]
pub(crate) async fn leave(
    caller: Caller,
    Json(input): Json<Departure>,
) -> Result<(Revoked<String>, Json<Leaving>)> {
    let left = departure::leave(&caller, &input.password).await?;
    let ends_at = left.ends_at;
    Ok((Revoked(left.ended), Json(Leaving { ends_at })))
}

/// Keeps an account that is going to be deleted. Sign in afterwards.
#[operation(
    post "/api/v1/auth/kept-accounts", answers = "It is kept",
    refuses(
        invalid_credentials, conflict = "It is not going to be deleted",
        forbidden = "It takes an answer that shows that there is a person",
        rate_limited = "Too many attempts under this name; see `Retry-After`"
    )
)]
pub(crate) async fn keep_account(
    headers: HeaderMap,
    Json(input): Json<KeptAccount>,
) -> Result<NoContent> {
    let device = Device::of(&headers).showing(input.captcha);
    departure::stay(&input.identifier, &input.password, &device).await?;
    Ok(NoContent)
}
