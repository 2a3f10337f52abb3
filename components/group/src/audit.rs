//! What was done in a group: every change that is told of, chained so that nobody alters it unnoticed. Members read
//! it; whether it is whole, everybody in the group may know.

use crate::{Group, Member, events};
use sbd_sdk::audit::{Entry, Page, Query, Verdict, append, find, verify};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

/// Entries on a page when the request does not say, and at most.
const USUAL: u32 = 50;
const MOST: u32 = 100;
/// Characters of an action, and of a user's id, at most.
const MAX_TEXT: usize = 128;

/// Which entries.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only what was done so, or begins so where this ends with a dot.
    #[param(max_length = 128, example = "family.member.")]
    action: Option<String>,
    /// Only what this user did.
    #[param(max_length = 128, example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    actor: Option<String>,
    /// Only what was done then or later.
    #[param(inline)]
    from: Option<Time>,
    /// Only what was done before.
    #[param(inline)]
    to: Option<Time>,
    /// The `next` of the page before, with the same filters.
    pub(crate) cursor: Option<String>,
    /// Entries on a page; 50 when not said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A page of what was done in a group, the newest first.
///
/// # Errors
/// When the group is not the caller's to see, or the request is wrong.
pub(crate) async fn page<G: Group>(group: &G, caller: &Caller, wanted: Wanted) -> Result<Page> {
    let query = wanted.query(group)?;
    let reader = group.reader(caller).await?;
    let mut page = find(query).await?;
    for entry in &mut page.entries {
        if !concerns(entry, &reader) {
            entry.data = Value::Null;
        }
    }
    Ok(page)
}

/// Whether all that was recorded of a group is as it was recorded.
///
/// # Errors
/// When the group is not the caller's to see.
pub(crate) async fn verdict<G: Group>(group: &G, caller: &Caller) -> Result<Verdict> {
    group.reader(caller).await?;
    verify(&group.to_string()).await
}

/// Records what nobody is told of: that somebody has read, or taken along.
pub(crate) async fn record<G: Group>(group: &G, what: &str, mut data: Value) -> Result<()> {
    data[events::id_of::<G>()] = json!(group);
    let recorded = append(&group.to_string(), &events::named::<G>(what), &data).await;
    recorded.map(drop)
}

/// Whether a member is told more than who did what and when: those who audit are, and others where it is about
/// them.
fn concerns(entry: &Entry, reader: &Member) -> bool {
    let user = reader.user_id.as_str();
    reader.audits || entry.actor.as_deref() == Some(user) || names(&entry.data, user)
}

/// Whether what was recorded names a user, wherever in it.
pub fn names(data: &Value, user: &str) -> bool {
    match data {
        Value::String(text) => text == user,
        Value::Array(values) => values.iter().any(|value| names(value, user)),
        Value::Object(fields) => fields.values().any(|value| names(value, user)),
        _ => false,
    }
}

// === impl Wanted ===

impl Wanted {
    fn query(self, group: &impl Group) -> Result<Query> {
        let limit = self.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Error::validation(
                "limit",
                format!("a number from 1 to {MOST}"),
            ));
        }
        let text =
            |field, text: Option<String>| membership::text::line(field, text.as_deref(), MAX_TEXT);
        Ok(Query {
            subject: Some(group.to_string()),
            action: text("action", self.action)?,
            actor: text("actor", self.actor)?,
            since: self.from,
            until: self.to,
            cursor: self.cursor,
            limit,
        })
    }
}
