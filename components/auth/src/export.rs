//! All that the component has of a user, for its owner to take away: no secrets, which are stored as digests alone.

use crate::model::{Session, User};
use crate::passkeys::{self, Passkey};
use crate::permanent::PermanentToken;
use crate::store::{PERMANENT_TOKENS, SESSIONS, USERS};
use sbd_sdk::audit::{self, Entry, Query};
use sbd_sdk::{Caller, Error, Result};
use serde_json::json;

/// Entries of the activity that are asked for at a time, and documents.
const AT_ONCE: u32 = 100;
/// Entries at most; older ones are on the pages of the activity.
const MOST_ENTRIES: usize = 5_000;

/// What there is of a user.
pub(crate) struct Export {
    pub(crate) user: User,
    pub(crate) sessions: Vec<Session>,
    pub(crate) tokens: Vec<PermanentToken>,
    pub(crate) passkeys: Vec<Passkey>,
    /// The newest first.
    pub(crate) activity: Vec<Entry>,
}

/// All there is of the caller.
pub(crate) async fn of(caller: &Caller) -> Result<Export> {
    let user = USERS.get(&caller.user).await?;
    let of_user = json!({"user_id": caller.user});
    let sessions = SESSIONS.find(of_user.clone()).limit(AT_ONCE).fetch();
    let tokens = PERMANENT_TOKENS.find(of_user).limit(AT_ONCE).fetch();
    Ok(Export {
        user: user.ok_or_else(Error::unauthenticated)?,
        sessions: sessions.await?.documents,
        tokens: tokens.await?.documents,
        passkeys: passkeys::of(&caller.user).await?,
        activity: activity(&caller.user).await?,
    })
}

async fn activity(user: &str) -> Result<Vec<Entry>> {
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let page = audit::find(Query {
            subject: Some(user.to_owned()),
            cursor,
            limit: AT_ONCE,
            ..Query::default()
        })
        .await?;
        entries.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() || entries.len() >= MOST_ENTRIES {
            return Ok(entries);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{PASSWORD, app, login, register, signed_in};
    use serde_json::json;

    #[test]
    fn a_user_takes_away_all_there_is_and_no_secrets() {
        let app = app();
        register(&app, "ada").assert_status(201);
        register(&app, "bob").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD);
        let ada = signed_in(&app, &tokens);
        let wanted = json!({"name": "backup", "scopes": ["notes:read"]});
        let token = ada.post("/api/v1/auth/permanent-tokens", wanted);
        let export = ada.get("/api/v1/auth/me/export").assert_status(200);
        assert_eq!(export["account"]["username"], "ada");
        assert_eq!(export["sessions"].as_array().unwrap().len(), 1);
        assert_eq!(export["permanent_tokens"][0]["name"], "backup");
        assert_eq!(export["passkeys"], json!([]));
        assert_eq!(export["activity"].as_array().unwrap().len(), 3);
        let disposition = export.header("content-disposition").unwrap();
        assert!(disposition.contains("attachment"));
        let text = export.body().to_string();
        for secret in [
            "password_hash",
            "digest",
            "bob",
            token.text("token"),
            tokens.text("refresh_token"),
        ] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}
