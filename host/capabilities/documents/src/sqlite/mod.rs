//! The embedded backend: a tenant's documents in its SQLite file.
//!
//! Every write is one job of the tenant's writer, so it is all or nothing and shares its commit
//! with others that wait; reads run beside it. As in MongoDB, a document whose time is over stays
//! visible until the sweep, at most about a minute.

mod catalogue;
mod session;

use crate::backend::{Backend, Boxed, FindAndUpdate, Operation, Outcome, Page, Query};
use crate::{CollectionDeclaration, Error, Limits};
use sbd_documents_query::sqlite::Collection;
use sbd_documents_query::{Filter, Path, Pipeline, Projection, Sort, Update, key};
use sbd_storage::Database;
use sbd_storage::rusqlite::Connection;
use serde_json::Value;
use session::Session;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, RwLock};

/// Documents deleted by one job of a sweep.
const SWEPT_AT_ONCE: i64 = 1000;

/// A component's collections, by name.
type Collections = Arc<HashMap<String, Arc<Collection>>>;

/// A tenant's documents.
pub struct SqliteDocuments {
    database: Database,
    limits: Limits,
    components: RwLock<HashMap<String, Collections>>,
}

// === impl SqliteDocuments ===

impl SqliteDocuments {
    /// The documents in a tenant's file, with the default limits.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn open(database: Database) -> Result<Self, Error> {
        Self::open_with(database, Limits::default()).await
    }

    /// The documents in a tenant's file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn open_with(database: Database, limits: Limits) -> Result<Self, Error> {
        database.write(catalogue::make).await?;
        Ok(Self {
            database,
            limits,
            components: RwLock::default(),
        })
    }

    /// See [`Backend::configure`].
    ///
    /// # Errors
    /// When a declaration is wrong, or existing documents violate a new unique index.
    pub async fn configure(
        &self,
        component: &str,
        declared: &[CollectionDeclaration],
    ) -> Result<(), Error> {
        let collections = catalogue::collections(component, declared, &self.limits)?;
        let (limits, made) = (self.limits, collections.clone());
        self.database
            .write(move |connection| catalogue::configure(connection, &made, &limits))
            .await?;
        let collections = collections
            .into_iter()
            .map(|(name, collection)| (name, Arc::new(collection)))
            .collect();
        if let Ok(mut components) = self.components.write() {
            components.insert(component.to_owned(), Arc::new(collections));
        }
        Ok(())
    }

    fn collections(&self, component: &str) -> Collections {
        self.components
            .read()
            .ok()
            .and_then(|components| components.get(component).cloned())
            .unwrap_or_default()
    }

    /// Runs `job` on a collection, on a connection that can only read.
    async fn reading<R: Send + 'static>(
        &self,
        component: &Arc<str>,
        name: &str,
        job: impl FnOnce(&Session<'_>) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let collection = known(&self.collections(component), component, name)?;
        let limits = self.limits;
        self.database
            .read_short(move |connection| job(&Session::new(connection, &collection, &limits)))
            .await
    }
}

fn known(collections: &Collections, component: &str, name: &str) -> Result<Arc<Collection>, Error> {
    collections
        .get(name)
        .cloned()
        .ok_or_else(|| Error::UnknownCollection {
            component: component.to_owned(),
            collection: name.to_owned(),
        })
}

/// Reads a guest's JSON.
fn json(what: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::Invalid(format!("the {what} is no JSON: {error}")))
}

/// What a cursor belongs to.
fn fingerprint(collection: &str, filter: &str, sort: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (collection, filter, sort).hash(&mut hasher);
    hasher.finish()
}

