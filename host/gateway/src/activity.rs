//! What a connection has under way: for the one timer that watches over whether its client takes the
//! answers, and for a stop, which ends those that do not end by themselves. A timer a request, as
//! hyper's own, costs about a microsecond each.

use crate::stream_kind::Kind;
use bytes::Bytes;
use futures::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// What clients of event streams read as nothing.
const LAST_COMMENT: &[u8] = b": the server stops\n\n";

/// Answers go on as they will.
const GOING: u8 = 0;
/// The server stops: event streams end.
const STOPPING: u8 = 1;
/// It has waited: what is open is cut.
const CUTTING: u8 = 2;

/// The requests of one connection.
pub(crate) struct Activity {
    opened: Instant,
    begun: AtomicU64,
    under_way: AtomicUsize,
    /// Milliseconds after `opened`.
    idle_since: AtomicU64,
    /// The answers that flow.
    answers: Mutex<Vec<Arc<Offered>>>,
    phase: AtomicU8,
    speaks_http: AtomicBool,
}

struct Offered {
    /// Since when a part of the answer lies ready for the client, in milliseconds after the connection
    /// was opened; [`NOTHING`] while it is the component that is waited for.
    since: AtomicU64,
    /// Looks at the answer again, when the server stops.
    waker: AtomicWaker,
}

const NOTHING: u64 = u64::MAX;

/// A request under way, until it is dropped.
pub(crate) struct Busy(Arc<Activity>);

/// A response body that keeps its request under way.
pub(crate) struct Answering<B> {
    body: B,
    kind: Kind,
    /// The last bytes of an event stream.
    tail: Tail,
    ended: bool,
    offered: Arc<Offered>,
    busy: Busy,
}

/// Why an answer ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut<E> {
    /// It broke off.
    #[error(transparent)]
    Broken(E),
    /// It would have gone on.
    #[error("the server stops")]
    Stopping,
}

/// The last bytes that were sent.
#[derive(Default)]
struct Tail([u8; 4]);

// === impl Activity ===

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            begun: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            answers: Mutex::default(),
            phase: AtomicU8::new(GOING),
            speaks_http: AtomicBool::new(true),
        }
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// How many have begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Until an upgrade.
    pub(crate) fn speaks_http(&self) -> bool {
        self.speaks_http.load(Ordering::Relaxed)
    }

    /// Is none under way?
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    /// The server stops: event streams say so and end.
    pub(crate) fn stop(&self) {
        self.enter(STOPPING);
    }

    /// It has waited long enough for answers whose end nobody knows.
    pub(crate) fn cut(&self) {
        self.enter(CUTTING);
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::SeqCst);
        for answer in self.answers().iter() {
            answer.waker.wake();
        }
    }

    /// When the connection will have been idle for `idle`, or its client not have taken a part of an
    /// answer for `taking`, as far as can be said now; `None` if that is so already.
    pub(crate) fn over_at(&self, idle: Duration, taking: Duration) -> Option<Instant> {
        let now = Instant::now();
        if !self.is_idle() {
            let oldest = {
                let answers = self.answers();
                let offered = answers
                    .iter()
                    .map(|answer| answer.since.load(Ordering::Relaxed));
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

// === impl Busy ===

impl Busy {
    /// The answer is one to an upgrade: what is spoken then is not ours.
    pub(crate) fn leaves_http(&self) {
        self.0.speaks_http.store(false, Ordering::Relaxed);
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
    pub(crate) fn new(body: B, kind: Kind, busy: Busy) -> Self {
        let offered = Arc::new(Offered {
            since: AtomicU64::new(busy.0.now()),
            waker: AtomicWaker::new(),
        });
        busy.0.answers().push(Arc::clone(&offered));
        Self {
            body,
            kind,
            tail: Tail::default(),
            ended: false,
            offered,
            busy,
        }
    }

    /// An event that has begun and does not end is as good as none.
    fn last_comment<E>(&mut self) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        self.ended = true;
        let last = Frame::data(Bytes::from_static(LAST_COMMENT));
        Poll::Ready(self.tail.is_between_events().then_some(Ok(last)))
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
    type Error = Cut<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.kind != Kind::Measured {
            // Before anything is looked at, so that no stop is missed.
            self.offered.waker.register(cx.waker());
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let since = match polled {
            Poll::Pending => NOTHING,
            Poll::Ready(_) => self.busy.0.now(),
        };
        self.offered.since.store(since, Ordering::Relaxed);
        let phase = self.busy.0.phase.load(Ordering::SeqCst);
        let goes_on = !matches!(polled, Poll::Ready(None | Some(Err(_))));
        match self.kind {
            // Whoever makes the events may have a last one of its own.
            Kind::Events if phase == CUTTING && goes_on => return self.last_comment(),
            Kind::Events if phase == STOPPING && polled.is_pending() => {
                return self.last_comment();
            }
            Kind::Open if phase == CUTTING && goes_on => {
                self.ended = true;
                return Poll::Ready(Some(Err(Cut::Stopping)));
            }
            _ => {}
        }
        if let (Kind::Events, Poll::Ready(Some(Ok(frame)))) = (self.kind, &polled) {
            self.tail.follow(frame.data_ref().map_or(&[], |data| data));
        }
        polled.map_err(Cut::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Tail ===

impl Tail {
    fn follow(&mut self, bytes: &[u8]) {
        let last = bytes.len().saturating_sub(self.0.len());
        for byte in bytes.get(last..).unwrap_or_default() {
            self.0.rotate_left(1);
            self.0[3] = *byte;
        }
    }

    /// Whether an event has just ended, or none has begun.
    fn is_between_events(&self) -> bool {
        let ends = [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"];
        self.0 == [0; 4] || ends.iter().any(|end| self.0.ends_with(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_an_empty_line() {
        let between = |parts: &[&str]| {
            let mut tail = Tail::default();
            for part in parts {
                tail.follow(part.as_bytes());
            }
            tail.is_between_events()
        };
        assert!(between(&[]));
        assert!(between(&["data: a\n\n"]));
        assert!(between(&["data: a\r", "\n\r", "\n"]));
        assert!(between(&["data: a\r\r"]));
        assert!(between(&["data: a\n", "\n"]));
        assert!(!between(&["data: a\n\n", "d"]));
        assert!(!between(&["data: a\n"]));
        assert!(!between(&["data: a\r\n"]));
    }
}
