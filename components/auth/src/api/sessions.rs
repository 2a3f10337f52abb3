//! Signing out, and one's own sessions.

use crate::cookies;
use crate::countries::Country;
use crate::events::EndReason;
use crate::model::{Mode, Proof, Session, SessionId};
use crate::sessions::{self, Revoked, SessionSort};
use axum::response::AppendHeaders;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, Listing, NoContent, Path, Result, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// Before an answer: the sessions that have ended, and that the browser may forget its cookie.
type SignedOut = (Revoked, AppendHeaders<[(HeaderName, HeaderValue); 1]>);

/// A session: one sign-in on one device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    #[schema(inline)]
    id: SessionId,
    /// The program that signed in, as it called itself.
    user_agent: Option<String>,
    /// The address that it signed in from.
    address: Option<String>,
    /// The country that the address is registered for (ISO 3166-1): a hint, and of a relay the relay's.
    #[schema(example = "DE")]
    country: Option<&'static str>,
    /// In what it is kept.
    #[schema(inline)]
    mode: Mode,
    /// How its user showed who they are.
    proofs: Vec<Proof>,
    /// The administrator who acts in the caller's place by it, if it is not the caller's own.
    impersonated_by: Option<String>,
    /// Whether it is the session of this very request.
    current: bool,
    /// When it began.
    created_at: Time,
    /// When its user last did.
    confirmed_at: Option<Time>,
    /// When its tokens were last renewed, or its cookie was used, to about a minute.
    last_used_at: Time,
    /// When it ends if it is not used before.
    expires_at: Time,
}

/// Signs out: ends the session of this request.
#[operation(
    post "/api/v1/auth/logout", permission = "sessions:write",
    answers = "Signed out; tokens and cookie are worthless"
)]
pub(crate) async fn logout(caller: Caller, headers: HeaderMap) -> Result<(SignedOut, NoContent)> {
    let session = caller.session.as_deref().map(str::parse).transpose()?;
    let ended: Vec<_> = session.into_iter().collect();
    sessions::end_all(&ended, &caller.user, EndReason::SignedOut).await?;
    Ok((signed_out(ended, &headers)?, NoContent))
}

/// Signs out everywhere: ends all sessions of the caller.
#[operation(
    post "/api/v1/auth/logout-all", permission = "sessions:write",
    answers = "Signed out everywhere"
)]
pub(crate) async fn logout_all(
    caller: Caller,
    headers: HeaderMap,
) -> Result<(SignedOut, NoContent)> {
    let ended = sessions::of_user(&caller.user).await?;
    sessions::end_all(&ended, &caller.user, EndReason::SignedOut).await?;
    Ok((signed_out(ended, &headers)?, NoContent))
}

fn signed_out(ended: Vec<SessionId>, headers: &HeaderMap) -> Result<SignedOut> {
    let forgotten = (header::SET_COOKIE, cookies::forget(headers)?);
    Ok((Revoked(ended), AppendHeaders([forgotten])))
}

/// Lists the caller's sessions.
#[operation(get "/api/v1/auth/sessions", permission = "sessions:read")]
pub(crate) async fn list_sessions(
    caller: Caller,
    listing: Listing<SessionSort>,
) -> Result<Json<Page<SessionView>>> {
    let page = sessions::list(&caller.user, &listing).await?;
    Ok(Json(page.map(|session| SessionView::new(session, &caller))))
}

/// Ends one of the caller's sessions.
#[operation(
    delete "/api/v1/auth/sessions/{id}", permission = "sessions:write",
    answers = "Ended; its tokens are worthless",
    refuses(not_found = "No session of the caller")
)]
pub(crate) async fn end_session(
    caller: Caller,
    Path(id): Path<SessionId>,
) -> Result<(Revoked, NoContent)> {
    sessions::end(&id, &caller.user).await?;
    Ok((Revoked(vec![id]), NoContent))
}

impl SessionView {
    pub(crate) fn new(session: Session, caller: &Caller) -> Self {
        Self {
            current: caller.session.as_deref() == Some(session.id.as_str()),
            id: session.id,
            country: session.device.country().map(Country::code),
            user_agent: session.device.user_agent,
            address: session.device.address,
            mode: session.device.mode,
            proofs: session.proofs,
            impersonated_by: session.impersonated_by,
            created_at: session.created_at,
            confirmed_at: session.confirmed_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}
