//! The embedded backend: one SQLite file a tenant for its vectors alone. Theirs is not the file of its documents: a
//! thousand points are a long write, and would be in the way of every short one.
//!
//! On the disk are the points, and an index by terms (`postings.rs`). In memory is a copy of what searches go through
//! (`copy.rs`), of the collections that were searched last: vectors in a quarter of their size (`quantised.rs`), and what
//! filters see of payloads. A search is of one moment: it brings the copy to the state that it sees on the disk,
//! so that writers need not know of copies at all.

mod copies;
mod copy;
mod export;
mod postings;
mod quantised;
mod schema;
mod search;
mod write;

pub(crate) use copies::Copies;
pub use export::{Stored, stored};

use crate::Error;
use crate::backend::Backend;
use crate::searching::{Searching, Share, Turn};
use futures::future::BoxFuture;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _};
use sbd_storage::{Database, Options};
use sbd_vectors_search::{Config, Described, Filter, Hit, Page, Point, Query, check_limit};
use search::Moment;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use write::{Allowed, Doomed};

/// The vectors of one tenant in a SQLite file, which is made when it is first needed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteVectors {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    options: Options,
    database: OnceCell<Database>,
    searching: Arc<Searching>,
    share: Share,
    /// Tells its copies from those of other databases.
    number: u64,
    /// Bytes that components may keep, by their names.
    allowed: Mutex<HashMap<String, u64>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.searching.copies().forget(self.number);
    }
}

// === impl SqliteVectors ===

impl SqliteVectors {
    /// Over a file that need not be there yet.
    pub fn new(path: PathBuf, options: Options, searching: Arc<Searching>) -> Self {
        let (share, number) = (searching.share(), searching.copies().database());
        Self {
            inner: Arc::new(Inner {
                path,
                options,
                database: OnceCell::new(),
                searching,
                share,
                number,
                allowed: Mutex::default(),
            }),
        }
    }

    /// The file, opened and with its tables.
    async fn database(&self) -> Result<&Database, Error> {
        let inner = &self.inner;
        inner
            .database
            .get_or_try_init(|| async {
                let (path, options) = (inner.path.clone(), inner.options.clone());
                let opening = tokio::task::spawn_blocking(move || Database::open(&path, &options));
                let opened = opening.await;
                let database = opened.map_err(|error| Error::Unavailable(error.to_string()))??;
                database.write(schema::create).await?;
                Ok(database)
            })
            .await
    }

    fn allowed(&self, component: &str) -> Allowed {
        let allowed = self.inner.allowed.lock();
        let allowed = allowed.unwrap_or_else(PoisonError::into_inner);
        Allowed(allowed.get(component).copied())
    }

    /// Looks at a collection at one moment, when it is its turn.
    async fn look<R: Send + 'static>(
        &self,
        component: &str,
        collection: String,
        look: impl FnOnce(&Moment<'_>) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let (this, component) = (self.clone(), component.to_owned());
        let look = move |turn: Turn| async move {
            let inner = Arc::clone(&this.inner);
            let job = move |connection: &Connection| {
                let copies = (inner.searching.copies(), inner.number);
                let looked = search::at_moment(copies, connection, (&component, &collection), look);
                drop(turn);
                looked
            };
            this.database().await?.read(job).await
        };
        self.inner.share.work(look).await
    }

    /// Changes something, in a task that comes to its end.
    async fn change<R: Send + 'static>(
        &self,
        bytes: usize,
        change: impl FnOnce(&Connection) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        self.database().await?.write_sized(bytes, change).await
    }

    /// Removes the rows of dropped collections, some at a time.
    async fn sweep(&self) -> Result<(), Error> {
        while self.change(0, write::sweep).await? {}
        Ok(())
    }

    async fn remove(
        &self,
        component: &str,
        collection: String,
        filter: Filter,
    ) -> Result<u64, Error> {
        filter.check_deletion()?;
        let doomed = match write::named(&filter) {
            Some(_) => Doomed::default(),
            None => {
                let filter = filter.clone();
                let look = move |moment: &Moment<'_>| moment.doomed(&filter);
                self.look(component, collection.clone(), look).await?
            }
        };
        let (component, allowed) = (component.to_owned(), self.allowed(component));
        self.change(4 * doomed.places.len(), move |connection| {
            write::delete(
                connection,
                &component,
                &collection,
                &filter,
                &doomed,
                allowed,
            )
        })
        .await
    }
}

impl Backend for SqliteVectors {
    fn allow<'a>(&'a self, component: &'a str, bytes: u64) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let allowed = self.inner.allowed.lock();
            let mut allowed = allowed.unwrap_or_else(PoisonError::into_inner);
            allowed.insert(component.to_owned(), bytes);
            Ok(())
        })
    }

    fn stored<'a>(&'a self, component: &'a str) -> BoxFuture<'a, Result<(u64, u64), Error>> {
        let component = component.to_owned();
        Box::pin(async move {
            let read = move |connection: &Connection| {
                let stored = connection
                    .prepare_cached(
                        "SELECT sum(points), sum(bytes) FROM collections WHERE component = ?1 GROUP BY component",
                    )?
                    .query_row([component], |row| Ok((schema::count(row, 0)?, schema::count(row, 1)?)));
                Ok(stored.optional()?.unwrap_or_default())
            };
            self.database().await?.read_short(read).await
        })
    }

    fn create<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        config: Config,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let component = component.to_owned();
        Box::pin(self.change(0, move |connection| {
            write::create(connection, &component, &collection, config)
        }))
    }

    fn collections<'a>(
        &'a self,
        component: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Described>, Error>> {
        let component = component.to_owned();
        Box::pin(async move {
            let read = move |connection: &Connection| {
                let listed = schema::list(connection, &component)?;
                Ok(listed
                    .into_iter()
                    .map(schema::Collection::described)
                    .collect())
            };
            self.database().await?.read_short(read).await
        })
    }

    fn drop_collection<'a>(
        &'a self,
        component: &'a str,
        collection: String,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        let component = component.to_owned();
        Box::pin(async move {
            let drop =
                move |connection: &Connection| write::drop(connection, &component, &collection);
            let was_there = self.change(0, drop).await?;
            // What does not come to its end here, the next one who drops something does.
            self.sweep().await?;
            Ok(was_there)
        })
    }

    fn upsert<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        points: Vec<Point>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let allowed = self.allowed(component);
        let component = component.to_owned();
        let bytes = points.iter().map(Point::bytes).sum();
        Box::pin(self.change(bytes, move |connection| {
            write::upsert(connection, &component, &collection, &points, allowed)
        }))
    }

    fn delete<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        filter: Filter,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(self.remove(component, collection, filter))
    }

    fn search<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        query: Query,
    ) -> BoxFuture<'a, Result<Vec<Hit>, Error>> {
        Box::pin(self.look(component, collection, move |moment| moment.search(&query)))
    }

    fn count<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        filter: Filter,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move {
            filter.check()?;
            self.look(component, collection, move |moment| moment.count(&filter))
                .await
        })
    }

    fn scroll<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        filter: Filter,
        cursor: Option<String>,
        limit: u32,
        with_vectors: bool,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            filter.check()?;
            check_limit(limit)?;
            let scroll = move |moment: &Moment<'_>| {
                moment.scroll(&filter, cursor.as_deref(), limit, with_vectors)
            };
            self.look(component, collection, scroll).await
        })
    }
}
