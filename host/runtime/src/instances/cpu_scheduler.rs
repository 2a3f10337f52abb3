//! The scheduler of processor time among guests (round robin, with preemption): guests that have been at
//! work for long for one request take turns, so that whoever wants little never waits for those who
//! want much.
//!
//! There is one turn fewer than there are threads. A turn lasts for a tick, or until its guest waits
//! for something.

use crate::engine::{Clock, TICK};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{CallHook, Store, UpdateDeadline};

/// A guest that has been at work for so many ticks for a request wants much.
const LONG: u32 = 4;

/// The turns of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CpuScheduler {
    clock: Clock,
    free: Arc<Semaphore>,
    /// Those of a tenant: its guests wait for each other first, so that a tenant with many guests at work
    /// is in the way of the others no more often than one with few.
    own: Arc<Semaphore>,
    threads: usize,
}

/// A turn: one of the tenant's, and of all.
type Turn = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// What an instance does until it waits for something: one poll of its task.
#[derive(Debug, Default)]
pub(crate) struct Stint {
    number: AtomicU64,
    turn: Mutex<Option<Turn>>,
}

/// What a guest has done: part of its store's data.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Ticks that ended while it computed for the running requests.
    computed: u32,
    /// The same with those that ended while the host worked for it.
    used: u32,
    /// The stint in which it last came in.
    stint: u64,
    /// Whether a tick has ended since then.
    is_on: bool,
    /// The stint and the tick in which it last went out to the host.
    left: (u64, u64),
    /// Whether a tick ended while the host worked for it.
    was_served: bool,
}

/// A store's data that knows what its guest has done.
pub(crate) trait Computes: Send + 'static {
    fn work(&mut self) -> &mut Work;
}

/// What becomes of a guest whose tick has ended.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    LetOthersRun,
    QueueForTurn,
    Stop,
}

/// Lets a guest compute for at most `budget` a request, and others run at every tick.
///
/// Every stint has its own deadline, the end of the tick in which it begins. So a guest is charged a
/// tick for each that ended while it was at work: on average just as long as it was, and nothing for
/// its waiting.
pub(crate) fn bound_computing<T: Computes>(
    store: &mut Store<T>,
    turns: &CpuScheduler,
    stint: &Arc<Stint>,
    budget: Duration,
    over: impl Fn() -> wasmtime::Error + Send + Sync + 'static,
) {
    let (clock, current) = (turns.clock.clone(), Arc::clone(stint));
    store.call_hook(move |mut store, hook| {
        let (stint, now) = (current.number(), clock.ticks());
        let work = store.data_mut().work();
        match hook {
            CallHook::CallingHost | CallHook::ReturningFromWasm => work.left = (stint, now),
            CallHook::CallingWasm | CallHook::ReturningFromHost => {
                clock.keep_going();
                if work.enter(stint, now) {
                    store.set_epoch_deadline(1);
                }
            }
        }
        Ok(())
    });
    let most = budget.as_millis() / TICK.as_millis();
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let (turns, stint) = (turns.clone(), Arc::clone(stint));
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        turns.clock.keep_going();
        match store.data_mut().work().stop(most) {
            Next::GoOn => Ok(UpdateDeadline::Continue(1)),
            Next::LetOthersRun => {
                let others = Box::pin(tokio::task::yield_now());
                Ok(UpdateDeadline::YieldCustom(1, others))
            }
            Next::QueueForTurn => {
                let turn = Arc::clone(&stint).next_turn(turns.clone());
                Ok(UpdateDeadline::YieldCustom(1, Box::pin(turn)))
            }
            Next::Stop => {
                stint.end_turn();
                Err(over())
            }
        }
    });
}

// === impl CpuScheduler ===

impl CpuScheduler {
    /// CpuScheduler for so many threads.
    pub(crate) fn new(clock: Clock, threads: usize) -> Self {
        let turns = |turns: usize| Arc::new(Semaphore::new(turns.max(1)));
        Self {
            clock,
            free: turns(threads.saturating_sub(1)),
            own: turns(threads.saturating_sub(2)),
            threads,
        }
    }

    /// The same turns for another tenant, which leaves one of them to others, if there are two.
    pub(crate) fn of_tenant(&self) -> Self {
        Self {
            free: Arc::clone(&self.free),
            ..Self::new(self.clock.clone(), self.threads)
        }
    }
}

// === impl Stint ===

impl Stint {
    fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    /// The instance waits: its stint is over, and its turn with it.
    pub(crate) fn end(&self) {
        self.number.fetch_add(1, Ordering::Relaxed);
        self.end_turn();
    }

