//! The queues of the whole host: how many tasks of each run at once, over all tenants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Where tasks go whose queue nobody has heard of.
const DEFAULT: &str = "default";

/// Most tasks of a queue at once.
const MOST: usize = 10_000;

/// Queues, each with how many of its tasks run at once: `default=16, ai=2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queues(BTreeMap<String, usize>);

/// Places in the queues. Who waits for one gets it in the order in which they came.
pub(crate) struct Places {
    places: BTreeMap<String, Arc<Semaphore>>,
    /// Queues that are not there and were told of.
    unknown: Mutex<BTreeSet<String>>,
}

// === impl Queues ===

impl Default for Queues {
    /// The four that there are if nobody says otherwise.
    fn default() -> Self {
        let queues = [(DEFAULT, 16), ("ai", 2), ("voice", 2), ("workflow", 8)];
        Self(queues.map(|(name, most)| (name.to_owned(), most)).into())
    }
}

impl FromStr for Queues {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut queues = BTreeMap::new();
        let parts = text.split(',').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            let wrong = || {
                format!("`{part}` is no queue; write `NAME=NUMBER`, with a number from 1 to {MOST}")
            };
            let (name, most) = part.split_once('=').ok_or_else(wrong)?;
            let most = most.trim().parse().ok();
            let most = most.filter(|most| (1..=MOST).contains(most));
            let (name, most) = (name.trim().to_owned(), most.ok_or_else(wrong)?);
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || !name.chars().all(is_word) {
                return Err(wrong());
            }
            if queues.insert(name.clone(), most).is_some() {
                return Err(format!("the queue `{name}` stands there twice; remove one"));
            }
        }
        if !queues.contains_key(DEFAULT) {
            return Err(format!(
                "the queue `{DEFAULT}` is missing, where tasks go that name no other; add `{DEFAULT}=16`"
            ));
        }
        Ok(Self(queues))
    }
}

impl fmt::Display for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queues = self.0.iter().map(|(name, most)| format!("{name}={most}"));
        f.write_str(&queues.collect::<Vec<_>>().join(", "))
    }
}

// === impl Places ===

impl Places {
    pub(crate) fn new(queues: &Queues) -> Self {
        let places = queues.0.iter();
        let places = places.map(|(name, most)| (name.clone(), Arc::new(Semaphore::new(*most))));
        Self {
            places: places.collect(),
            unknown: Mutex::default(),
        }
    }

    /// The places of a queue; those of `default` where it is not there.
    pub(crate) fn of(&self, queue: &str) -> Arc<Semaphore> {
        if let Some(places) = self.places.get(queue) {
            return Arc::clone(places);
        }
        let unknown = self.unknown.lock();
        let mut unknown = unknown.unwrap_or_else(PoisonError::into_inner);
        if unknown.insert(queue.to_owned()) {
            tracing::warn!(
                queue,
                "there is no such queue, and its tasks share the places of `{DEFAULT}`; add it to the setting `queues`"
            );
        }
        // It is always there.
        let default = self.places.get(DEFAULT).map(Arc::clone);
        default.unwrap_or_else(|| Arc::new(Semaphore::new(1)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn queues_are_read_as_they_are_written() {
        let text = "ai=2, default=16, voice=2, workflow=8";
        let queues: Queues = text.parse().unwrap();
        assert_eq!(queues, Queues::default());
        assert_eq!(queues.to_string(), text);
        for (wrong, fix) in [
            ("ai=2", "`default`"),
            ("default=0", "from 1"),
            ("default", "NAME=NUMBER"),
            ("default=1, Ai=2", "NAME=NUMBER"),
            ("default=1, default=2", "twice"),
        ] {
            let error = wrong.parse::<Queues>().unwrap_err();
            assert!(error.contains(fix), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_queue_that_is_not_there_shares_the_places_of_the_default() {
        let places = Places::new(&Queues::default());
        assert!(Arc::ptr_eq(&places.of("render"), &places.of("default")));
        assert!(!Arc::ptr_eq(&places.of("ai"), &places.of("default")));
    }
}
