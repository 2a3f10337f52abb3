//! All that the component has of a user, for its owner to take away: no secrets, which are stored as digests alone.

use crate::lockdown::{self, Lockdown};
use crate::model::{Session, User};
use crate::oauth::consents::{self, Consent};
use crate::passkeys::{self, Passkey};
use crate::permanent::PermanentToken;
use crate::providers::links::{self, Link};
use crate::store::{PERMANENT_TOKENS, SESSIONS, USERS};
use sbd_sdk::audit::{self, Entry, Query};
use sbd_sdk::{Caller, Error, Listing, Result};
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
    /// What others' programs may do for them, each with what it is called.
    pub(crate) consents: Vec<(Consent, String)>,
    /// By whom they sign in.
    pub(crate) links: Vec<Link>,
    pub(crate) lockdown: Option<Lockdown>,
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
        consents: all_consents(&caller.user).await?,
        links: links::list(&caller.user).await?,
        lockdown: lockdown::of(&caller.user).await?,
        activity: activity(&caller.user).await?,
    })
}

async fn all_consents(user: &str) -> Result<Vec<(Consent, String)>> {
    let mut all = Vec::new();
    for number in 1.. {
        let listing = Listing::read(&format!("page={number}&per_page={AT_ONCE}"))?;
        let page = consents::list(user, &listing).await?;
        let last = page.items.len() < AT_ONCE as usize;
        all.extend(page.items);
        if last {
            break;
        }
    }
    Ok(all)
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
    use crate::oauth::tests as oauth;
    use crate::providers::links::Link;
    use crate::store::PROVIDER_LINKS;
    use crate::tests::{PASSWORD, app, login, register, signed_in};
    use sbd_sdk::time::Time;
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
        for none in ["passkeys", "consents", "providers"] {
            assert_eq!(export[none], json!([]), "{none}");
        }
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
    #[test]
    fn what_programs_may_do_goes_along_and_by_whom_one_signs_in() {
        let app = oauth::tenant();
        let ada = oauth::ada(&app);
        let reader = oauth::client(&app, false, &["notes:*"]);
        oauth::tokens(&app, &ada, &reader, "notes:read");
        let path = "/api/v1/auth/me/export";
        let account = ada.get(path)["account"].clone();
        for (id, user_id) in [("a", account["id"].as_str().unwrap()), ("b", "usr_1")] {
            let link = Link {
                id: id.to_owned(),
                user_id: user_id.to_owned(),
                provider: "ours".to_owned(),
                issuer: "https://login.example".to_owned(),
                name: Some("Ada".to_owned()),
                created_at: Time::from_seconds(0),
                last_used_at: None,
            };
            app.run(PROVIDER_LINKS.insert(&link)).unwrap();
        }
        let export = ada.get(path).assert_status(200);
        assert_eq!(export["consents"].as_array().unwrap().len(), 1);
        assert_eq!(export["consents"][0]["client_name"], "Reader");
        assert_eq!(export["consents"][0]["scopes"], json!(["notes:read"]));
        assert_eq!(export["providers"].as_array().unwrap().len(), 1);
        assert_eq!(export["providers"][0]["provider"], "ours");
    }
}
