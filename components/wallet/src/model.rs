//! Accounts, what moves between them, and what their numbers and texts may be.

use sbd_sdk::time::Time;
use sbd_sdk::{Error, id};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use sbd_sdk::Tokens;

/// Tokens that there are at most: every reader of JSON keeps such a number as it is.
pub(crate) const MAX_SUPPLY: i64 = (1 << 53) - 1;
/// The account that tokens come from and go back to. It alone may be below zero.
pub(crate) const SYSTEM: &str = "system";
/// The account of the shop: there is one.
pub(crate) const SHOP: &str = "shop";
/// Characters in a memo, a reason or a cause at most.
pub(crate) const MAX_TEXT: usize = 200;
/// Characters in the type of a transaction at most.
pub(crate) const MAX_TYPE: usize = 50;
/// Types that only the ledger itself gives.
const RESERVED: [&str; 3] = [MINT, BURN, CLOSURE];
/// Tokens that come to be.
pub(crate) const MINT: &str = "mint";
/// Tokens that cease to be.
pub(crate) const BURN: &str = "burn";
/// What is left on an account that is closed.
pub(crate) const CLOSURE: &str = "closure";

id!(pub(crate) TransactionId, "txn", "transaction");
id!(pub(crate) HoldId, "hld", "hold");

/// Whose an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WalletKind)]
pub(crate) enum Kind {
    /// A user's.
    User,
    /// A family's, for which the component `family` acts.
    Family,
    /// A workspace's, for which the component `workspace` acts.
    Workspace,
    /// Where what is bought is paid, for which the component `shop` acts.
    Shop,
    /// Where tokens come from.
    System,
}

/// An account, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Its owner's id.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// What can be spent.
    pub(crate) available: i64,
    /// What is reserved by open holds. The balance is both together.
    pub(crate) held: i64,
    /// Goes up with every change of `available` or `held`.
    pub(crate) moves: u64,
    pub(crate) spending: Spending,
    pub(crate) limits: Limits,
    pub(crate) frozen: Option<Freeze>,
    /// Goes up with every change of limits and freezing, so that no movement overlooks one.
    pub(crate) rules_version: u64,
    pub(crate) opened_at: Time,
    /// That nothing is given to it or taken from it any more.
    #[serde(default)]
    pub(crate) closed: Option<Closure>,
}

/// How an account was closed. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closure {
    /// What makes it happen once: who closed it, and by which key.
    pub(crate) key: String,
    /// Where what was left was to go.
    pub(crate) to: Option<String>,
    /// By which transaction, if anything was left.
    pub(crate) transaction: Option<TransactionId>,
    pub(crate) at: Time,
}

/// What was spent and reserved on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spending {
    /// The last day on which anything was, in UTC; empty before the first.
    pub(crate) day: String,
    pub(crate) amount: i64,
}

/// What may be spent; without a number there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WalletLimits)]
pub(crate) struct Limits {
    /// At once.
    #[serde(default)]
    pub(crate) per_transaction: Option<Tokens>,
    /// On a day in UTC, with what is reserved.
    #[serde(default)]
    pub(crate) per_day: Option<Tokens>,
}

/// Why nothing can be spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WalletFreeze)]
pub(crate) struct Freeze {
    /// In the words of whoever froze it.
    pub(crate) reason: String,
    /// Since when.
    pub(crate) at: Time,
}

/// That tokens went from one account to another, as it is stored. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transaction {
    #[serde(rename = "_id")]
    pub(crate) id: TransactionId,
    /// What makes it happen once: who sent it and by which key, or the hold that it captures.
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) movement: Movement,
    /// The hold that it captures.
    pub(crate) hold: Option<HoldId>,
    /// Who had it done: a user, a component, or a component for a user.
    pub(crate) by: String,
    pub(crate) at: Time,
}

/// What is to be moved, from where to where, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Movement {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) amount: Tokens,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) memo: Option<String>,
    pub(crate) cause: Option<String>,
}

/// One side of a transaction, as it is stored. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The transaction's id and the account's.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) transaction: TransactionId,
    pub(crate) account: String,
    /// Below zero where the tokens come from.
    pub(crate) amount: i64,
    pub(crate) counterparty: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) memo: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) at: Time,
}

/// Tokens that are reserved, as it is stored.
///
/// ```text
/// open ── capture ──▶ captured      (all of it or less; the rest is free again)
///   ├──── release ──▶ released
///   └──── its time ─▶ expired
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    #[serde(rename = "_id")]
    pub(crate) id: HoldId,
    /// What makes it happen once.
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) movement: Movement,
    pub(crate) state: HoldState,
    /// Who made it: this component, or else this user. They alone capture and release it.
    pub(crate) component: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) seconds: u32,
    pub(crate) made_at: Time,
    pub(crate) expires_at: Time,
    /// What was captured of it.
    pub(crate) captured: Option<Tokens>,
    pub(crate) transaction: Option<TransactionId>,
}

/// What became of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HoldState {
    /// The tokens are reserved.
    Open,
    /// They were paid.
    Captured,
    /// They are free again.
    Released,
    /// They are free again, because its time was over.
    Expired,
}

