//! Whether a connection has a request under way, and its client takes the answers, for the one timer
//! that watches over it. A timer a request, as hyper's own, costs about a microsecond each.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// The requests of one connection.
pub(crate) struct Activity {
    opened: Instant,
    under_way: AtomicUsize,
    /// Milliseconds after `opened`.
    idle_since: AtomicU64,
    /// The answers that flow.
    answers: Mutex<Vec<Arc<Offered>>>,
}

/// Since when a part of an answer lies ready for the client, in milliseconds after the connection was
/// opened; [`NOTHING`] while it is the component that is waited for.
struct Offered(AtomicU64);

const NOTHING: u64 = u64::MAX;

/// A request under way, until it is dropped.
pub(crate) struct Busy(Arc<Activity>);

/// A response body that keeps its request under way.
pub(crate) struct Answering<B> {
    body: B,
    offered: Arc<Offered>,
    busy: Busy,
}

// === impl Activity ===

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            under_way: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            answers: Mutex::default(),
        }
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// When the connection will have been idle for `idle`, or its client not have taken a part of an
    /// answer for `taking`, as far as can be said now; `None` if that is so already.
    pub(crate) fn over_at(&self, idle: Duration, taking: Duration) -> Option<Instant> {
        let now = Instant::now();
        if self.under_way.load(Ordering::Acquire) > 0 {
            let oldest = {
                let answers = self.answers();
                let offered = answers
                    .iter()
                    .map(|answer| answer.0.load(Ordering::Relaxed));
                offered.min().filter(|since| *since != NOTHING)
            };
            let Some(oldest) = oldest else {
                return Some(now + idle.min(taking));
            };
            let deadline = self.opened + Duration::from_millis(oldest) + taking;
            return (deadline > now).then(|| deadline.min(now + idle));
        }
        let since = Duration::from_millis(self.idle_since.load(Ordering::Relaxed));
        let deadline = self.opened + since + idle;
        (deadline > now).then_some(deadline)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Arc<Offered>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Release);
    }
}

// === impl Answering ===

impl<B> Answering<B> {
    pub(crate) fn new(body: B, busy: Busy) -> Self {
        let offered = Arc::new(Offered(AtomicU64::new(busy.0.now())));
        busy.0.answers().push(Arc::clone(&offered));
        Self {
            body,
            offered,
            busy,
        }
    }
}

impl<B> Drop for Answering<B> {
    fn drop(&mut self) {
        let mut answers = self.busy.0.answers();
        answers.retain(|answer| !Arc::ptr_eq(answer, &self.offered));
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answering<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let since = match polled {
            Poll::Pending => NOTHING,
            Poll::Ready(_) => self.busy.0.now(),
        };
        self.offered.0.store(since, Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
