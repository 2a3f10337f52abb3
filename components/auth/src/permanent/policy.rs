//! What a tenant's administrators decide about permanent tokens: whether users have any, and when those that nobody
//! uses end.

use super::DAY;
use crate::policy;
use crate::store::{PERMANENT_TOKENS, TOKEN_POLICIES};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;

/// There is one.
const ID: &str = "permanent_tokens";
/// Days without use after which a token may end, at least: fewer would end those that run monthly.
const MIN_DAYS: u32 = 30;
/// And at most.
const MAX_DAYS: u32 = 3650;

/// Whether users have permanent tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Making {
    /// Whoever wants one makes one.
    #[default]
    Open,
    /// A new one does nothing until an administrator approves it.
    Approved,
    /// Nobody makes one, and those there are do nothing.
    None,
}

/// What is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenPolicy)]
pub(crate) struct Decided {
    /// Whether users have permanent tokens.
    pub(crate) permanent_tokens: Making,
    /// After so many days without use a token ends; its user is told a week before. Never, if nothing is said.
    #[schema(minimum = 30, maximum = 3650, example = 90)]
    #[serde(default)]
    pub(crate) end_unused_after_days: Option<u32>,
}

/// The same, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    #[serde(rename = "_id")]
    id: String,
    permanent_tokens: Making,
    end_unused_after_days: Option<u32>,
}

/// What is decided, or what holds as long as nobody has.
pub(crate) async fn get() -> Result<Decided> {
    let policy = TOKEN_POLICIES.get(ID).await?;
    let decided = policy.map(|policy| Decided {
        permanent_tokens: policy.permanent_tokens,
        end_unused_after_days: policy.end_unused_after_days,
    });
    Ok(decided.unwrap_or_default())
}

/// Decides it, which is recorded.
pub(crate) async fn set(by: &Caller, decided: &Decided) -> Result<()> {
    let days = decided.end_unused_after_days;
    if days.is_some_and(|days| !(MIN_DAYS..=MAX_DAYS).contains(&days)) {
        return Err(Error::validation(
            "end_unused_after_days",
            "30 to 3650, or nothing",
        ));
    }
    let policy = Policy {
        id: ID.to_owned(),
        permanent_tokens: decided.permanent_tokens,
        end_unused_after_days: days,
    };
    let data = json!({
        "permanent_tokens": policy.permanent_tokens, "end_unused_after_days": days, "by": by.user,
    });
    let mut change = Transaction::new();
    // Whoever was told of an end that another rule set is told again before theirs.
    if get().await?.end_unused_after_days != days {
        let warned = json!({"warned_at": {"$exists": true}});
        change = change.update_many(
            &PERMANENT_TOKENS,
            warned,
            json!({"$unset": {"warned_at": ""}}),
        );
    }
    let as_told = (ID, "policy.changed", &data);
    policy::decided(change, &TOKEN_POLICIES, &policy, as_told).await
}

// === impl Decided ===

impl Decided {
    /// How long a token may lie unused, if it may not do so for ever.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.end_unused_after_days.map(|days| DAY * days)
    }
}
