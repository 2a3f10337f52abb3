//! What all searches of this host share: turns on its processors, and memory.

use crate::Error;
use crate::sqlite::Copies;
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

/// Searches of one tenant that may wait. More of them would only wait longer.
const WAITING: usize = 64;

/// Bounds on searches.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Searches that run at the same time. Default: as many as there are processors.
    pub concurrent: usize,
    /// Bytes of collections in memory, of all tenants together. Default 256 MiB.
    pub memory: usize,
}

/// Searches of all tenants. One is enough for a process: it bounds how many run at the same time, and what they hold in
/// memory.
#[derive(Debug)]
pub struct Searching {
    /// One for each search that runs.
    turns: Arc<Semaphore>,
    /// Turns that one tenant may have.
    share: usize,
    copies: Copies,
}

/// Searches of one tenant.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    turns: Arc<Semaphore>,
    own: Arc<Semaphore>,
    /// One for each caller that searches or waits.
    places: Arc<Semaphore>,
}

/// Somebody's turn, until it is dropped.
pub(crate) struct Turn {
    _held: [OwnedSemaphorePermit; 3],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrent: available_parallelism().map_or(1, Into::into),
            memory: 256 << 20,
        }
    }
}

// === impl Searching ===

impl Searching {
    /// With these bounds.
    pub fn new(settings: Settings) -> Self {
        let concurrent = settings.concurrent.clamp(1, 4096);
        Self {
            turns: Arc::new(Semaphore::new(concurrent)),
            share: concurrent.div_ceil(2),
            copies: Copies::new(settings.memory),
        }
    }

    pub(crate) fn copies(&self) -> &Copies {
        &self.copies
    }

    /// A tenant's share.
    pub(crate) fn share(&self) -> Share {
        Share {
            turns: Arc::clone(&self.turns),
            own: Arc::new(Semaphore::new(self.share)),
            places: Arc::new(Semaphore::new(self.share + WAITING)),
        }
    }
}

// === impl Share ===

impl Share {
    /// Does work when it is its turn. A caller that goes away gives back its place, but the turn belongs to the work
    /// until that ends.
    pub(crate) async fn work<R, F>(
        &self,
        work: impl FnOnce(Turn) -> F + Send + 'static,
    ) -> Result<R, Error>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Error>> + Send,
    {
        let place = Arc::clone(&self.places);
        let place = place.try_acquire_owned().map_err(|_| Error::Busy)?;
        let (own, turns) = (Arc::clone(&self.own), Arc::clone(&self.turns));
        // It waits in a task of its own: a turn that fell to a caller whom nobody polls, as its guest computes, would be
        // lost to all others meanwhile.
        let working = tokio::spawn(async move {
            let own = own.acquire_owned().await.map_err(|_| Error::Busy)?;
            let turn = turns.acquire_owned().await.map_err(|_| Error::Busy)?;
            work(Turn {
                _held: [place, own, turn],
            })
            .await
        });
        let worked = AbortOnDropHandle::new(working).await;
        worked.map_err(|error| Error::Unavailable(error.to_string()))?
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use tokio::sync::oneshot;

    /// Has its turn until it is told to end, or its sender is dropped.
    fn busy(share: &Share) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (begun, begins) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let share = share.clone();
        tokio::spawn(async move {
            let work = |turn: Turn| async move {
                let _ = begun.send(());
                let _ = ended.await;
                drop(turn);
                Ok(())
            };
            share.work(work).await
        });
        (begins, end)
    }

    async fn idle(share: &Share) -> Result<(), Error> {
        share.work(|_: Turn| async { Ok(()) }).await
    }

    fn searching(concurrent: usize) -> Searching {
        Searching::new(Settings {
            concurrent,
            memory: 0,
        })
    }

    #[tokio::test]
    async fn whoever_searches_much_leaves_turns_to_others() {
        let searching = searching(2);
        let (much, little) = (searching.share(), searching.share());
        let (begins, end) = busy(&much);
        begins.await.unwrap();
        let waiting: Vec<_> = (0..WAITING).map(|_| busy(&much)).collect();
        // So that all of them have asked.
        while much.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(idle(&little).await, Ok(()));
        assert_eq!(idle(&much).await, Err(Error::Busy));
        drop((waiting, end));
        // All of them come to their turn, and give it back.
        while much.places.available_permits() < WAITING + 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(idle(&much).await, Ok(()));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_gives_back_its_place() {
        let searching = searching(1);
        let share = searching.share();
        let (begins, _end) = busy(&share);
        begins.await.unwrap();
        let places = share.places.available_permits();
        let other = share.clone();
        let gone = tokio::spawn(async move { idle(&other).await });
        while share.places.available_permits() == places {
            tokio::task::yield_now().await;
        }
        gone.abort();
        while share.places.available_permits() < places {
            tokio::task::yield_now().await;
        }
    }
}
