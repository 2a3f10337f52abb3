//! The copies of collections in memory, of all tenants: those that were searched last, within a bound.

use super::copy::Copy;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A collection: the number of its database, and its own in there.
pub(super) type Key = (u64, i64);

/// The copies that there are.
#[derive(Debug)]
pub(crate) struct Copies {
    most_bytes: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    copies: HashMap<Key, Entry>,
    /// Collections that are too large for any copy, with the points that they had.
    too_large: HashMap<Key, u64>,
    bytes: usize,
    uses: u64,
    databases: u64,
}

#[derive(Debug, Default)]
struct Entry {
    copy: Arc<RwLock<Copy>>,
    bytes: usize,
    used: u64,
}

// === impl Copies ===

impl Copies {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            held: Mutex::default(),
        }
    }

    pub(super) fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    /// A number for one more database.
    pub(super) fn database(&self) -> u64 {
        self.with(|held| {
            held.databases += 1;
            held.databases
        })
    }

    /// The copy of a collection of so many points, which may be empty yet; none if it is too large for one.
    pub(super) fn of(&self, key: Key, points: u64) -> Option<Arc<RwLock<Copy>>> {
        self.with(|held| {
            // Where much was deleted, it is tried again.
            if held
                .too_large
                .get(&key)
                .is_some_and(|then| points >= then / 8 * 7)
            {
                return None;
            }
            held.too_large.remove(&key);
            held.uses += 1;
            let used = held.uses;
            let entry = held.copies.entry(key).or_default();
            entry.used = used;
            Some(Arc::clone(&entry.copy))
        })
    }

    /// Notes how large a copy has become; those that were searched longest ago go.
    pub(super) fn weigh(&self, key: Key, bytes: usize) {
        self.with(|held| {
            if let Some(entry) = held.copies.get_mut(&key) {
                held.bytes = held.bytes - entry.bytes + bytes;
                entry.bytes = bytes;
            }
            while held.bytes > self.most_bytes {
                let others = held.copies.iter().filter(|(other, _)| **other != key);
                let Some(oldest) = others.min_by_key(|(_, entry)| entry.used) else {
                    break;
                };
                let oldest = *oldest.0;
                held.remove(oldest);
            }
            held.show();
        });
    }

    /// Notes that a collection of so many points is too large.
    pub(super) fn refuse(&self, key: Key, points: u64) {
        self.with(|held| {
            held.remove(key);
            held.too_large.insert(key, points);
            held.show();
        });
    }

    /// Forgets the copies of a database that is closed.
    pub(super) fn forget(&self, database: u64) {
        self.with(|held| {
            let all = held.copies.keys().filter(|(of, _)| *of == database);
            for key in all.copied().collect::<Vec<_>>() {
                held.remove(key);
            }
            held.too_large.retain(|(of, _), _| *of != database);
            held.show();
        });
    }

    fn with<R>(&self, work: impl FnOnce(&mut Held) -> R) -> R {
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Held ===

impl Held {
    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.copies.remove(&key) {
            self.bytes -= entry.bytes;
        }
    }

    fn show(&self) {
        sbd_telemetry::metrics::vectors_in_memory(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn held(copies: &Copies) -> Vec<Key> {
        copies.with(|held| {
            let mut keys: Vec<_> = held.copies.keys().copied().collect();
            keys.sort_unstable();
            keys
        })
    }

    #[test]
    fn those_that_were_searched_longest_ago_make_room() {
        let copies = Copies::new(100);
        let (one, other) = (copies.database(), copies.database());
        let search = |key, bytes| {
            copies.of(key, 10).unwrap();
            copies.weigh(key, bytes);
        };
        search((one, 1), 40);
        search((one, 2), 40);
        search((other, 1), 20);
        search((one, 1), 40);
        assert_eq!(held(&copies), [(one, 1), (one, 2), (other, 1)]);
        search((other, 2), 10);
        assert_eq!(held(&copies), [(one, 1), (other, 1), (other, 2)]);
        // One that has grown makes others go.
        search((other, 2), 60);
        assert_eq!(held(&copies), [(one, 1), (other, 2)]);
        copies.forget(one);
        assert_eq!(held(&copies), [(other, 2)]);
        assert_eq!(copies.with(|held| held.bytes), 60);
    }

    #[test]
    fn what_is_too_large_is_tried_again_when_much_is_gone() {
        let copies = Copies::new(100);
        let key = (copies.database(), 1);
        copies.of(key, 80).unwrap();
        copies.refuse(key, 80);
        assert!(copies.of(key, 80).is_none());
        assert!(copies.of(key, 70).is_none());
        assert!(copies.of(key, 60).is_some());
        assert!(copies.of(key, 80).is_some());
    }
}
