//! What a store of blobs must do.

use crate::Error;
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;

/// What a call of a backend answers, in time.
pub type Boxed<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// What is known of a blob without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// What it is, as in the header `Content-Type`.
    pub content_type: String,
    /// SHA-256 of the content, 64 hexadecimal digits.
    pub sha256: String,
    /// When it took its name.
    pub at: Timestamp,
}

/// Some of them, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The blobs.
    pub blobs: Vec<Blob>,
    /// What to pass as `after` for the next page; `None` on the last one.
    pub next: Option<String>,
}

/// The blobs of one tenant. Callers have checked names, pieces and grants; the suite in `tests/conformance`
/// says what each method must do. A component never sees what another has, nor what it puts.
///
/// What an object store calls a multipart upload is `begin`, `append`, `finish` and `abandon`.
pub trait Backend: Send + Sync + 'static {
    /// Begins to put a blob; answers an id for what follows.
    fn begin<'a>(
        &'a self,
        component: &'a Arc<str>,
        name: String,
        content_type: String,
    ) -> Boxed<'a, String>;

    /// Adds a piece; answers how many bytes there are now. What goes beyond what component or tenant may keep
    /// is refused, and what there was stays.
    fn append<'a>(&'a self, component: &'a Arc<str>, id: String, piece: Vec<u8>) -> Boxed<'a, u64>;

    /// The content is whole. Answered means durable, and that it has its name, as for every change; what had
    /// that name before is gone.
    fn finish<'a>(&'a self, component: &'a Arc<str>, id: String) -> Boxed<'a, Blob>;

    /// Forgets what was begun, if it is there.
    fn abandon<'a>(&'a self, component: &'a Arc<str>, id: String) -> Boxed<'a, ()>;

    /// What is known of a blob.
    fn head<'a>(&'a self, component: &'a Arc<str>, name: String) -> Boxed<'a, Option<Blob>>;

    /// Up to `length` bytes from `offset`, fewer only at the end; of that content and no other, if one is
    /// said.
    fn read<'a>(
        &'a self,
        component: &'a Arc<str>,
        name: String,
        offset: u64,
        length: u32,
        sha256: Option<String>,
    ) -> Boxed<'a, Vec<u8>>;

    /// The first `limit` whose names begin with `prefix` and come after `after`, by the bytes of their names.
    fn list<'a>(
        &'a self,
        component: &'a Arc<str>,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Boxed<'a, Page>;

    /// Deletes a blob; says whether it was there.
    fn delete<'a>(&'a self, component: &'a Arc<str>, name: String) -> Boxed<'a, bool>;

    /// Deletes all whose names begin with `prefix`; answers how many.
    fn delete_all<'a>(&'a self, component: &'a Arc<str>, prefix: String) -> Boxed<'a, u64>;

    /// Forgets what was begun and has been left alone for [`PATIENCE`](crate::limits::PATIENCE) as of `now`;
    /// answers how many.
    fn sweep_at(&self, now: Timestamp) -> Boxed<'_, u64>;
}
