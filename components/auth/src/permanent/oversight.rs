//! What a tenant's administrators see of all users' tokens, and how they end many at once: a leak, or a clean-up.

use super::upkeep::unused_since;
use super::{DAY, PermanentToken, TokenId};
use crate::events::Happened;
use crate::store::PERMANENT_TOKENS;
use crate::{notices, users};
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::time;
use sbd_sdk::{Error, Listing, Result, Sort};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// Tokens that end with one request: the host is told of each in the head of the answer.
const AT_ONCE: u32 = 100;
/// Tokens that end in one transaction, which has room for a hundred steps: three for each.
const IN_ONE_COMMIT: usize = 25;
/// Days that may be asked for.
const MAX_DAYS: u32 = 3650;

/// What the list of all tokens is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::enum_variant_names,
    reason = "they are called as the fields are"
)]
pub(crate) enum UserTokenSort {
    /// When they were last used.
    #[default]
    LastUsedAt,
    /// When they were made.
    CreatedAt,
    /// When they run out.
    ExpiresAt,
}

/// Which tokens to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserTokenFilter {
    /// Only this user's.
    #[param(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    user_id: Option<String>,
    /// Only those that wait for approval, or that do not.
    waiting: Option<bool>,
    /// Only those that were not used for so many days.
    #[param(minimum = 1, maximum = 3650, example = 90)]
    unused_days: Option<u32>,
    /// Only those that run out within so many days.
    #[param(minimum = 1, maximum = 3650, example = 30)]
    expiring_days: Option<u32>,
}

/// Which tokens are to end: those that all of it is true of.
pub(crate) struct Which {
    pub(crate) user_id: Option<String>,
    pub(crate) older_than_days: Option<u32>,
    pub(crate) unused_days: Option<u32>,
}

/// A page of all users' tokens.
pub(crate) async fn list(
    listing: &Listing<UserTokenSort, UserTokenFilter>,
) -> Result<Page<PermanentToken>> {
    let filter = &listing.filter;
    let mut all = unused("unused_days", filter.unused_days)?;
    if let Some(user_id) = &filter.user_id {
        all["user_id"] = json!(user_id);
    }
    if let Some(waiting) = filter.waiting {
        let is = if waiting {
            json!(true)
        } else {
            json!({"$ne": true})
        };
        all["waiting"] = is;
    }
    if let Some(days) = days("expiring_days", filter.expiring_days)? {
        let now = time::now();
        all["expires_at"] = json!({"$gt": now, "$lt": now + DAY * days});
    }
    PERMANENT_TOKENS.find(all).page(listing).await
}

/// Takes tokens of users back, for a reason; answers which, and whether there are more.
pub(crate) async fn take_back(which: &Which, reason: &str) -> Result<(Vec<TokenId>, bool)> {
    users::reasonable(reason)?;
    let mut filter = unused("unused_days", which.unused_days)?;
    if let Some(days) = days("older_than_days", which.older_than_days)? {
        filter["created_at"] = json!({"$lt": time::now() - DAY * days});
    }
    if let Some(user_id) = &which.user_id {
        users::get(user_id).await?;
        filter["user_id"] = json!(user_id);
    }
    // Not all there are by a slip.
    if filter == json!({}) {
        return Err(Error::validation(
            "user_id",
            "say whose, or since when they were not used, or how old they are",
        ));
    }
    let found = PERMANENT_TOKENS.find(filter).limit(AT_ONCE).fetch().await?;
    for tokens in found.documents.chunks(IN_ONE_COMMIT) {
        taken_back(tokens, reason).commit().await?;
    }
    let ids = found.documents.into_iter().map(|token| token.id).collect();
    Ok((ids, found.next.is_some()))
}

fn taken_back(tokens: &[PermanentToken], reason: &str) -> Transaction {
    let ids: Vec<_> = tokens.iter().map(|token| &token.id).collect();
    let change = Transaction::new().delete_many(&PERMANENT_TOKENS, json!({"_id": {"$in": ids}}));
    tokens.iter().fold(change, |change, token| {
        let ended = Happened::TokenEnded {
            user_id: &token.user_id,
            token_id: &token.id,
            reason: Some(reason),
        };
        notices::token_ended(ended.told_by(change), &token.user_id, &token.name, reason)
    })
}

fn unused(field: &str, since: Option<u32>) -> Result<Value> {
    Ok(match days(field, since)? {
        Some(days) => unused_since(time::now() - DAY * days),
        None => json!({}),
    })
}

