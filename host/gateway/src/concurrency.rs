//! How many requests one user, or one anonymous address, may have under way. Who has more waits: only
//! for answers of their own, and in nobody else's way. Answers that last, as streams of events, are
//! counted apart, or who has some open would wait for what does not end.

use crate::error::Refusal;
use crate::rate::Payer;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest wait for an answer of one's own to end.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An answer lasts that has flowed for so long, if there is somebody who waits for its place.
const LASTS: Duration = Duration::from_secs(1);

/// Payers that are remembered before those who have nothing under way are forgotten.
const REMEMBERED: usize = 1024;

/// The requests under way, by who pays for them.
#[derive(Debug)]
pub(crate) struct Concurrency {
    most: usize,
    payers: Mutex<Payers>,
}

#[derive(Debug)]
struct Payers {
    places: HashMap<Payer, Arc<Places>>,
    /// As many as there may be before the next look for those that are forgotten.
    room: usize,
}

/// What one payer has.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    /// The requests whose answers flow, and since when.
    flowing: Mutex<Vec<(Instant, Weak<Place>)>>,
}

/// A place that is taken, until it is dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    payer: Payer,
    places: Arc<Places>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    permit: Permit,
    /// Whether it is of those that last.
    lasts: bool,
}

// === impl Concurrency ===

impl Concurrency {
    /// At most so many for each payer.
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most: usize::try_from(most)
                .unwrap_or(usize::MAX)
                .min(Semaphore::MAX_PERMITS),
            payers: Mutex::new(Payers {
                places: HashMap::new(),
                room: REMEMBERED,
            }),
        }
    }

    /// A place for one more request, when there is one. What turns out to last goes to `lasting`.
    pub(crate) async fn enter(&self, payer: Payer, lasting: &Self) -> Result<Arc<Place>, Refusal> {
        let places = self.places_of(&payer);
        let permit = match Arc::clone(&places.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => Box::pin(places.wait(lasting)).await?,
        };
        let held = Held {
            permit,
            lasts: false,
        };
        Ok(Arc::new(Place {
            payer,
            places,
            held: Mutex::new(held),
        }))
    }

    /// A place for one more, if there is one now.
    pub(crate) fn try_enter(&self, payer: &Payer) -> Option<Permit> {
        let free = Arc::clone(&self.places_of(payer).free);
        free.try_acquire_owned().ok()
    }

    /// How many one payer may have.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    fn places_of(&self, payer: &Payer) -> Arc<Places> {
        let mut payers = self.payers.lock().unwrap_or_else(PoisonError::into_inner);
        let Payers { places, room } = &mut *payers;
        if let Some(known) = places.get(payer) {
            return Arc::clone(known);
        }
        if places.len() >= *room {
            // Each place that is taken or waited for holds on to its payer.
            places.retain(|_, places| Arc::strong_count(&places.free) > 1);
            *room = REMEMBERED.max(2 * places.len());
        }
        let new = Arc::new(Places {
            free: Arc::new(Semaphore::new(self.most)),
            flowing: Mutex::default(),
        });
        places.insert(payer.clone(), Arc::clone(&new));
        new
    }
}

// === impl Places ===

impl Places {
    async fn wait(&self, lasting: &Concurrency) -> Result<Permit, Refusal> {
        let until = tokio::time::Instant::now() + LONGEST_WAIT;
        let mut turn = pin!(Arc::clone(&self.free).acquire_owned());
        while tokio::time::Instant::now() < until {
            self.let_go(lasting);
            match tokio::time::timeout(LASTS, turn.as_mut()).await {
                Ok(Ok(permit)) => return Ok(permit),
                Ok(Err(_)) => break,
                Err(_) => {}
            }
        }
        Err(Refusal::rate_limited(LONGEST_WAIT))
    }

    /// Counts what has lasted among what lasts.
    fn let_go(&self, lasting: &Concurrency) {
        let old = |(since, place): &(Instant, Weak<Place>)| {
            (since.elapsed() >= LASTS)
                .then(|| place.upgrade())
                .flatten()
        };
        // Not under the lock, which each of them takes when it is dropped.
        let old: Vec<_> = self.flowing().iter().filter_map(old).collect();
        for place in old {
            if place.lasts(lasting).is_err() {
                return;
            }
        }
    }

    fn flowing(&self) -> MutexGuard<'_, Vec<(Instant, Weak<Place>)>> {
        self.flowing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Place {
    /// Its answer flows from now on.
    pub(crate) fn flows(self: &Arc<Self>) {
        let flowing = (Instant::now(), Arc::downgrade(self));
        self.places.flowing().push(flowing);
    }

    /// Its answer lasts, and is counted apart from now on.
    pub(crate) fn lasts(&self, lasting: &Concurrency) -> Result<(), Refusal> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.lasts {
            let permit = lasting.try_enter(&self.payer);
            held.permit = permit.ok_or_else(|| Refusal::too_many_open(lasting.most()))?;
            held.lasts = true;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut flowing = self.places.flowing();
        flowing.retain(|(_, place)| place.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use futures::FutureExt as _;
    use std::net::{IpAddr, Ipv4Addr};

    fn payer(number: u32) -> Payer {
        let address = IpAddr::V4(Ipv4Addr::from_bits(number));
        Payer::address(&"t".into(), address).anywhere()
    }

    #[tokio::test]
    async fn who_has_too_many_waits_for_their_own() {
        let (under_way, lasting) = (Concurrency::new(2), Concurrency::new(1));
        let enter = |number| under_way.enter(payer(number), &lasting);
        let first = enter(1).await.unwrap();
        let _second = enter(1).await.unwrap();
        assert!(enter(1).now_or_never().is_none());
        assert!(enter(2).now_or_never().is_some());
        drop(first);
        assert!(enter(1).await.is_ok());
    }

    #[tokio::test]
    async fn nobody_waits_for_what_lasts() {
        let (under_way, lasting) = (Concurrency::new(1), Concurrency::new(2));
        let enter = || under_way.enter(payer(1), &lasting);
        // One says so, the other has been going on for a while when somebody waits.
        let said = enter().await.unwrap();
        said.lasts(&lasting).unwrap();
        let silent = enter().await.unwrap();
        silent.flows();
        let third = enter().await.unwrap();
        // There are as many as may be.
        assert!(third.lasts(&lasting).is_err());
        third.flows();
        assert!(enter().now_or_never().is_none());
        drop(said);
        third.lasts(&lasting).unwrap();
        drop((silent, third));
        assert_eq!(under_way.places_of(&payer(1)).flowing().len(), 0);
        assert!(lasting.try_enter(&payer(1)).is_some());
    }

    #[tokio::test]
    async fn who_has_nothing_under_way_is_forgotten() {
        let (under_way, lasting) = (Concurrency::new(1), Concurrency::new(1));
        let enter = |number| under_way.enter(payer(number), &lasting);
        let kept = enter(0).await.unwrap();
        for number in 1..20_000 {
            drop(enter(number).await.unwrap());
        }
        assert!(under_way.payers.lock().unwrap().places.len() <= REMEMBERED);
        assert!(enter(0).now_or_never().is_none());
        drop(kept);
    }
}
