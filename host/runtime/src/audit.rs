//! What a component has recorded of what was done: it stands with its documents.

use crate::Error;
use futures::future::BoxFuture;
use sbd_audit::{Found, Look, NewEntry, Refused, Trail, Verdict};
use sbd_audit_chain::{Actor, Entry, shown};
use sbd_documents::{Anchor, Asked, Chain, Operation, Outcome, Record, chains, each_entry};
use sbd_metering::Cause;
use sbd_storage::rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Follows all that was recorded for a tenant, in its file: whether or not a server has the directory. Blocks.
///
/// # Errors
/// When there is no such tenant, or its file cannot be read.
pub fn recorded_chains(data_dir: &Path, tenant: &str) -> Result<Vec<Chain>, Error> {
    let connection = tenant_file(data_dir, tenant)?;
    chains(&connection).map_err(|error| Error::capability("audit", &error))
}

/// Each entry that was recorded for a tenant, with its hash, in the order in which they were recorded. Blocks.
///
/// # Errors
/// As [`recorded_chains`].
pub fn each_recorded(
    data_dir: &Path,
    tenant: &str,
    mut each: impl FnMut(Entry, Vec<u8>),
) -> Result<(), Error> {
    let connection = tenant_file(data_dir, tenant)?;
    let read = each_entry(&connection, |entry, hash| {
        each(entry, hash);
        Ok::<_, sbd_documents::Error>(())
    });
    read.map_err(|error| Error::capability("audit", &error))
}

/// A tenant's file, to be read alone.
fn tenant_file(data_dir: &Path, tenant: &str) -> Result<Connection, Error> {
    let path = crate::stores::tenant_file(data_dir, tenant);
    if !path.exists() {
        let reason = format!("there is no tenant `{tenant}` in it that has stored anything");
        return Err(Error::DataDirectory {
            path: data_dir.to_owned(),
            reason,
        });
    }
    let opened = sbd_storage::look_at(&path);
    opened.map_err(|error| Error::capability("audit", &error))
}

/// The entries of one component.
pub(crate) struct ComponentTrail {
    pub(crate) documents: Arc<dyn sbd_documents::Backend>,
    pub(crate) component: Arc<str>,
}

/// An entry in a tenant's archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchivedEntry {
    component: String,
    subject: String,
    number: u64,
    /// Milliseconds since 1970: what the hash is made of.
    at: i64,
    action: String,
    kind: String,
    actor: Option<String>,
    request: Option<String>,
    data: String,
    hash: String,
}

/// The last entry that was deleted of a chain, in a tenant's archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchivedAnchor {
    component: String,
    subject: String,
    number: u64,
    hash: String,
}

// === impl ArchivedEntry ===

impl ArchivedEntry {
    pub(crate) fn new(entry: Entry, hash: &[u8]) -> Self {
        let Entry {
            component,
            subject,
            number,
            at,
            action,
            actor,
            request,
            data,
        } = entry;
        Self {
            component,
            subject,
            number,
            at,
            action,
            kind: actor.kind().to_owned(),
            actor: actor.user().map(str::to_owned),
            request,
            data,
            hash: shown(hash),
        }
    }

    /// The entry with its hash; whatever it says of nobody does not fit that.
    pub(crate) fn into_entry(self) -> (Entry, Vec<u8>) {
        let entry = Entry {
            component: self.component,
            subject: self.subject,
            number: self.number,
            at: self.at,
            action: self.action,
            actor: Actor::read(&self.kind, self.actor).unwrap_or(Actor::Anonymous),
            request: self.request,
            data: self.data,
        };
        (entry, read_hash(&self.hash))
    }
}

// === impl ArchivedAnchor ===

impl ArchivedAnchor {
    pub(crate) fn new(anchor: Anchor) -> Self {
        Self {
            component: anchor.component,
            subject: anchor.subject,
            number: anchor.number,
            hash: shown(&anchor.hash),
        }
    }

    pub(crate) fn into_anchor(self) -> Anchor {
        Anchor {
            hash: read_hash(&self.hash),
            component: self.component,
            subject: self.subject,
            number: self.number,
        }
    }
}

/// A hash as it is shown; empty if it is none.
fn read_hash(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let bytes = digits.map(|two| {
        let two = std::str::from_utf8(two).ok()?;
        u8::from_str_radix(two, 16).ok()
    });
    bytes.collect::<Option<_>>().unwrap_or_default()
}

// === impl ComponentTrail ===

impl Trail for ComponentTrail {
    fn append(
        &self,
        entries: Vec<NewEntry>,
        cause: Cause,
    ) -> BoxFuture<'_, Result<Vec<u64>, Refused>> {
        let record = |entry: NewEntry| {
            Operation::Audit(Record {
                subject: entry.subject,
                action: entry.action,
                data: entry.data,
                cause: cause.clone(),
            })
        };
        let steps = entries.into_iter().map(record).collect();
        Box::pin(async move {
            let outcomes = self.documents.transact(&self.component, steps).await;
            let numbers = outcomes.map_err(refused)?.into_iter();
            let numbers = numbers.filter_map(|outcome| match outcome {
                Outcome::Audited(number) => Some(number),
                _ => None,
            });
            Ok(numbers.collect())
        })
    }

    fn find(&self, look: Look) -> BoxFuture<'_, Result<Found, Refused>> {
        let Look {
            subject,
            action,
            actor,
            since,
            until,
            before,
            limit,
        } = look;
        let asked = Asked {
            subject,
            action,
            actor,
            since,
            until,
            before,
            limit,
        };
        Box::pin(async move {
            let found = self.documents.audited(&self.component, asked).await;
            let found = found.map_err(refused)?;
            Ok(Found {
                entries: found.entries,
                next: found.next,
            })
        })
    }

    fn verify(&self, subject: String) -> BoxFuture<'_, Result<Verdict, Refused>> {
        Box::pin(async move {
            let verdict = self.documents.verify(&self.component, subject).await;
            let verdict = verdict.map_err(refused)?;
            Ok(Verdict {
                entries: verdict.entries,
                pruned: verdict.pruned,
                broken_at: verdict.broken_at,
                head: verdict.head,
            })
        })
    }
}

fn refused(error: sbd_documents::Error) -> Refused {
    use sbd_documents::Error;
    match error {
        Error::Full => Refused::Full(None),
        Error::Quota(limit) => Refused::Full(Some(limit)),
        Error::Limit(_) => Refused::Limit(error.to_string()),
        Error::Unavailable(reason) => Refused::Unavailable(reason),
        wrong => Refused::Invalid(wrong.to_string()),
    }
}