fn days(field: &str, days: Option<u32>) -> Result<Option<u32>> {
    match days {
        Some(days) if !(1..=MAX_DAYS).contains(&days) => Err(Error::validation(field, "1 to 3650")),
        days => Ok(days),
    }
}

impl Sort for UserTokenSort {
    const ITEMS: &'static str = "tokens";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::LastUsedAt => "last_used_at",
            Self::CreatedAt => "created_at",
            Self::ExpiresAt => "expires_at",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permanent::tests::{USER_TOKENS, ada, make};
    use crate::tests::{PASSWORD, app, bearer, login, register, root, signed_in};
    use sbd_sdk::testing::{App, Reply};

    fn revoke(app: &App, which: Value) -> Reply {
        root(app).post(&format!("{USER_TOKENS}/revocations"), which)
    }

    #[test]
    fn administrators_see_all_tokens_and_no_secrets() {
        let app = app();
        let ada = ada(&app);
        register(&app, "bob").assert_status(201);
        let bob = signed_in(&app, &login(&app, "bob", PASSWORD));
        let old = make(&ada, "old", &["*"]).assert_status(201);
        let ending = json!({"name": "ending", "scopes": ["*"], "expires_in_days": 110});
        bob.post(crate::permanent::tests::TOKENS, ending)
            .assert_status(201);
        bearer(&app, old.text("token")).assert_status(200);
        app.advance(DAY * 91);
        let new = make(&bob, "new", &["*"]).assert_status(201);
        bearer(&app, new.text("token")).assert_status(200);
        let names = |query: &str| {
            let page = root(&app)
                .get(&format!("{USER_TOKENS}?{query}"))
                .assert_status(200);
            let text = page.body().to_string();
            assert!(!text.contains("digest") && !text.contains(new.text("token")));
            let items = page["items"].as_array().into_iter().flatten();
            items.map(|token| token["name"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["new", "old", "ending"]);
        assert_eq!(names("sort=created_at&order=asc"), ["old", "ending", "new"]);
        assert_eq!(
            names("unused_days=90&sort=created_at&order=asc"),
            ["old", "ending"]
        );
        assert_eq!(names("expiring_days=20"), ["ending"]);
        assert_eq!(names("expiring_days=10"), [""; 0]);
        assert_eq!(names("user_id=usr_none"), [""; 0]);
        for wrong in [
            "unused_days=0",
            "expiring_days=3651",
            "waiting=maybe",
            "x=1",
        ] {
            let refused = root(&app).get(&format!("{USER_TOKENS}?{wrong}"));
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn many_end_at_once_and_their_users_are_told_why() {
        let app = app();
        let ada = ada(&app);
        for _ in 0..20 {
            make(&ada, "old", &["*"]).assert_status(201);
        }
        register(&app, "bob").assert_status(201);
        let bob = signed_in(&app, &login(&app, "bob", PASSWORD));
        for _ in 0..6 {
            make(&bob, "old", &["*"]).assert_status(201);
        }
        app.advance(DAY * 91);
        let kept = make(&bob, "kept", &["*"]).assert_status(201);
        for wrong in [
            json!({"reason": "leak"}),
            json!({"unused_days": 90, "reason": " "}),
            json!({"unused_days": 0, "reason": "leak"}),
            json!({"older_than_days": 3651, "reason": "leak"}),
            json!({"unused_days": 90}),
            json!({"unused_days": 90, "reason": "leak", "all": true}),
        ] {
            revoke(&app, wrong).assert_refused(422, "VALIDATION_ERROR");
        }
        let nobody = json!({"user_id": "usr_none", "reason": "leak"});
        revoke(&app, nobody).assert_refused(404, "NOT_FOUND");
        let ended = revoke(&app, json!({"unused_days": 90, "reason": "leak"})).assert_status(200);
        assert_eq!(ended.body(), &json!({"ended": 26, "more": false}));
        let told = ended
            .header(sbd_sdk::header::REVOKED.as_str())
            .unwrap_or_default();
        assert_eq!(told.matches("ptk_").count(), 26);
        let notices = app.published().into_iter();
        let notices = notices.filter(|event| event.data["kind"] == "account.token_ended");
        assert_eq!(notices.count(), 26);
        bearer(&app, kept.text("token")).assert_status(200);
        let all = root(&app).get(USER_TOKENS);
        let bob = all["items"][0]["user_id"].clone();
        let ended = revoke(&app, json!({"user_id": bob, "reason": "left us"})).assert_status(200);
        assert_eq!(ended["ended"], 1);
        bearer(&app, kept.text("token")).assert_refused(401, "TOKEN_INVALID");
    }
}
