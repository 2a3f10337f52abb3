//! What a tenant's administrators see of groups and put right, as far as it is the same of all groups.

use crate::Group;
use crate::notices;
use membership::text;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{By, Error, Result};
use serde_json::{Value, json};

/// Characters of a reason at most.
const MAX_REASON: usize = 500;
/// Characters of a user's id at most.
const MAX_USER: usize = 64;

/// Why something is put right.
///
/// # Errors
/// `VALIDATION_ERROR` of none, and of what is not one line.
pub fn reason(text: &str) -> Result<String> {
    text::some_line("reason", text, MAX_REASON)
}

/// Which groups are meant: of this owner, and those that are being deleted, or that are not.
///
/// # Errors
/// `VALIDATION_ERROR` of an owner that can be nobody.
pub fn query(owner: Option<&str>, closing: Option<bool>) -> Result<Value> {
    let mut query = json!({});
    if let Some(owner) = owner {
        if owner.chars().count() > MAX_USER {
            return Err(Error::validation("owner", "the id of a user"));
        }
        query["owner"] = json!(owner);
    }
    match closing {
        Some(true) => query["closing.at"] = json!({"$exists": true}),
        Some(false) => query["closing"] = json!(null),
        None => {}
    }
    Ok(query)
}

/// Who puts something right.
pub fn who(By(by): &By) -> &str {
    let named = by.user.as_deref().or(by.component.as_deref());
    named.unwrap_or_default()
}

/// Tells each of these users, once, that somebody was appointed, and why; `unique` is which time.
pub fn told(
    mut change: Transaction,
    group: &impl Group,
    mut users: Vec<String>,
    kind: &'static str,
    title: &str,
    (unique, reason): (u64, &str),
) -> Transaction {
    users.sort_unstable();
    users.dedup();
    let unique = format!("{group}/appointed/{unique}");
    for user in users {
        let notice = notices::about(group, &user, kind, title, &unique);
        change = notice.body(reason).by_mail().told_by(change);
    }
    change
}
