//! What those who audit account for: what happened in a group in some time. That they look is recorded as well.

use crate::audit::record;
use crate::{Group, account};
use membership::report::{Heading, Report};
use sbd_sdk::audit::{self, Entry, Query};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// How far a report goes back when the request does not say.
const USUAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Entries of a report at most: more than anybody reads, and far less than an instance holds.
const MOST: usize = 10_000;
/// Entries that are read at once: the most there are on a page.
const AT_ONCE: u32 = 1000;

/// Of which time, and in which form.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// What happened then or later; 30 days before `to` when not said.
    #[param(inline)]
    from: Option<Time>,
    /// What happened before; all that did until now when not said.
    #[param(inline)]
    to: Option<Time>,
    /// `json` when not said.
    #[param(inline)]
    pub(crate) format: Option<Format>,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For programs.
    #[default]
    Json,
    /// The entries alone, for spreadsheets.
    Csv,
    /// To be printed.
    Pdf,
}

/// What happened in a group in some time.
pub(crate) async fn compliance<G: Group>(
    group: &G,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<Report> {
    if !group.reader(caller).await?.audits {
        return Err(account::not_governing());
    }
    let made_at = time::now();
    let to = wanted.to.unwrap_or(made_at);
    let from = wanted.from.unwrap_or(to - USUAL);
    if from >= to {
        return Err(Error::validation("from", "a time before `to`"));
    }
    let entries = entries(&group.to_string(), from, wanted.to).await?;
    let chain = audit::verify(&group.to_string()).await?;
    let (name, members) = group.described().await?;
    let format = wanted.format.unwrap_or_default();
    let made = json!({"from": from, "to": to, "format": format});
    record(group, "report.made", made).await?;
    let heading = Heading {
        id: group.to_string(),
        name,
        from,
        to,
        made_at,
        made_by: caller.user.to_string(),
    };
    Ok(Report::new(heading, members, chain, entries))
}

/// All entries of a time, the newest first.
async fn entries(group: &str, from: Time, to: Option<Time>) -> Result<Vec<Entry>> {
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let query = Query {
            subject: Some(group.to_owned()),
            since: Some(from),
            until: to,
            cursor,
            limit: AT_ONCE,
            ..Query::default()
        };
        let page = audit::find(query).await?;
        entries.extend(page.entries);
        if entries.len() > MOST {
            let message = format!("a later time: more than {MOST} things were done since this one");
            return Err(Error::validation("from", message));
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(entries);
        }
    }
}
