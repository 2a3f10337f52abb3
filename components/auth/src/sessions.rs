//! Ending sessions, and what the host must be told when one ends.

use crate::model::Session;
use crate::store::{REFRESH_TOKENS, SESSIONS};
use http::{HeaderName, HeaderValue};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page, Paging};
use sbd_sdk::{Answer, Error, Result, id};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Sessions a user may have at a time; the one that was not used for longest ends for a new one.
pub(crate) const MAX_SESSIONS: usize = 50;

/// Tells the host which sessions have ended, so that it forgets what it knows of them. The host
/// takes the header off the answer.
const REVOKED: HeaderName = HeaderName::from_static("sbd-revoked");

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
pub(crate) async fn list(
    user_id: &str,
    paging: Paging,
    sort: SessionSort,
    order: Order,
) -> Result<Page<Session>> {
    let field = match sort {
        SessionSort::LastUsedAt => "last_used_at",
        SessionSort::CreatedAt => "created_at",
    };
    let by: Map<String, Value> = [(field.to_owned(), order.sign().into())]
        .into_iter()
        .collect();
    let found = SESSIONS
        .find(json!({"user_id": user_id}))
        .sort(by.into())
        .skip(paging.skip())
        .limit(paging.limit())
        .fetch_with_total()
        .await?;
    Ok(paging.page(found.documents, found.total))
}

/// Ends a session of a user. Somebody else's is not there.
pub(crate) async fn end(session_id: &str, user_id: &str) -> Result<()> {
    if !id::is("ses", session_id) {
        return Err(Error::not_found("session"));
    }
    let ended = Transaction::new()
        .delete_one(&SESSIONS, json!({"_id": session_id, "user_id": user_id}))
        .delete_many(&REFRESH_TOKENS, json!({"session_id": session_id}))
        .commit()
        .await;
    match ended {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("session")),
        Err(error) => Err(error.into()),
    }
}

/// Ends sessions with all their refresh tokens; those that ended already are no error.
pub(crate) async fn end_all(sessions: &[String]) -> Result<()> {
    if sessions.is_empty() {
        return Ok(());
    }
    Transaction::new()
        .delete_many(&SESSIONS, json!({"_id": {"$in": sessions}}))
        .delete_many(&REFRESH_TOKENS, json!({"session_id": {"$in": sessions}}))
        .commit()
        .await?;
    Ok(())
}

/// The ids of all sessions of a user, the one not used for longest first.
pub(crate) async fn of_user(user_id: &str) -> Result<Vec<String>> {
    let search = SESSIONS
        .find(json!({"user_id": user_id}))
        .sort(json!({"last_used_at": 1}))
        .limit(1000);
    Ok(search
        .fetch()
        .await?
        .documents
        .into_iter()
        .map(|session| session.id)
        .collect())
}

/// Ends as many sessions of a user as it takes to begin one more, and returns them.
pub(crate) async fn make_room(user_id: &str) -> Result<Vec<String>> {
    let ended = surplus(of_user(user_id).await?);
    end_all(&ended).await?;
    Ok(ended)
}

fn surplus(mut sessions: Vec<String>) -> Vec<String> {
    let too_many = (sessions.len() + 1).saturating_sub(MAX_SESSIONS);
    sessions.truncate(too_many);
    sessions
}

/// An answer that tells the host which sessions ended.
pub(crate) fn revoked(answer: Answer, sessions: &[String]) -> Answer {
    if sessions.is_empty() {
        answer
    } else {
        answer.header(REVOKED, &sessions.join(", "))
    }
}

/// An error that tells the host which sessions ended.
pub(crate) fn revoking(error: Error, sessions: &[String]) -> Error {
    match HeaderValue::try_from(sessions.join(", ")) {
        Ok(ids) => error.with_header(REVOKED, ids),
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_sessions_make_room() {
        let sessions = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert!(surplus(sessions(0)).is_empty());
        assert!(surplus(sessions(MAX_SESSIONS - 1)).is_empty());
        assert_eq!(surplus(sessions(MAX_SESSIONS)), ["0"]);
        assert_eq!(surplus(sessions(MAX_SESSIONS + 2)), ["0", "1", "2"]);
    }
}
