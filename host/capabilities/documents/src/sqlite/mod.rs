//! The embedded backend: a tenant's documents in its SQLite file.
//!
//! Every write is one job of the tenant's writer, so it is all or nothing and shares its commit
//! with others that wait; reads run beside it. As in MongoDB, a document whose time is over stays
//! visible until the sweep, at most about a minute.

mod audit;
mod backend;
mod export;
mod outbox;
mod read;
mod schema;
mod session;
mod step;
mod write;

pub use audit::{Chain, anchors, chains, each_entry, has_entries};
pub use export::{StoredCollection, stored_collections};

use crate::backend::{FindAndUpdate, Operation, Outcome, Query};
use crate::request::{self, Find, Step, check_bytes, check_count, check_parsed};
use crate::{CollectionDeclaration, Error, Limits, declaration};
use jiff::Timestamp;
use sbd_storage::Database;
use sbd_storage::quota::{self, Quota, Stored};
use sbd_storage::rusqlite::Connection;
use schema::{Collections, Owned, known};
use session::Session;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use step::Ready;
use tokio::sync::RwLock as Gate;
use write::Prepared;

/// Most documents that one job of a sweep deletes by one index; others write in between.
const SWEPT_AT_ONCE: u64 = 1000;
/// Texts of so many bytes are read in well under a millisecond; larger ones would keep other tasks
/// of the thread waiting.
const SMALL: usize = 64 << 10;

/// What is found in so long is found before another thread has begun and told of it; a read may hold up
/// other tasks of its thread as long, and no longer.
const BRIEF: Duration = Duration::from_micros(500);

/// What a read costs.
#[derive(Clone, Copy)]
enum Effort {
    /// Perhaps little: it is tried at once, and left to another thread where it is more.
    Brief,
    /// Anything else.
    Search,
}

/// A tenant's documents. Cheap to clone.
#[derive(Clone)]
pub struct SqliteDocuments {
    database: Database,
    limits: Arc<Limits>,
    /// By component.
    components: Arc<RwLock<HashMap<String, Arc<Collections>>>>,
    /// Writers pass together, a change of indexes alone: or a document that was prepared before the
    /// change and is stored after it would be missing in a new index.
    gate: Arc<Gate<()>>,
}

// === impl SqliteDocuments ===

impl SqliteDocuments {
    /// The documents in a tenant's file, with the default limits.
    pub fn new(database: Database) -> Self {
        Self::with_limits(database, Limits::default())
    }

    /// The documents in a tenant's file.
    pub fn with_limits(database: Database, limits: Limits) -> Self {
        Self {
            database,
            limits: Arc::new(limits),
            components: Arc::default(),
            gate: Arc::default(),
        }
    }

    /// See [`crate::Backend::configure`].
    ///
    /// # Errors
    /// When a declaration is wrong, or existing documents violate a new unique index.
    pub async fn configure(
        &self,
        component: &str,
        declared: &[CollectionDeclaration],
    ) -> Result<(), Error> {
        declaration::check(declared)?;
        let made = Arc::new(schema::collections(component, declared, &self.limits)?);
        let (this, component) = (self.clone(), component.to_owned());
        let change = async move {
            let _alone = this.gate.write().await;
            let (collections, limits) = (Arc::clone(&made), *this.limits);
            let owner = component.clone();
            let job = move |connection: &Connection| {
                quota::begin(connection, &owner)?;
                let mut all = collections.values();
                all.try_for_each(|collection| {
                    schema::configure(connection, collection, &limits)?;
                    Ok::<_, Error>(quota::count(
                        connection,
                        &owner,
                        schema::counted(collection),
                    )?)
                })
            };
            this.database.write(job).await?;
            this.components
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(component, made);
            Ok(())
        };
        to_the_end(change).await
    }

