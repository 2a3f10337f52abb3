//! What was done with an account: every change that `events` tells of, every sign-in, chained so that nobody alters
//! it unnoticed. Its owner reads it.

use sbd_sdk::audit::{Page, Query, find};
use sbd_sdk::{Caller, Error, Result};
use serde::Deserialize;
use utoipa::IntoParams;

/// Entries on a page when the request does not say, and at most.
const USUAL: u32 = 50;
const MOST: u32 = 100;

/// Which entries.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Entries on a page; 50 when not said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A page of what was done with the caller's account, the newest first.
pub(crate) async fn page(caller: &Caller, wanted: Wanted) -> Result<Page> {
    let limit = wanted.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Error::validation("limit", "a number from 1 to 100"));
    }
    find(Query {
        subject: Some(caller.user.to_string()),
        cursor: wanted.cursor,
        limit,
        ..Query::default()
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{PASSWORD, app, login, register, signed_in};
    use serde_json::json;

    const ACTIVITY: &str = "/api/v1/auth/me/activity";

    #[test]
    fn what_was_done_with_an_account_its_owner_reads() {
        let app = app();
        register(&app, "ada").assert_status(201);
        register(&app, "bob").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD);
        let ada = signed_in(&app, &tokens);
        let change = json!({"current_password": PASSWORD, "new_password": "Battery-staple-8"});
        ada.put("/api/v1/auth/me/password", change)
            .assert_status(204);
        let page = ada.get(ACTIVITY).assert_status(200);
        let items = page["items"].as_array().unwrap().iter();
        let actions: Vec<_> = items
            .map(|entry| entry["action"].as_str().unwrap())
            .collect();
        let expected = [
            "account.password_changed",
            "session.began",
            "account.registered",
        ];
        assert_eq!(actions, expected);
        assert!(!page.body().to_string().contains("Battery"));
        let first = ada.get(&format!("{ACTIVITY}?limit=1")).assert_status(200);
        let next = first.text("next");
        let second = ada.get(&format!("{ACTIVITY}?limit=1&cursor={next}"));
        assert_eq!(second["items"][0]["action"], "session.began");
        for query in ["limit=0", "limit=101", "cursor=x", "x=1"] {
            let refused = ada.get(&format!("{ACTIVITY}?{query}"));
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
    }
}