// === impl Kind ===

impl Kind {
    /// The kind of an account by the id of its owner, where a component opens it.
    pub(crate) fn of_component(owner: &str) -> Option<Self> {
        match owner {
            _ if sbd_sdk::id::is("fam", owner) => Some(Self::Family),
            _ if sbd_sdk::id::is("wsp", owner) => Some(Self::Workspace),
            SHOP => Some(Self::Shop),
            _ => None,
        }
    }

    /// The component that acts for accounts of this kind.
    pub(crate) fn component(self) -> Option<&'static str> {
        match self {
            Self::Family => Some("family"),
            Self::Workspace => Some("workspace"),
            Self::Shop => Some("shop"),
            Self::User | Self::System => None,
        }
    }
}

// === impl Account ===

impl Account {
    /// An account with nothing on it.
    pub(crate) fn open(id: &str, kind: Kind, now: Time) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            available: 0,
            held: 0,
            moves: 0,
            spending: Spending {
                day: String::new(),
                amount: 0,
            },
            limits: Limits::default(),
            frozen: None,
            rules_version: 0,
            opened_at: now,
            closed: None,
        }
    }
}

// === impl Transaction ===

impl Transaction {
    /// Both sides of it.
    pub(crate) fn entries(&self) -> [Entry; 2] {
        let Movement {
            from, to, amount, ..
        } = &self.movement;
        [
            self.entry(from, to, -amount.number()),
            self.entry(to, from, amount.number()),
        ]
    }

    fn entry(&self, account: &str, counterparty: &str, amount: i64) -> Entry {
        Entry {
            id: format!("{}/{account}", self.id),
            transaction: self.id.clone(),
            account: account.to_owned(),
            amount,
            counterparty: counterparty.to_owned(),
            kind: self.movement.kind.clone(),
            memo: self.movement.memo.clone(),
            cause: self.movement.cause.clone(),
            at: self.at,
        }
    }
}

/// The day of a time, in UTC, like `2026-01-31`.
pub(crate) fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

/// A text without the blanks around it; none where there is nothing left.
///
/// # Errors
/// `VALIDATION_ERROR` when it is too long or has control characters.
pub(crate) fn text(field: &str, text: Option<&str>) -> Result<Option<String>, Error> {
    let Some(text) = text else { return Ok(None) };
    if text.chars().count() > MAX_TEXT || text.trim().chars().any(char::is_control) {
        let message = format!("at most {MAX_TEXT} characters, none of them a control character");
        return Err(Error::validation(field, message));
    }
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// The type of a transaction, `transfer` if nothing is said.
///
/// # Errors
/// `VALIDATION_ERROR` when it is no word, or one of the ledger's own.
pub(crate) fn kind(kind: Option<&str>) -> Result<String, Error> {
    let kind = kind.unwrap_or("transfer");
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = kind.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || kind.len() > MAX_TYPE || !kind.chars().all(is_part) || RESERVED.contains(&kind) {
        let message = format!(
            "a word of a-z, 0-9 and _ that begins with a letter, at most {MAX_TYPE} of them, and none of `mint`, `burn` and `closure`"
        );
        return Err(Error::validation("type", message));
    }
    Ok(kind.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn both_sides_of_a_transaction_are_zero_together() {
        let transaction = Transaction {
            id: TransactionId::new(),
            key: "k".to_owned(),
            movement: Movement {
                from: "usr_1".to_owned(),
                to: "usr_2".to_owned(),
                amount: Tokens::new(5).unwrap(),
                kind: "transfer".to_owned(),
                memo: None,
                cause: None,
            },
            hold: None,
            by: "usr_1".to_owned(),
            at: Time::from_seconds(1),
        };
        let [from, to] = transaction.entries();
        assert_eq!((from.amount, to.amount), (-5, 5));
        assert_eq!(
            (from.account, from.counterparty),
            ("usr_1".to_owned(), "usr_2".to_owned())
        );
        assert_ne!(from.id, to.id);
    }

    #[test]
    fn types_are_words_and_not_the_ledgers_own() {
        assert_eq!(kind(None).unwrap(), "transfer");
        assert_eq!(kind(Some("purchase_2")).unwrap(), "purchase_2");
        for wrong in [
            "",
            "Purchase",
            "a b",
            "1st",
            "mint",
            "burn",
            "closure",
            &"x".repeat(51),
        ] {
            assert_eq!(
                kind(Some(wrong)).unwrap_err().code(),
                "VALIDATION_ERROR",
                "{wrong}"
            );
        }
    }

    #[test]
    fn texts_are_trimmed_and_bounded() {
        assert_eq!(text("memo", Some("  x ")).unwrap().as_deref(), Some("x"));
        assert_eq!(text("memo", Some("  ")).unwrap(), None);
        assert!(text("memo", Some(&"ä".repeat(MAX_TEXT))).is_ok());
        for wrong in ["a\nb", "a\u{0}b", &"x".repeat(MAX_TEXT + 1)] {
            assert!(text("memo", Some(wrong)).is_err(), "{wrong:?}");
        }
    }
}
