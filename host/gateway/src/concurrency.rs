//! How many requests one user, or one anonymous address, may have under way. Who has more waits: only
//! for answers of their own, and in nobody else's way.

use crate::error::Refusal;
use crate::rate::Payer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest wait for an answer of one's own to end.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

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
    places: HashMap<Payer, Arc<Semaphore>>,
    /// As many as there may be before the next look for those that are forgotten.
    room: usize,
}

/// A request under way, until it is dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

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

    /// A place for one more request, when there is one.
    pub(crate) async fn enter(&self, payer: Payer) -> Result<Permit, Refusal> {
        let places = self.places_of(payer);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Ok(place);
        }
        let waiting = tokio::time::timeout(LONGEST_WAIT, places.acquire_owned());
        match Box::pin(waiting).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Refusal::rate_limited(LONGEST_WAIT)),
        }
    }

    /// A place for one more, if there is one now.
    pub(crate) fn try_enter(&self, payer: Payer) -> Option<Permit> {
        self.places_of(payer).try_acquire_owned().ok()
    }

    fn places_of(&self, payer: Payer) -> Arc<Semaphore> {
        let mut payers = self.payers.lock().unwrap_or_else(PoisonError::into_inner);
        let Payers { places, room } = &mut *payers;
        if places.len() >= *room {
            // Each place that is taken or waited for holds on to its payer.
            places.retain(|_, places| Arc::strong_count(places) > 1);
            *room = REMEMBERED.max(2 * places.len());
        }
        let new = || Arc::new(Semaphore::new(self.most));
        Arc::clone(places.entry(payer).or_insert_with(new))
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
        let under_way = Concurrency::new(2);
        let first = under_way.enter(payer(1)).await.unwrap();
        let _second = under_way.enter(payer(1)).await.unwrap();
        assert!(under_way.enter(payer(1)).now_or_never().is_none());
        assert!(under_way.enter(payer(2)).now_or_never().is_some());
        drop(first);
        assert!(under_way.enter(payer(1)).await.is_ok());
    }

    #[tokio::test]
    async fn who_has_nothing_under_way_is_forgotten() {
        let under_way = Concurrency::new(1);
        let kept = under_way.enter(payer(0)).await.unwrap();
        for number in 1..20_000 {
            drop(under_way.enter(payer(number)).await.unwrap());
        }
        assert!(under_way.payers.lock().unwrap().places.len() <= REMEMBERED);
        assert!(under_way.enter(payer(0)).now_or_never().is_none());
        drop(kept);
    }
}