    /// See [`crate::Backend::allow`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn allow(&self, component: &str, quota: Quota) -> Result<(), Error> {
        let owner = component.to_owned();
        let job = move |connection: &Connection| Ok(quota::allow(connection, &owner, quota)?);
        self.database.write(job).await
    }

    /// See [`crate::Backend::stored`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn stored(&self, component: &str) -> Result<Stored, Error> {
        let owner = component.to_owned();
        let job = move |connection: &Connection| Ok(quota::stored_by(connection, &owner)?);
        self.database.read(job).await
    }

    /// See [`crate::Backend::sweep`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn sweep(&self) -> Result<u64, Error> {
        self.delete_due(Timestamp::now()).await
    }

    /// How [`crate::Backend::find`] would find a page, in the words of SQLite's `EXPLAIN QUERY PLAN`: which
    /// index serves a query, or that none does.
    ///
    /// # Errors
    /// As [`crate::Backend::find`].
    pub async fn explain(
        &self,
        component: &str,
        collection: &str,
        query: &Query,
    ) -> Result<Vec<String>, Error> {
        let find = Find::parse(collection, query, &self.limits)?;
        let explain = move |session: &Session<'_>| session.explain(&find);
        self.reading(component, collection, Effort::Search, explain)
            .await
    }

    async fn delete_due(&self, now: Timestamp) -> Result<u64, Error> {
        let components: Vec<(String, Arc<Collections>)> = self
            .components
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(component, collections)| (component.clone(), Arc::clone(collections)))
            .collect();
        let mut deleted = 0;
        for (component, collections) in components {
            for name in collections.keys() {
                deleted += self.delete_due_in(&component, name, now).await?;
            }
        }
        Ok(deleted)
    }

    async fn delete_due_in(
        &self,
        component: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let mut deleted = 0;
        loop {
            let _passed = self.gate.read().await;
            // Its indexes may have changed since the last job.
            let Some(collection) = self.collections(component).get(name).cloned() else {
                return Ok(deleted);
            };
            if collection
                .indexes
                .iter()
                .all(|index| index.ttl_seconds.is_none())
            {
                return Ok(deleted);
            }
            let limits = Arc::clone(&self.limits);
            let job = move |connection: &Connection| {
                let session = Session::new(connection, &collection, &limits, deadline(&limits));
                let indexes = collection.indexes.iter();
                let each = indexes.map(|index| session.delete_due(index, now, SWEPT_AT_ONCE));
                each.collect::<Result<Vec<u64>, Error>>()
            };
            let by_index = self.database.write(job).await?;
            deleted += by_index.iter().sum::<u64>();
            if by_index.iter().all(|count| *count < SWEPT_AT_ONCE) {
                return Ok(deleted);
            }
        }
    }

    fn collections(&self, component: &str) -> Arc<Collections> {
        let components = self
            .components
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        components.get(component).cloned().unwrap_or_default()
    }

    /// Searches a collection, on a connection that can only read.
    async fn reading<R: Send + 'static>(
        &self,
        component: &str,
        name: &str,
        effort: Effort,
        job: impl Fn(&Session<'_>) -> Result<R, Error> + Send + Sync + 'static,
    ) -> Result<R, Error> {
        let job = Arc::new(job);
        loop {
            let collection = known(&self.collections(component), component, name)?;
            let (its_job, its, limits) = (
                Arc::clone(&job),
                Arc::clone(&collection),
                Arc::clone(&self.limits),
            );
            let search = move |connection: &Connection| {
                its_job(&Session::new(connection, &its, &limits, deadline(&limits)))
            };
            let at_once = match effort {
                Effort::Brief => self.at_once(&collection, &*job),
                Effort::Search => None,
            };
            let answer = match at_once {
                Some(answer) => answer,
                None => self.database.read(search).await,
            };
            // Perhaps an index was dropped just before it was read.
            if matches!(answer, Err(Error::Unavailable(_))) {
                let gate = Arc::clone(&self.gate);
                to_the_end(async move {
                    drop(gate.read().await);
                    Ok(())
                })
                .await?;
                if self.has_changed(component, name, &collection) {
                    continue;
                }
            }
            return answer;
        }
    }

    /// The answer to what turns out to be brief.
    fn at_once<R>(
        &self,
        collection: &Owned,
        job: impl Fn(&Session<'_>) -> Result<R, Error>,
    ) -> Option<Result<R, Error>> {
        let limits = &self.limits;
        let until = Instant::now() + limits.query_time.min(BRIEF);
        let look =
            |connection: &Connection| job(&Session::brief(connection, collection, limits, until));
        let answer = self.database.read_here(look)?;
        (!matches!(answer, Err(Error::Limit("query_time")))).then_some(answer)
    }

    fn has_changed(&self, component: &str, name: &str, before: &Arc<Owned>) -> bool {
        let collections = self.collections(component);
        !collections
            .get(name)
            .is_some_and(|collection| Arc::ptr_eq(collection, before))
    }

    async fn insert(
        &self,
        component: &str,
        collection: &str,
        documents: Vec<String>,
    ) -> Result<Vec<String>, Error> {
        let limits = Arc::clone(&self.limits);
        let most = limits.insert_batch;
        check_count(documents.len(), "insert_batch", most, "insert")?;
        let bytes = check_bytes(documents.iter().map(String::as_str), &limits)?;
        let _passed = self.gate.read().await;
        let collection = known(&self.collections(component), component, collection)?;
        let prepare = {
            let (collection, limits) = (Arc::clone(&collection), Arc::clone(&limits));
            move || {
                let new = documents.iter().map(|document| {
                    let document = request::document(document, &limits)?;
                    Prepared::new(&collection, document, &limits)
                });
                new.collect::<Result<Vec<_>, Error>>()
            }
        };
        let new = aside(bytes, prepare).await?;
        let job = move |connection: &Connection| {
            let session = Session::new(connection, &collection, &limits, deadline(&limits));
            new.into_iter().map(|new| session.insert(new)).collect()
        };
        self.database.write(job).await
    }

    async fn transact(
        &self,
        component: Arc<str>,
        operations: Vec<Operation>,
    ) -> Result<Vec<Outcome>, Error> {
        let limits = Arc::clone(&self.limits);
        let most = limits.operations;
        check_count(operations.len(), "operations", most, "run")?;
        let bytes = check_bytes(operations.iter().flat_map(request::texts), &limits)?;
        let _passed = self.gate.read().await;
        let collections = self.collections(&component);
        let read = {
            let (component, limits) = (Arc::clone(&component), Arc::clone(&limits));
            move || {
                let ready = |step| Ready::new(step, &collections, &component, &limits);
                Step::read_all(operations, &limits, ready)
            }
        };
        let steps = aside(bytes, read).await?;
        let job = move |connection: &Connection| {
            let until = deadline(&limits);
            let run = |(step, place): (Ready, u32)| match step {
                Ready::Publish(event) => {
                    let id = outbox::publish(connection, &component, event)?;
                    Ok(Outcome::Published(id))
                }
                Ready::Audit(record) => {
                    let number = audit::append(connection, &component, record)?;
                    Ok(Outcome::Audited(number))
                }
                Ready::On(collection, action) => {
                    let session = Session::new(connection, &collection, &limits, until);
                    action.run(session, place)
                }
            };
            steps.into_iter().zip(0..).map(run).collect()
        };
        self.database.write(job).await
    }

    async fn find_one_and_update(
        &self,
        component: &str,
        collection: &str,
        (filter, update): (&str, &str),
        options: FindAndUpdate,
    ) -> Result<Option<String>, Error> {
        let limits = Arc::clone(&self.limits);
        let texts = [Some(filter), Some(update)];
        let more = [options.sort.as_deref(), options.projection.as_deref()];
        check_parsed(texts.into_iter().chain(more).flatten())?;
        let filter = request::filter(filter, &limits)?;
        let update = request::update(update, &limits)?;
        let sort = request::sort(options.sort.as_deref(), &limits)?;
        let projection = request::projection(options.projection.as_deref(), &limits)?;
        let _passed = self.gate.read().await;
        let collection = known(&self.collections(component), component, collection)?;
        let job = move |connection: &Connection| {
            let session = Session::new(connection, &collection, &limits, deadline(&limits));
            session.find_one_and_update(&filter, &update, &sort, projection.as_ref(), &options)
        };
        self.database.write(job).await
    }
}

/// When an operation that begins now must be done.
fn deadline(limits: &Limits) -> Instant {
    Instant::now() + limits.query_time
}

/// Runs work on texts of so many bytes where it does not hold up others.
async fn aside<R: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    if bytes <= SMALL {
        work()
    } else {
        tokio::task::spawn_blocking(work).await.map_err(stopped)?
    }
}

/// Runs work that passes the gate in a task of its own: it must not stay there while a guest computes
/// and nobody polls it, nor change tables without telling who uses them when it is dropped.
async fn to_the_end<R: Send + 'static>(
    work: impl Future<Output = Result<R, Error>> + Send + 'static,
) -> Result<R, Error> {
    tokio::spawn(work).await.map_err(stopped)?
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::Unavailable(format!("the server is stopping: {error}"))
}