/// One step of a transaction, on the writer's connection.
fn perform(
    connection: &Connection,
    collections: &Collections,
    component: &str,
    limits: &Limits,
    place: u32,
    operation: &Operation,
) -> Result<Outcome, Error> {
    let session = |name: &str| known(collections, component, name);
    let met = |matched: u64, expect: Option<u64>| {
        if expect.is_none_or(|expect| expect == matched) {
            Ok(())
        } else {
            Err(Error::PreconditionFailed(place))
        }
    };
    match operation {
        Operation::Insert {
            collection,
            document,
        } => {
            let collection = session(collection)?;
            let id = Session::new(connection, &collection, limits)
                .insert(json("document", document)?)?;
            Ok(Outcome::Inserted(id))
        }
        Operation::Update {
            collection,
            filter,
            update,
            options,
            expect,
        } => {
            let collection = session(collection)?;
            let filter = Filter::parse(&json("filter", filter)?, &limits.query)?;
            let update = Update::parse(&json("update", update)?, &limits.query)?;
            if options.many && matches!(update, Update::Replace(_)) {
                return Err(Error::Invalid(
                    "a whole document can replace one match only; use operators like $set for many"
                        .to_owned(),
                ));
            }
            let updated =
                Session::new(connection, &collection, limits).update(&filter, &update, *options)?;
            met(updated.matched, *expect)?;
            Ok(Outcome::Updated(updated))
        }
        Operation::Delete {
            collection,
            filter,
            many,
            expect,
        } => {
            let collection = session(collection)?;
            let filter = Filter::parse(&json("filter", filter)?, &limits.query)?;
            let deleted = Session::new(connection, &collection, limits).delete(&filter, *many)?;
            met(deleted, *expect)?;
            Ok(Outcome::Deleted(deleted))
        }
        Operation::Check {
            collection,
            filter,
            expect,
        } => {
            let collection = session(collection)?;
            let filter = Filter::parse(&json("filter", filter)?, &limits.query)?;
            met(
                Session::new(connection, &collection, limits).count(&filter)?,
                Some(*expect),
            )?;
            Ok(Outcome::Checked)
        }
    }
}

