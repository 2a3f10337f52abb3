//! Acting in a user's place: for a tenant's administrators.

use crate::cookies;
use crate::impersonation::{self, Begun, Impersonation, Kept, LONGEST};
use crate::model::{Device, Mode, SessionId};
use crate::sessions::Revoked;
use axum::response::AppendHeaders;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sbd_sdk::time::Time;
use sbd_sdk::{By, Caller, Error, Json, NoStore, Path, Result, operation};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// Why somebody acts in a user's place, and for how long.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImpersonationInput {
    /// It is kept, and the user is told.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "Cannot open the family's calendar; asked me to look"
    )]
    reason: String,
    /// Minutes until it ends by itself; 60, where nothing is said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 60, example = 15)]
    minutes: Option<u8>,
    /// In what the session is kept: a token in the answer, or the browser's cookie, in place of one's own.
    #[serde(default)]
    #[schema(inline)]
    mode: Mode,
}

/// A session in a user's place.
#[derive(Serialize, ToSchema)]
#[schema(as = Impersonation)]
pub(crate) struct ImpersonationView {
    /// The session's id.
    #[schema(inline)]
    session_id: SessionId,
    /// In whose place.
    user_id: String,
    /// Send it with every request: `Authorization: Bearer ...`. None where a cookie has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// When it ends, for good.
    expires_at: Time,
}

/// Whether administrators act in users' places.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImpersonationPolicy {
    impersonation: Impersonation,
}

/// What the browser is to keep, if it is to.
type SetCookie = Option<AppendHeaders<[(HeaderName, HeaderValue); 1]>>;

/// Begins to act in a user's place, for an hour at most.
///
/// The user is told, sees it among their sessions and may end it. Every answer says by `sbd-impersonated-by` who it is,
/// and so does what is recorded. What secures the account, and who acts for it, is the user's alone to change.
#[operation(
    post "/api/v1/auth/users/{id}/impersonation", permission = "admin:users:impersonate",
    answers = "Begun", parameters(id = "The user's id"),
    refuses(
        not_found = "No such user",
        forbidden = "The caller has not shown within ten minutes who they are, or nobody may here",
        conflict = "It is the caller's own account, an administrator's, or out of use"
    )
)]
pub(crate) async fn impersonate_user(
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(input): Json<ImpersonationInput>,
) -> Result<(Revoked, (NoStore, (SetCookie, Json<ImpersonationView>)))> {
    let lasts = match input.minutes {
        None => LONGEST,
        Some(minutes) => Duration::from_secs(60 * u64::from(minutes)),
    };
    if lasts.is_zero() || lasts > LONGEST {
        return Err(Error::validation("minutes", "1 to 60, or nothing"));
    }
    let device = Device::of(&headers).keeping(input.mode);
    let begun = impersonation::begin(&caller, &id, &input.reason, lasts, &device).await?;
    let Begun {
        session,
        kept,
        ended,
    } = begun;
    let (access_token, cookie) = match kept {
        Kept::Token(token) => (Some(token), None),
        Kept::Cookie(secret) => {
            let cookie = cookies::keep(&headers, &secret)?;
            (None, Some(AppendHeaders([(header::SET_COOKIE, cookie)])))
        }
    };
    let view = ImpersonationView {
        session_id: session.id,
        user_id: session.user_id,
        access_token,
        expires_at: session.expires_at,
    };
    Ok((Revoked(ended), (NoStore, (cookie, Json(view)))))
}

/// Reads whether administrators act in users' places.
#[operation(
    get "/api/v1/auth/impersonation/policy", permission = "admin:users:read", answers = "Whether they do"
)]
pub(crate) async fn get_impersonation_policy(_: By) -> Result<Json<ImpersonationPolicy>> {
    let impersonation = impersonation::get().await?;
    Ok(Json(ImpersonationPolicy { impersonation }))
}

/// Says whether administrators act in users' places. Where nobody may any more, whoever does stops within a minute.
#[operation(
    put "/api/v1/auth/impersonation/policy", permission = "admin:users:write",
    answers = "Whether they do now",
    refuses(
        conflict = "Somebody else decided at the same time",
        forbidden = "Whoever asks is not signed in with a session"
    )
)]
pub(crate) async fn set_impersonation_policy(
    caller: Caller,
    Json(input): Json<ImpersonationPolicy>,
) -> Result<Json<ImpersonationPolicy>> {
    impersonation::set(&caller, input.impersonation).await?;
    Ok(Json(input))
}
