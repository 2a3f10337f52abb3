//! What whoever keeps the entries does for this capability.

use futures::future::BoxFuture;
use jiff::Timestamp;
use sbd_audit_chain::Entry;
use sbd_metering::Cause;

/// A component's entries in one tenant.
pub trait Trail: Send + Sync + 'static {
    /// Records entries in order, all or none; answers their numbers.
    fn append(
        &self,
        entries: Vec<NewEntry>,
        cause: Cause,
    ) -> BoxFuture<'_, Result<Vec<u64>, Refused>>;

    /// A page of them, newest first.
    fn find(&self, look: Look) -> BoxFuture<'_, Result<Found, Refused>>;

    /// Follows the chain of a subject from its first entry to its last.
    fn verify(&self, subject: String) -> BoxFuture<'_, Result<Verdict, Refused>>;
}

/// Something to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// What it is about; each has a chain of its own.
    pub subject: String,
    /// What was done: dotted words.
    pub action: String,
    /// More about it, as JSON.
    pub data: String,
}

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Those about this.
    pub subject: Option<String>,
    /// Those of this action, or that begin with it where it ends with a dot.
    pub action: Option<String>,
    /// Those of this user.
    pub actor: Option<String>,
    /// Those recorded then or later.
    pub since: Option<Timestamp>,
    /// Those recorded before.
    pub until: Option<Timestamp>,
    /// Those before this place, which the page before has named.
    pub before: Option<u64>,
    /// So many at most.
    pub limit: u32,
}

/// A page of entries, each with its hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The entries, newest first.
    pub entries: Vec<(Entry, Vec<u8>)>,
    /// Where the next page begins; none on the last.
    pub next: Option<u64>,
}

/// What became of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many entries it has.
    pub entries: u64,
    /// How many before those were deleted because their time was over.
    pub pruned: u64,
    /// The number of the first entry that was altered, or is missing.
    pub broken_at: Option<u64>,
    /// The hash of the last entry.
    pub head: Option<Vec<u8>>,
}

/// Why nothing was recorded or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An entry or a query is wrong; the text says what to write instead.
    Invalid(String),
    /// A limit of an entry or a call; the text names it.
    Limit(String),
    /// What may be kept is kept; by this limit, or because the disk is full.
    Full(Option<&'static str>),
    /// The same may succeed later.
    Unavailable(String),
}
