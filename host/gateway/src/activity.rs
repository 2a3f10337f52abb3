//! Whether a connection has a request under way, for the one timer that watches over it. A timer
//! a request, as hyper's own, costs about a microsecond each.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// The requests of one connection.
pub(crate) struct Activity {
    opened: Instant,
    under_way: AtomicUsize,
    /// Milliseconds after `opened`.
    idle_since: AtomicU64,
}

/// A request under way, until it is dropped.
pub(crate) struct Busy(Arc<Activity>);

/// A response body that keeps its request under way.
pub(crate) struct Answering<B> {
    body: B,
    _busy: Busy,
}

// === impl Activity ===

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            under_way: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
        }
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// When the connection will have been idle for `patience`, as far as can be said now; `None`
    /// if it already has.
    pub(crate) fn idle_at(&self, patience: Duration) -> Option<Instant> {
        let now = Instant::now();
        if self.under_way.load(Ordering::Acquire) > 0 {
            return Some(now + patience);
        }
        let since = Duration::from_millis(self.idle_since.load(Ordering::Relaxed));
        let deadline = self.opened + since + patience;
        (deadline > now).then_some(deadline)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since.store(now, Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Release);
    }
}

// === impl Answering ===

impl<B> Answering<B> {
    pub(crate) fn new(body: B, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answering<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
