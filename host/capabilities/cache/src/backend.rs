//! What a cache must do.

use crate::Error;
use futures::future::BoxFuture;
use std::time::Duration;

/// The cache of one tenant. Callers have checked keys, values and times to live; the suite in
/// `tests/conformance` says what each method must do. Each method is atomic: of two on the same
/// key, one sees all that the other did or nothing of it.
pub trait Backend: Send + Sync + 'static {
    /// The value under a key, unless it has expired.
    fn get<'a>(
        &'a self,
        component: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>>;

    /// Stores a value for at most `ttl` from now.
    fn set<'a>(
        &'a self,
        component: &'a str,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Forgets a key; says whether it was there.
    fn delete<'a>(&'a self, component: &'a str, key: &'a str)
    -> BoxFuture<'a, Result<bool, Error>>;

    /// Adds to a counter (decimal text) and returns its new value. One that is not there starts
    /// at 0 with this time to live; one that is there keeps its own. Nothing changes on
    /// [`Error::NotACounter`] or [`Error::Overflow`].
    fn increment<'a>(
        &'a self,
        component: &'a str,
        key: &'a str,
        delta: i64,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<i64, Error>>;

    /// Stores a value if the present one equals `expected` (`None`: if there is none); says
    /// whether it did. The time to live counts from now.
    fn compare_and_set<'a>(
        &'a self,
        component: &'a str,
        key: &'a str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool, Error>>;
}
