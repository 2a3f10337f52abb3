//! Ending sessions, and what the host must be told when one ends.

use crate::events::{EndReason, Happened};
use crate::model::{Session, SessionId};
use crate::store::{REFRESH_TOKENS, SESSIONS};
use axum::response::{IntoResponseParts, ResponseParts};
use http::HeaderValue;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::{Error, Listing, Result, Sort, header};
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::fmt::Display;
use utoipa::ToSchema;

/// Sessions a user may have at a time; the one that was not used for longest ends for a new one.
pub(crate) const MAX_SESSIONS: usize = 50;

/// Sessions that end in one transaction.
const AT_ONCE: usize = 50;

/// Before an answer: tells the host which sessions have ended, permanent tokens or what programs were let do, or what of
/// them something was taken from, so that it forgets what it knows of them and asks anew; their sockets end. The host
/// takes the header off the answer.
pub(crate) struct Revoked<T = SessionId>(pub(crate) Vec<T>);

/// What the list of sessions is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionSort {
    /// When they were last used.
    #[default]
    LastUsedAt,
    /// When they began.
    CreatedAt,
}

/// A page of a user's sessions.
pub(crate) async fn list(user_id: &str, listing: &Listing<SessionSort>) -> Result<Page<Session>> {
    SESSIONS
        .find(json!({"user_id": user_id}))
        .page(listing)
        .await
}

/// Ends a session of a user. Somebody else's is not there.
pub(crate) async fn end(session_id: &SessionId, user_id: &str) -> Result<()> {
    let ended = Happened::SessionEnded {
        user_id,
        session_id,
        reason: EndReason::SignedOut,
    };
    let change = Transaction::new()
        .delete_one(&SESSIONS, json!({"_id": session_id, "user_id": user_id}))
        .delete_many(&REFRESH_TOKENS, json!({"session_id": session_id}));
    match ended.told_by(change).commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("session")),
        Err(error) => Err(error.into()),
    }
}

/// Ends sessions of a user with all their refresh tokens; those that ended already are no error, and may
/// be told of once more.
pub(crate) async fn end_all(
    sessions: &[SessionId],
    user_id: &str,
    reason: EndReason,
) -> Result<()> {
    for sessions in sessions.chunks(AT_ONCE) {
        over(Transaction::new(), user_id, sessions, reason)
            .commit()
            .await?;
    }
    Ok(())
}

/// These sessions of a user are over, with all their refresh tokens.
pub(crate) fn over(
    change: Transaction,
    user_id: &str,
    ended: &[SessionId],
    reason: EndReason,
) -> Transaction {
    let change = change
        .delete_many(&SESSIONS, json!({"_id": {"$in": ended}}))
        .delete_many(&REFRESH_TOKENS, json!({"session_id": {"$in": ended}}));
    ended.iter().fold(change, |change, session_id| {
        let ended = Happened::SessionEnded {
            user_id,
            session_id,
            reason,
        };
        ended.told_by(change)
    })
}

/// All sessions of a user, the one used last first.
pub(crate) async fn all_of(user_id: &str) -> Result<Vec<Session>> {
    let search = SESSIONS
        .find(json!({"user_id": user_id}))
        .sort(json!({"last_used_at": -1}))
        .limit(1000);
    Ok(search.fetch().await?.documents)
}

/// The ids of all sessions of a user, the one not used for longest first.
pub(crate) async fn of_user(user_id: &str) -> Result<Vec<SessionId>> {
    let sessions = all_of(user_id).await?.into_iter();
    Ok(sessions.rev().map(|session| session.id).collect())
}

/// Ends as many sessions of a user as it takes to begin one more, and returns them.
pub(crate) async fn make_room(user_id: &str) -> Result<Vec<SessionId>> {
    let ended = surplus(of_user(user_id).await?);
    end_all(&ended, user_id, EndReason::Replaced).await?;
    Ok(ended)
}

fn surplus(mut sessions: Vec<SessionId>) -> Vec<SessionId> {
    let too_many = (sessions.len() + 1).saturating_sub(MAX_SESSIONS);
    sessions.truncate(too_many);
    sessions
}

/// An error that tells the host that a session ended.
pub(crate) fn revoking(error: Error, session: &SessionId) -> Error {
    match HeaderValue::try_from(session.as_str()) {
        Ok(id) => error.with_header(header::REVOKED, id),
        Err(_) => error,
    }
}

