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
