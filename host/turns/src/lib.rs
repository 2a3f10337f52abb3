//! Work that takes a thread, so much of it at a time, in the order in which it was asked for.
//!
//! Guests are polled when they like. A turn must not fall to one that is not polled, because it computes or waits
//! for another turn of the same: it would be lost to all others. So nobody here holds a turn while they wait.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

/// So many at a time. Clones share them.
#[derive(Clone, Debug)]
pub struct Turns {
    turns: Arc<Semaphore>,
}

/// A turn that was free; whoever drops it gives it to the next.
#[derive(Debug)]
#[must_use = "it is given back when it is dropped"]
pub struct Turn {
    _turn: OwnedSemaphorePermit,
}

/// The work was not done, or not to its end: the process is about to end, or the work has panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work was broken off")]
pub struct BrokenOff;

// === impl Turns ===

impl Turns {
    /// `at_once` of them, one at least.
    pub fn new(at_once: usize) -> Self {
        let turns = Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            turns: Arc::new(turns),
        }
    }

    /// A turn, if one is free now, for work on this very thread.
    pub fn try_take(&self) -> Option<Turn> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().ok()?;
        Some(Turn { _turn: turn })
    }

    /// Does the work on a thread that may block, when it is its turn. Whoever goes before that has nothing done;
    /// what has begun goes on, and keeps its turn to its end.
    ///
    /// # Errors
    /// [`BrokenOff`].
    pub async fn work<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, BrokenOff> {
        self.wait(|turn| {
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                work()
            })
        })
        .await
    }

    /// The same for work that waits rather than blocks.
    ///
    /// # Errors
    /// [`BrokenOff`].
    pub async fn wait_for<R: Send + 'static>(
        &self,
        work: impl Future<Output = R> + Send + 'static,
    ) -> Result<R, BrokenOff> {
        self.wait(|turn| {
            tokio::spawn(async move {
                let _turn = turn;
                work.await
            })
        })
        .await
    }

    /// Waits in a task of its own, which is polled whoever else is not.
    async fn wait<R: Send + 'static>(
        &self,
        begin: impl FnOnce(OwnedSemaphorePermit) -> tokio::task::JoinHandle<R> + Send + 'static,
    ) -> Result<R, BrokenOff> {
        let turns = Arc::clone(&self.turns);
        let waiting = tokio::spawn(async move {
            let turn = turns.acquire_owned().await.map_err(|_| BrokenOff)?;
            begin(turn).await.map_err(|_| BrokenOff)
        });
        let done = AbortOnDropHandle::new(waiting).await;
        done.map_err(|_| BrokenOff)?
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )]

    use super::{BrokenOff, Turns};
    use futures::FutureExt as _;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_turn_that_nobody_polls_is_in_nobodys_way() {
        let turns = Turns::new(1);
        let (go, waits) = mpsc::channel::<()>();
        let mut first = Box::pin(turns.work(move || waits.recv().is_ok()));
        assert!(first.as_mut().now_or_never().is_none());
        while turns.try_take().is_some() {
            tokio::task::yield_now().await;
        }
        let mut second = Box::pin(turns.work(|| ()));
        assert!(second.as_mut().now_or_never().is_none());
        go.send(()).unwrap();
        assert!(first.await.unwrap());
        // It is the second one's turn, who is not polled.
        turns.wait_for(async {}).await.unwrap();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn whoever_goes_before_their_turn_has_nothing_done() {
        let turns = Turns::new(1);
        let turn = turns.try_take().unwrap();
        let mut gone = Box::pin(turns.work(|| panic!("it was done")));
        assert!(gone.as_mut().now_or_never().is_none());
        drop(gone);
        drop(turn);
        assert_eq!(turns.work(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back() {
        let turns = Turns::new(1);
        assert_eq!(
            turns.work(|| panic!("on purpose")).await,
            Err::<(), _>(BrokenOff)
        );
        assert_eq!(turns.work(|| 1).await, Ok(1));
    }
}