impl<T: Display> IntoResponseParts for Revoked<T> {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        let ids: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        if let Ok(ids) = HeaderValue::try_from(ids.join(", "))
            && !ids.is_empty()
        {
            parts.headers_mut().insert(header::REVOKED, ids);
        }
        Ok(parts)
    }
}

impl Sort for SessionSort {
    const ITEMS: &'static str = "sessions";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::LastUsedAt => "last_used_at",
            Self::CreatedAt => "created_at",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{PASSWORD, app, bearer, login, register, signed_in};
    use std::time::Duration;

    const ADDRESS: &str = "/api/v1/auth/sessions";

    #[test]
    fn sessions_are_listed_and_ended_by_their_owner() {
        let app = app();
        register(&app, "ada").assert_status(201);
        register(&app, "bob").assert_status(201);
        let before = login(&app, "ada", PASSWORD).assert_status(200);
        app.advance(Duration::from_secs(1));
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens);
        let bob = signed_in(&app, &login(&app, "bob", PASSWORD));
        let list = ada.get(ADDRESS).assert_status(200);
        let current =
            |list: &sbd_sdk::testing::Reply, at: usize| list["items"][at]["current"].clone();
        assert_eq!(
            (list["total"].as_u64(), current(&list, 0)),
            (Some(2), true.into())
        );
        let upwards = ada.get(&format!("{ADDRESS}?sort=created_at&order=asc"));
        assert_eq!(current(&upwards, 0), false);
        let other = upwards["items"][0]["id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let address = format!("{ADDRESS}/{other}");
        bob.delete(&address).assert_refused(404, "NOT_FOUND");
        bob.delete(&format!("{ADDRESS}/nonsense"))
            .assert_refused(404, "NOT_FOUND");
        let ended = ada.delete(&address).assert_status(204);
        assert_eq!(ended.header("sbd-revoked"), Some(&*other));
        ada.delete(&address).assert_refused(404, "NOT_FOUND");
        bearer(&app, before.text("access_token")).assert_refused(401, "TOKEN_INVALID");
        bearer(&app, tokens.text("access_token")).assert_status(200);
    }

    #[test]
    fn signing_out_everywhere_ends_all_of_ones_own() {
        let app = app();
        register(&app, "ada").assert_status(201);
        register(&app, "bob").assert_status(201);
        let tokens: Vec<_> = (0..3).map(|_| login(&app, "ada", PASSWORD)).collect();
        let bobs = login(&app, "bob", PASSWORD).assert_status(200);
        let ada = signed_in(&app, &tokens[0]);
        let out = ada
            .post("/api/v1/auth/logout-all", json!({}))
            .assert_status(204);
        assert_eq!(
            out.header("sbd-revoked").map(|ids| ids.split(", ").count()),
            Some(3)
        );
        for tokens in &tokens {
            bearer(&app, tokens.text("access_token")).assert_refused(401, "TOKEN_INVALID");
        }
        bearer(&app, bobs.text("access_token")).assert_status(200);
    }

    #[test]
    fn one_session_too_many_ends_the_one_not_used_for_longest() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let first = login(&app, "ada", PASSWORD).assert_status(200);
        for _ in 1..MAX_SESSIONS {
            app.advance(Duration::from_millis(1));
            let more = login(&app, "ada", PASSWORD).assert_status(200);
            assert_eq!(more.header("sbd-revoked"), None);
        }
        let session = bearer(&app, first.text("access_token")).assert_status(200);
        let more = login(&app, "ada", PASSWORD).assert_status(200);
        assert_eq!(more.header("sbd-revoked"), session["session"].as_str());
        bearer(&app, first.text("access_token")).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn the_longest_unused_sessions_make_room() {
        let sessions: Vec<_> = std::iter::repeat_with(SessionId::new)
            .take(MAX_SESSIONS + 2)
            .collect();
        let of = |count: usize| surplus(sessions.iter().take(count).cloned().collect());
        assert!(of(0).is_empty());
        assert!(of(MAX_SESSIONS - 1).is_empty());
        assert_eq!(of(MAX_SESSIONS), sessions[..1]);
        assert_eq!(of(MAX_SESSIONS + 2), sessions[..3]);
    }
}