    /// Polls something in which the guest runs; whenever it waits, a stint ends.
    pub(crate) async fn around<T>(&self, running: impl Future<Output = T>) -> T {
        let mut running = std::pin::pin!(running);
        std::future::poll_fn(|cx| {
            let polled = running.as_mut().poll(cx);
            if polled.is_pending() {
                self.end();
            }
            polled
        })
        .await
    }

    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was one.
    fn end_turn(&self) -> bool {
        self.turn().take().is_some()
    }

    async fn next_turn(self: Arc<Self>, turns: CpuScheduler) {
        if self.end_turn() {
            tokio::task::yield_now().await;
        }
        // The semaphores are never closed.
        if let Ok(own) = turns.own.acquire_owned().await
            && let Ok(free) = turns.free.acquire_owned().await
        {
            *self.turn() = Some((own, free));
        }
        // Not every poll of an instance ends with a look at its stint, but the one after it does.
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(())
        })
        .await;
    }
}

// === impl Work ===

impl Work {
    /// A request begins.
    pub(crate) fn begin(&mut self) {
        self.computed = 0;
        self.used = 0;
    }

    /// Whether a stint begins with it.
    fn enter(&mut self, stint: u64, now: u64) -> bool {
        let (left_in, left_at) = self.left;
        self.was_served |= left_in == stint && left_at != now;
        let begins = std::mem::replace(&mut self.stint, stint) != stint;
        if begins {
            self.is_on = false;
        }
        begins
    }

    /// A tick has ended.
    fn stop(&mut self, most: u32) -> Next {
        self.used += 1;
        self.computed += u32::from(!std::mem::take(&mut self.was_served));
        let is_on = std::mem::replace(&mut self.is_on, true);
        if self.computed > most {
            Next::Stop
        } else if self.used >= LONG {
            Next::QueueForTurn
        } else if is_on {
            Next::LetOthersRun
        } else {
            // The first tick of a stint may have been nearly over as it began.
            Next::GoOn
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn computing_is_charged_and_waiting_is_not() {
        let mut work = Work::default();
        assert!(work.enter(1, 0));
        assert_eq!(work.stop(2), Next::GoOn);
        // The host worked through a tick for it.
        work.left = (1, 1);
        assert!(!work.enter(1, 2));
        assert_eq!(work.stop(2), Next::LetOthersRun);
        assert_eq!((work.computed, work.used), (1, 2));
        // It waited, as another stint shows.
        work.left = (1, 2);
        assert!(work.enter(2, 9));
        assert_eq!(work.stop(2), Next::GoOn);
        assert_eq!((work.computed, work.used), (2, 3));
        assert_eq!(work.stop(2), Next::Stop);
        work.begin();
        for _ in 1..LONG {
            assert_eq!(work.stop(99), Next::LetOthersRun);
        }
        assert_eq!(work.stop(99), Next::QueueForTurn);
    }

    #[tokio::test]
    async fn there_is_one_turn_fewer_than_threads() {
        let turns = CpuScheduler::new(Clock::default(), 2);
        let (one, other) = (Arc::new(Stint::default()), Arc::new(Stint::default()));
        let next = |stint: &Arc<Stint>| Arc::clone(stint).next_turn(turns.clone());
        next(&one).await;
        let mut waiting = std::pin::pin!(next(&other));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        // A stint ends, and with it the turn.
        one.end();
        waiting.await;
        assert!(other.end_turn());
    }

    #[tokio::test]
    async fn a_tenant_with_many_guests_at_work_waits_for_itself() {
        let many = CpuScheduler::new(Clock::default(), 2);
        let few = many.of_tenant();
        let stints: [_; 4] = std::array::from_fn(|_| Arc::new(Stint::default()));
        let [one, second, third, other] = &stints;
        let next =
            |stint: &Arc<Stint>, turns: &CpuScheduler| Arc::clone(stint).next_turn(turns.clone());
        next(one, &many).await;
        let mut second = std::pin::pin!(next(second, &many));
        let mut third = std::pin::pin!(next(third, &many));
        let mut few = std::pin::pin!(next(other, &few));
        assert!(futures::poll!(second.as_mut()).is_pending());
        assert!(futures::poll!(third.as_mut()).is_pending());
        assert!(futures::poll!(few.as_mut()).is_pending());
        // Of those who wait for the one turn, only one is of the tenant with many.
        one.end();
        assert!(futures::poll!(second.as_mut()).is_pending());
        few.await;
        other.end();
        second.await;
        assert!(futures::poll!(third.as_mut()).is_pending());
    }
}
