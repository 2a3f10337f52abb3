//! What a store of vectors must do.

use crate::Error;
use futures::future::BoxFuture;
use sbd_vectors_search::{Config, Described, Filter, Hit, Page, Point, Query};

/// The collections of one tenant's components. The suite in `tests/conformance` says what each method must do; it
/// refuses what the crate `sbd-vectors-search` refuses, and finds what that finds.
pub trait Backend: Send + Sync + 'static {
    /// Sets how many bytes a component may keep.
    fn allow<'a>(&'a self, component: &'a str, bytes: u64) -> BoxFuture<'a, Result<(), Error>>;

    /// How many points a component keeps, and how many bytes they take.
    fn stored<'a>(&'a self, component: &'a str) -> BoxFuture<'a, Result<(u64, u64), Error>>;

    /// Makes a collection. Nothing if it is there already as it is to be.
    fn create<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        config: Config,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// The component's collections by name.
    fn collections<'a>(
        &'a self,
        component: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Described>, Error>>;

    /// Deletes a collection with all its points; says whether it was there.
    fn drop_collection<'a>(
        &'a self,
        component: &'a str,
        collection: String,
    ) -> BoxFuture<'a, Result<bool, Error>>;

    /// Adds points, all or none; those with the same id are replaced. Whoever searches afterwards finds them.
    fn upsert<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        points: Vec<Point>,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Deletes the points of a filter, which is not empty; returns how many.
    fn delete<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        filter: Filter,
    ) -> BoxFuture<'a, Result<u64, Error>>;

    /// Looks for points; the best first.
    fn search<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        query: Query,
    ) -> BoxFuture<'a, Result<Vec<Hit>, Error>>;

    /// How many points fit a filter.
    fn count<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        filter: Filter,
    ) -> BoxFuture<'a, Result<u64, Error>>;

    /// The points of a filter by id, so many at a time, after the id that is the cursor.
    fn scroll<'a>(
        &'a self,
        component: &'a str,
        collection: String,
        filter: Filter,
        cursor: Option<String>,
        limit: u32,
        with_vectors: bool,
    ) -> BoxFuture<'a, Result<Page, Error>>;
}