impl Backend for SqliteDocuments {
    fn configure<'a>(
        &'a self,
        component: &'a str,
        declared: &'a [CollectionDeclaration],
    ) -> Boxed<'a, ()> {
        Box::pin(Self::configure(self, component, declared))
    }

    fn insert(
        &self,
        component: &Arc<str>,
        collection: String,
        documents: Vec<String>,
    ) -> Boxed<'_, Vec<String>> {
        let known = known(&self.collections(component), component, &collection);
        Box::pin(async move {
            let (known, limits) = (known?, self.limits);
            if documents.is_empty() || documents.len() > limits.insert_batch {
                return Err(Error::Invalid(format!(
                    "insert 1 to {} documents at once",
                    limits.insert_batch
                )));
            }
            let insert = move |connection: &Connection| {
                let session = Session::new(connection, &known, &limits);
                documents
                    .iter()
                    .map(|document| session.insert(json("document", document)?))
                    .collect()
            };
            self.database.write(insert).await
        })
    }

    fn get(
        &self,
        component: &Arc<str>,
        collection: String,
        id: String,
    ) -> Boxed<'_, Option<String>> {
        let component = Arc::clone(component);
        Box::pin(async move {
            self.reading(&component, &collection, move |session| session.get(&id))
                .await
        })
    }

    fn find(&self, component: &Arc<str>, collection: String, query: Query) -> Boxed<'_, Page> {
        let component = Arc::clone(component);
        Box::pin(async move {
            let limits = self.limits;
            if query.limit == 0 || query.limit > limits.page {
                return Err(Error::Invalid(format!(
                    "`limit` must be 1 to {}",
                    limits.page
                )));
            }
            let filter = Filter::parse(&json("filter", &query.filter)?, &limits.query)?;
            let sort = query
                .sort
                .as_deref()
                .map(|sort| Ok::<_, Error>(Sort::parse(&json("sort", sort)?, &limits.query)?));
            let sort = sort.transpose()?.unwrap_or_default();
            let projection = query.projection.as_deref();
            let projection = projection
                .map(|text| {
                    Ok::<_, Error>(Projection::parse(
                        &json("projection", text)?,
                        &limits.query,
                    )?)
                })
                .transpose()?;
            let fingerprint = fingerprint(&collection, &query.filter, query.sort.as_deref());
            let after = query
                .cursor
                .as_deref()
                .map(|cursor| sort.read_cursor(cursor, fingerprint))
                .transpose()?;
            let find = move |session: &Session<'_>| {
                let found =
                    session.find(&filter, &sort, after.as_ref(), query.skip, query.limit)?;
                let next = found.next.map(|last| sort.cursor(&last, fingerprint));
                let documents =
                    found
                        .documents
                        .into_iter()
                        .map(|(document, text)| match &projection {
                            Some(projection) => projection.apply(&document).to_string(),
                            None => text,
                        });
                Ok(Page {
                    documents: documents.collect(),
                    next,
                })
            };
            self.reading(&component, &collection, find).await
        })
    }

    fn count(&self, component: &Arc<str>, collection: String, filter: String) -> Boxed<'_, u64> {
        let component = Arc::clone(component);
        Box::pin(async move {
            let filter = Filter::parse(&json("filter", &filter)?, &self.limits.query)?;
            self.reading(&component, &collection, move |session| {
                session.count(&filter)
            })
            .await
        })
    }

    fn distinct(
        &self,
        component: &Arc<str>,
        collection: String,
        field: String,
        filter: String,
    ) -> Boxed<'_, Vec<String>> {
        let component = Arc::clone(component);
        Box::pin(async move {
            let path = Path::parse(&field, &self.limits.query)?;
            let filter = Filter::parse(&json("filter", &filter)?, &self.limits.query)?;
            self.reading(&component, &collection, move |session| {
                session.distinct(&path, &filter)
            })
            .await
        })
    }

    fn aggregate(
        &self,
        component: &Arc<str>,
        collection: String,
        pipeline: String,
    ) -> Boxed<'_, Vec<String>> {
        let component = Arc::clone(component);
        Box::pin(async move {
            let pipeline = Pipeline::parse(&json("pipeline", &pipeline)?, &self.limits.query)?;
            self.reading(&component, &collection, move |session| {
                session.aggregate(&pipeline)
            })
            .await
        })
    }

    fn find_one_and_update(
        &self,
        component: &Arc<str>,
        collection: String,
        filter: String,
        update: String,
        options: FindAndUpdate,
    ) -> Boxed<'_, Option<String>> {
        let known = known(&self.collections(component), component, &collection);
        Box::pin(async move {
            let (known, limits) = (known?, self.limits);
            let filter = Filter::parse(&json("filter", &filter)?, &limits.query)?;
            let update = Update::parse(&json("update", &update)?, &limits.query)?;
            let sort = options
                .sort
                .as_deref()
                .map(|sort| Ok::<_, Error>(Sort::parse(&json("sort", sort)?, &limits.query)?));
            let sort = sort.transpose()?.unwrap_or_default();
            let job = move |connection: &Connection| {
                let session = Session::new(connection, &known, &limits);
                session.find_one_and_update(
                    &filter,
                    &update,
                    &sort,
                    options.upsert,
                    options.return_new,
                )
            };
            self.database.write(job).await
        })
    }

    fn transact(
        &self,
        component: &Arc<str>,
        operations: Vec<Operation>,
    ) -> Boxed<'_, Vec<Outcome>> {
        let (collections, component) = (self.collections(component), Arc::clone(component));
        Box::pin(async move {
            let limits = self.limits;
            if operations.is_empty() || operations.len() > limits.operations {
                return Err(Error::Invalid(format!(
                    "a transaction has 1 to {} operations",
                    limits.operations
                )));
            }
            let job = move |connection: &Connection| {
                let each = operations.iter().zip(0..);
                each.map(|(operation, place)| {
                    perform(
                        connection,
                        &collections,
                        &component,
                        &limits,
                        place,
                        operation,
                    )
                })
                .collect()
            };
            self.database.write(job).await
        })
    }

    fn sweep(&self) -> Boxed<'_, u64> {
        Box::pin(Self::sweep(self))
    }
}

impl SqliteDocuments {
    /// See [`Backend::sweep`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let components: Vec<Collections> = self
            .components
            .read()
            .map(|all| all.values().cloned().collect())
            .unwrap_or_default();
        let mut deleted = 0;
        for collection in components
            .iter()
            .flat_map(|collections| collections.values())
        {
            for index in collection
                .indexes
                .iter()
                .filter(|index| index.ttl_seconds.is_some())
            {
                let before = session::time(index.ttl_seconds.unwrap_or_default());
                let bound = key(&Value::String(before));
                loop {
                    let (collection, index, bound, limits) = (
                        Arc::clone(collection),
                        index.clone(),
                        bound.clone(),
                        self.limits,
                    );
                    let job = move |connection: &Connection| {
                        Session::new(connection, &collection, &limits).delete_due(
                            &index,
                            &bound,
                            SWEPT_AT_ONCE,
                        )
                    };
                    let now: u64 = self.database.write(job).await?;
                    deleted += now;
                    if i64::try_from(now).unwrap_or(i64::MAX) < SWEPT_AT_ONCE {
                        break;
                    }
                }
            }
        }
        Ok(deleted)
    }
}
