//! What a store of documents must do. JSON goes in and out as text, as guests hand it over.

use crate::{
    Anchor, Asked, CollectionDeclaration, Entries, Error, Event, Published, Record, Retention,
    Verdict,
};
use jiff::Timestamp;
use sbd_audit_chain::Entry;
use sbd_storage::quota::{Quota, Stored};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// An answer that comes later.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What to find.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// A filter.
    pub filter: String,
    /// A sort; by `_id` when `None`.
    pub sort: Option<String>,
    /// A projection.
    pub projection: Option<String>,
    /// Matches to leave out first.
    pub skip: u32,
    /// Most documents of the page.
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Whether to count all matches too.
    pub total: bool,
}

/// A page of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The documents, in order.
    pub documents: Vec<String>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// How many match in all, if that was asked.
    pub total: Option<u64>,
}

/// How to update.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpdateOptions {
    /// Every match instead of the first.
    pub many: bool,
    /// Insert when nothing matches.
    pub upsert: bool,
}

/// How to find one document and update it.
#[derive(Clone, Debug, Default)]
pub struct FindAndUpdate {
    /// Which of several matches.
    pub sort: Option<String>,
    /// Which fields to answer.
    pub projection: Option<String>,
    /// Insert when nothing matches.
    pub upsert: bool,
    /// Answer the document after the update instead of before.
    pub return_new: bool,
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Documents that matched.
    pub matched: u64,
    /// Documents that are different now.
    pub modified: u64,
    /// The id of the document that was inserted.
    pub upserted: Option<String>,
}

/// One step of a transaction.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Insert a document.
    Insert {
        /// Where.
        collection: String,
        /// What.
        document: String,
    },
    /// Update documents.
    Update {
        /// Where.
        collection: String,
        /// Which.
        filter: String,
        /// How.
        update: String,
        /// How many of them.
        options: UpdateOptions,
        /// How many must match.
        expect: Option<u64>,
    },
    /// Delete documents.
    Delete {
        /// Where.
        collection: String,
        /// Which.
        filter: String,
        /// Every match instead of the first.
        many: bool,
        /// How many must match.
        expect: Option<u64>,
    },
    /// Require a number of matches.
    Check {
        /// Where.
        collection: String,
        /// Which.
        filter: String,
        /// How many must match.
        expect: u64,
    },
    /// Publish an event.
    Publish(Event),
    /// Record what was done.
    Audit(Record),
}

/// What a step of a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Inserted a document of this id.
    Inserted(String),
    /// Updated.
    Updated(Updated),
    /// Deleted so many.
    Deleted(u64),
    /// The check held.
    Checked,
    /// Published an event of this id.
    Published(String),
    /// Recorded an entry of this number.
    Audited(u64),
}

/// A tenant's documents. Collections belong to components; each call names the one that asks.
///
/// Every call fails with [`Error::UnknownCollection`] for a collection that `configure` has not
/// been told of, and with the errors of `wit/documents.wit`.
pub trait Backend: Send + Sync + 'static {
    /// Makes a component's collections and indexes what is declared: new indexes are filled,
    /// changed ones rebuilt, others removed. Collections that are no longer declared keep their data.
    /// All or nothing: where a new unique index cannot be, everything stays as it was.
    fn configure<'a>(
        &'a self,
        component: &'a str,
        declared: &'a [CollectionDeclaration],
    ) -> Boxed<'a, ()>;

    /// Bounds what a component may keep, from now on. A write that would grow it further is
    /// [`Error::Quota`]; what is there stays, and can always be made less.
    fn allow<'a>(&'a self, component: &'a str, quota: Quota) -> Boxed<'a, ()>;

    /// What a component keeps: documents, and the bytes of their JSON, of the keys and ids in its
    /// indexes, and of its events.
    fn stored<'a>(&'a self, component: &'a str) -> Boxed<'a, Stored>;

    /// Inserts documents, all or none; answers their ids.
    fn insert(
        &self,
        component: &Arc<str>,
        collection: String,
        documents: Vec<String>,
    ) -> Boxed<'_, Vec<String>>;

    /// The document of an id.
    fn get(
        &self,
        component: &Arc<str>,
        collection: String,
        id: String,
    ) -> Boxed<'_, Option<String>>;

    /// A page of matches, and how many there are in all at the same moment.
    fn find(&self, component: &Arc<str>, collection: String, query: Query) -> Boxed<'_, Page>;

    /// How many match.
    fn count(&self, component: &Arc<str>, collection: String, filter: String) -> Boxed<'_, u64>;

    /// The distinct values of a field, in order.
    fn distinct(
        &self,
        component: &Arc<str>,
        collection: String,
        field: String,
        filter: String,
    ) -> Boxed<'_, Vec<String>>;

    /// Runs a pipeline.
    fn aggregate(
        &self,
        component: &Arc<str>,
        collection: String,
        pipeline: String,
    ) -> Boxed<'_, Vec<String>>;

    /// Finds one document and updates it, in one step.
    fn find_one_and_update(
        &self,
        component: &Arc<str>,
        collection: String,
        filter: String,
        update: String,
        options: FindAndUpdate,
    ) -> Boxed<'_, Option<String>>;

    /// Runs operations in order, all or nothing; each sees what those before it wrote.
    fn transact(&self, component: &Arc<str>, operations: Vec<Operation>)
    -> Boxed<'_, Vec<Outcome>>;

    /// The events that are published and not forgotten, in the order of their commits: the first
    /// behind a place (0: of all), so many at most, fewer where they are large.
    fn outbox(&self, after: u64, limit: u32) -> Boxed<'_, Vec<Published>>;

    /// The place behind which those events are that were published at that time or later.
    fn place_at(&self, time: Timestamp) -> Boxed<'_, u64>;

    /// Forgets the events up to a place, but for those that are to be kept; answers how many. Until
    /// then they count for what their component keeps.
    fn forget(&self, up_to: u64, keep: Option<Retention>) -> Boxed<'_, u64>;

    /// What a component has recorded, newest first.
    fn audited<'a>(&'a self, component: &'a str, asked: Asked) -> Boxed<'a, Entries>;

    /// Follows the chain of a subject of a component from its first entry to its last.
    fn verify<'a>(&'a self, component: &'a str, subject: String) -> Boxed<'a, Verdict>;

    /// Puts in what another store has recorded, in its order: all of it, or nothing where an entry does not
    /// follow from the one before it.
    fn adopt(&self, entries: Vec<(Entry, Vec<u8>)>) -> Boxed<'_, ()>;

    /// Lets chains begin where another store has deleted what came before.
    fn begin_behind(&self, anchors: Vec<Anchor>) -> Boxed<'_, ()>;

    /// Deletes what a component recorded before then, from the first entry on; answers how much. What is left
    /// still verifies, and what was altered is not deleted.
    fn prune<'a>(&'a self, component: &'a str, before: Timestamp) -> Boxed<'a, u64>;

    /// Deletes documents whose time is over by then; answers how many.
    fn sweep_at(&self, now: Timestamp) -> Boxed<'_, u64>;

    /// Deletes documents whose time is over; answers how many.
    fn sweep(&self) -> Boxed<'_, u64> {
        self.sweep_at(Timestamp::now())
    }
}
