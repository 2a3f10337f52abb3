//! Work that takes a thread, so much of it at a time, in the order in which it was asked for.
//!
//! Guests are polled when they like. A turn must not fall to one that is not polled, because it computes or waits
//! for another turn of the same: it would be lost to all others. So nobody here holds a turn while they wait.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
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

    /// The same on a thread of its own, which gives way to all others of this machine: for what computes so long that
    /// whoever asks for something else would feel it.
    ///
    /// # Errors
    /// [`BrokenOff`], also when the machine has no more threads.
    pub async fn work_behind<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, BrokenOff> {
        self.wait(|turn| async {
            let (done, result) = oneshot::channel();
            let thread = std::thread::Builder::new().name("sbd-behind".to_owned());
            let begun = thread.spawn(move || {
                give_way();
                let _turn = turn;
                // Whoever asked may be gone.
                let _ = done.send(work());
            });
            begun.map_err(|_| BrokenOff)?;
            result.await.map_err(|_| BrokenOff)
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
    async fn wait<R, E, W>(
        &self,
        begin: impl FnOnce(OwnedSemaphorePermit) -> W + Send + 'static,
    ) -> Result<R, BrokenOff>
    where
        R: Send + 'static,
        W: Future<Output = Result<R, E>> + Send,
    {
        let turns = Arc::clone(&self.turns);
        let waiting = tokio::spawn(async move {
            let turn = turns.acquire_owned().await.map_err(|_| BrokenOff)?;
            begin(turn).await.map_err(|_| BrokenOff)
        });
        let done = AbortOnDropHandle::new(waiting).await;
        done.map_err(|_| BrokenOff)?
    }
}

/// So much less does this thread get than others that want to run, from here on. A nice value of 10 is a tenth of the
/// usual share: logins are late beside a load that takes all processors, and still come to their end.
#[cfg(target_os = "linux")]
fn give_way() {
    // Of this thread alone, on Linux; without it the work is done all the same.
    let _ = rustix::process::nice(10);
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

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

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_done_behind_gives_way_and_nothing_else_does() {
        let turns = Turns::new(1);
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let usual = nice();
        assert_eq!(turns.work_behind(nice).await, Ok((usual + 10).min(19)));
        assert_eq!(turns.work(nice).await, Ok(usual));
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back() {
        let turns = Turns::new(1);
        assert_eq!(
            turns.work(|| panic!("on purpose")).await,
            Err::<(), _>(BrokenOff)
        );
        assert_eq!(
            turns.work_behind(|| panic!("on purpose")).await,
            Err::<(), _>(BrokenOff)
        );
        assert_eq!(turns.work(|| 1).await, Ok(1));
    }
}
