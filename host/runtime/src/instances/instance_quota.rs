//! The quota of instances, in slots: a component has so many over all its tenants, the process so many over all
//! components. Where none is left for a tenant that has none, an instance without work ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Of all quota, one in so many is kept for tenants that have none yet: one tenant's slow requests
/// must not keep all others out.
const KEPT: usize = 8;

/// The slots of one component.
#[derive(Debug)]
pub(crate) struct InstanceQuota {
    most: usize,
    taken: AtomicUsize,
    room: Arc<Notify>,
}

/// By which an instance without work hears that its slot is needed.
pub(crate) struct Calls([Call; 2]);

struct Call {
    room: Arc<Notify>,
    heard: Option<Pin<Box<OwnedNotified>>>,
}

// === impl InstanceQuota ===

impl InstanceQuota {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            taken: AtomicUsize::new(0),
            room: Arc::default(),
        }
    }

    /// Whether there was a slot for one more instance of a tenant that has so many.
    pub(crate) fn take(&self, own: usize) -> bool {
        let kept = if own == 0 { 0 } else { self.most / KEPT };
        let one_more = |taken: usize| (taken + kept < self.most).then_some(taken + 1);
        let taken = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok();
        // Who has instances waits for these: one that ends each time somebody waits is never reused.
        if !taken && own == 0 {
            self.room.notify_one();
        }
        taken
    }

    pub(crate) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// The calls that an instance of this component hears; `process` is where the process calls.
    pub(crate) fn calls(&self, process: &Arc<Notify>) -> Calls {
        Calls([&self.room, process].map(|room| Call {
            room: Arc::clone(room),
            heard: None,
        }))
    }
}

// === impl Calls ===

impl Calls {
    /// Resolves when the slot is needed. The instance that has been waiting for work longest is
    /// called first.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for Call { room, heard } in &mut self.0 {
            let heard = heard.get_or_insert_with(|| Box::pin(Arc::clone(room).notified_owned()));
            if heard.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// The instance has work: a call is for another one.
    pub(crate) fn pass_on(&mut self) {
        for call in &mut self.0 {
            call.heard = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use futures::FutureExt as _;

    async fn is_called(calls: &mut Calls) -> bool {
        std::future::poll_fn(|cx| calls.poll(cx))
            .now_or_never()
            .is_some()
    }

    #[test]
    fn some_places_are_kept_for_who_has_none() {
        let quota = InstanceQuota::new(16);
        let taken = (0..20).filter(|own| quota.take(*own)).count();
        assert_eq!((taken, quota.taken()), (14, 14));
        assert!(quota.take(0) && quota.take(0) && !quota.take(0));
        quota.give_back();
        assert!(!quota.take(1) && quota.take(0));
        let few = InstanceQuota::new(2);
        assert!(few.take(0) && few.take(1) && !few.take(0));
    }

    #[tokio::test]
    async fn the_one_that_has_waited_longest_is_called_by_who_has_none() {
        let (quota, process) = (InstanceQuota::new(2), Arc::default());
        let [mut first, mut busy, mut last] = [(); 3].map(|()| quota.calls(&process));
        for calls in [&mut first, &mut busy, &mut last] {
            assert!(!is_called(calls).await);
        }
        assert!(quota.take(0) && quota.take(1));
        // Who has one waits for that.
        assert!(!quota.take(1));
        assert!(!is_called(&mut first).await);
        assert!(!quota.take(0));
        assert!(!is_called(&mut last).await);
        assert!(is_called(&mut first).await);
        // A call that reaches an instance which has work again goes on.
        assert!(!quota.take(0));
        busy.pass_on();
        assert!(is_called(&mut last).await);
        drop((first, busy, last));
        process.notify_one();
        assert!(is_called(&mut quota.calls(&process)).await);
    }
}
