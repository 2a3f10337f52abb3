//! What was done, by whom and when. Entries are only added, each chained by its hash to the one before it of
//! the same subject: nobody alters or drops one unnoticed, neither the component nor whoever has the file.
//!
//! Whoever keeps documents records in the transaction of the change
//! ([`Transaction::audit`](crate::documents::Transaction::audit)); what changes no document is recorded by
//! [`append`]. Reading needs the grant `audit`.

use crate::bindings::audit as host;
use crate::time::Time;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How somebody came to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// Without saying who they are.
    Anonymous,
    /// The component for itself: a tick, an event.
    Service,
    /// A user.
    User,
    /// The component for a user, later: a task.
    Delegated,
}

/// Something that was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    /// What it is about.
    pub subject: String,
    /// Its place among what was recorded about that, from 1.
    pub number: u64,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub at: String,
    /// What was done.
    pub action: String,
    /// How whoever did it came to do it.
    pub kind: ActorKind,
    /// The id of the user who did it, or for whom it was done.
    pub actor: Option<String>,
    /// The request in which it was done.
    pub request: Option<String>,
    /// More about it.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
    /// SHA-256 over the entry and the hash before it, 64 hexadecimal digits.
    pub hash: String,
}

/// Which entries, newest first.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Those about this.
    pub subject: Option<String>,
    /// Those of this action, or of all that begin with it where it ends with a dot.
    pub action: Option<String>,
    /// Those of this user.
    pub actor: Option<String>,
    /// Those recorded then or later.
    pub since: Option<Time>,
    /// Those recorded before.
    pub until: Option<Time>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// So many at most, 1 to 1000.
    pub limit: u32,
}

/// Some of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The entries, newest first.
    pub entries: Vec<Entry>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// What became of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditVerdict)]
pub struct Verdict {
    /// How many entries there are.
    pub entries: u64,
    /// How many before those were deleted because their time was over.
    pub pruned: u64,
    /// The number of the first entry that was altered, or is missing; none if all is whole.
    pub broken_at: Option<u64>,
    /// The hash of the last entry: who keeps it elsewhere can tell a chain that was made anew.
    pub head: Option<String>,
}

/// Records what was done to something, and changes nothing else; answers the number of the entry.
///
/// # Errors
/// When the entry is wrong, there is no room left, or it cannot be written.
pub async fn append<T: Serialize>(subject: &str, action: &str, data: &T) -> Result<u64> {
    let entry = host::NewEntry {
        subject: subject.to_owned(),
        action: action.to_owned(),
        data: serde_json::to_string(data).map_err(Error::internal)?,
    };
    let numbers = host::append(vec![entry]).await.map_err(told)?;
    numbers
        .first()
        .copied()
        .ok_or_else(|| Error::internal("an entry was recorded without a number"))
}

/// A page of what the component has recorded in this tenant, newest first.
///
/// # Errors
/// When the query is wrong, or what was recorded cannot be read.
pub async fn find(query: Query) -> Result<Page> {
    let query = host::Query {
        subject: query.subject,
        action: query.action,
        actor: query.actor,
        since: query.since.map(|time| time.to_string()),
        until: query.until.map(|time| time.to_string()),
        cursor: query.cursor,
        limit: query.limit,
    };
    let page = host::find(query).await.map_err(|error| match error {
        host::Error::Invalid(cause) => Error::validation("cursor", cause),
        error => told(error),
    })?;
    let entries = page.entries.into_iter().map(Entry::read);
    Ok(Page {
        entries: entries.collect::<Result<_>>()?,
        next: page.next,
    })
}

/// Follows all that was recorded about something from the first entry to the last.
///
/// # Errors
/// When it cannot be read.
pub async fn verify(subject: &str) -> Result<Verdict> {
    let verdict = host::verify(subject.to_owned()).await.map_err(told)?;
    Ok(Verdict {
        entries: verdict.entries,
        pruned: verdict.pruned,
        broken_at: verdict.broken_at,
        head: verdict.head,
    })
}

// === impl ActorKind ===

impl ActorKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Service => "service",
            Self::User => "user",
            Self::Delegated => "delegated",
        }
    }
}

// === impl Entry ===

impl Entry {
    fn read(entry: host::Entry) -> Result<Self> {
        let host::Entry {
            subject,
            number,
            at,
            action,
            kind,
            actor,
            request,
            data,
            hash,
        } = entry;
        Ok(Self {
            subject,
            number,
            at,
            action,
            kind: match kind {
                host::ActorKind::Anonymous => ActorKind::Anonymous,
                host::ActorKind::Service => ActorKind::Service,
                host::ActorKind::User => ActorKind::User,
                host::ActorKind::Delegated => ActorKind::Delegated,
            },
            actor,
            request,
            data: serde_json::from_str(&data).map_err(Error::internal)?,
            hash,
        })
    }
}

fn told(error: host::Error) -> Error {
    match error {
        host::Error::Full => Error::storage_full(),
        host::Error::Unavailable(cause) => {
            let again = "what was recorded cannot be kept or read just now; try again in a moment";
            Error::overloaded(again, 1).caused_by(format_args!("audit unavailable: {cause}"))
        }
        host::Error::Invalid(cause) | host::Error::Limit(cause) | host::Error::Other(cause) => {
            Error::internal(cause)
        }
    }
}
