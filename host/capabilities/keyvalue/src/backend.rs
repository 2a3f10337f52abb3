//! What a store of buckets must do.

use crate::Error;
use futures::future::BoxFuture;

/// Keys with their values; `None` for a key that is not there.
pub type Found = Vec<(String, Option<Vec<u8>>)>;

/// One page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The keys, ascending by their bytes.
    pub keys: Vec<String>,
    /// What to pass as `after` for the next page; `None` on the last one.
    pub next: Option<String>,
}

/// The buckets of one tenant. Callers have checked keys, values and grants; the suite in
/// `tests/conformance` says what each method must do.
pub trait Backend: Send + Sync + 'static {
    /// Bounds the bytes of keys and values that a bucket may hold, from now on. What is there stays.
    fn allow<'a>(&'a self, bucket: &'a str, bytes: u64) -> BoxFuture<'a, Result<(), Error>>;

    /// The value under a key.
    fn get<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>>;

    /// Stores a value under a key. Answered means durable, as for every change.
    fn set<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        value: Vec<u8>,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Removes a key, if it is there.
    fn delete<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<(), Error>>;

    /// Whether a key is there.
    fn exists<'a>(&'a self, bucket: &'a str, key: &'a str) -> BoxFuture<'a, Result<bool, Error>>;

    /// The first [`PAGE_KEYS`](crate::limits::PAGE_KEYS) keys after `after`.
    fn list_keys<'a>(
        &'a self,
        bucket: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, Error>>;

    /// Adds to the counter under a key, which starts at 0, and returns its new value. A counter
    /// is 8 bytes, little-endian. Nothing changes on [`Error::NotACounter`] or
    /// [`Error::Overflow`].
    fn increment<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        delta: i64,
    ) -> BoxFuture<'a, Result<i64, Error>>;

    /// Stores a value if the present one equals `expected` (`None`: if there is none); says
    /// whether it did.
    fn compare_and_set<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> BoxFuture<'a, Result<bool, Error>>;

    /// The values under several keys, in the order asked, as of one moment. An answer over
    /// [`MAX_BATCH_BYTES`](crate::limits::MAX_BATCH_BYTES) is refused with [`Error::Invalid`].
    fn get_many<'a>(
        &'a self,
        bucket: &'a str,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<Found, Error>>;

    /// Stores several values, all or none. Of a key named twice, the last value stays.
    fn set_many<'a>(
        &'a self,
        bucket: &'a str,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Removes several keys, all or none.
    fn delete_many<'a>(
        &'a self,
        bucket: &'a str,
        keys: Vec<String>,
    ) -> BoxFuture<'a, Result<(), Error>>;
}
