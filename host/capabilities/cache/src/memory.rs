//! The embedded backend: in memory, bounded, gone after a restart.

use crate::limits::MAX_VALUE_BYTES;
use crate::{Backend, Error};
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use moka::Expiry;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an entry costs beside its key and value, in bytes: moka's own bookkeeping for a cache
/// with expiry is about this much. A cache of many empty values must stay bounded, too.
const ENTRY_BYTES: usize = 256;

/// A value of so many bytes makes room for itself at once; smaller ones may stand over until 64 of
/// them wait, which is when moka looks by itself.
const LARGE: usize = 16 << 10;

/// The cache of one tenant in this process. When it is full, what was used least recently goes.
#[derive(Clone, Debug)]
pub struct MemoryBackend {
    entries: Cache<Key, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    component: Box<str>,
    key: Box<str>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Arc<[u8]>,
    expires_at: Instant,
}

/// Every entry says itself when it ends.
struct AtItsEnd;

// === impl MemoryBackend ===

impl MemoryBackend {
    /// Memory of a tenant's cache unless told otherwise: 64 MiB.
    pub const DEFAULT_BYTES: u64 = 64 << 20;

    /// Least memory of a cache (4 MiB): a few of the largest values must fit.
    pub const MIN_BYTES: u64 = 4 * MAX_VALUE_BYTES as u64;

    /// An empty cache of about `max_bytes` at most, but of [`Self::MIN_BYTES`] at least.
    pub fn new(max_bytes: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(max_bytes.max(Self::MIN_BYTES))
            .weigher(weigh)
            // The default policy may turn a new entry away; a new counter must count.
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(AtItsEnd)
            .build();
        Self { entries }
    }

    /// Runs `change` on the present entry of a key; no other change of that key runs meanwhile.
    /// All changes go this way, since a plain insert would not wait for a running one.
    fn change(
        &self,
        key: &Key,
        change: impl FnOnce(Option<Entry>) -> Result<Op<Entry>, Error>,
    ) -> Result<(), Error> {
        let entry = self.entries.entry_by_ref(key);
        let result =
            entry.and_try_compute_with(|present| change(present.map(moka::Entry::into_value)))?;
        if result
            .into_entry()
            .is_some_and(|entry| entry.value().value.len() >= LARGE)
        {
            self.entries.run_pending_tasks();
        }
        Ok(())
    }

    fn increment(&self, key: &Key, delta: i64, ttl: Duration) -> Result<i64, Error> {
        let mut sum = 0;
        self.change(key, |present| {
            let (count, expires_at) = match &present {
                Some(entry) => (count(key, &entry.value)?, entry.expires_at),
                None => (0, Instant::now() + ttl),
            };
            let overflow = || Error::Overflow(key.key.to_string());
            sum = count.checked_add(delta).ok_or_else(overflow)?;
            let value = sum.to_string().into_bytes().into();
            Ok(Op::Put(Entry { value, expires_at }))
        })?;
        Ok(sum)
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new(Self::DEFAULT_BYTES)
    }
}

impl Backend for MemoryBackend {
    fn get<'a>(
        &'a self,
        component: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        let entry = self.entries.get(&Key::new(component, key));
        ready(Ok(entry.map(|entry| entry.value.to_vec()))).boxed()
    }

    fn set<'a>(
        &'a self,
        component: &'a str,
        key: &'a str,
        value: Vec<u8>,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let entry = Entry::new(value, ttl);
        let changed = self.change(&Key::new(component, key), |_| Ok(Op::Put(entry)));
        ready(changed).boxed()
    }

    fn delete<'a>(
        &'a self,
        component: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        // What `Op::Remove` itself answers counts expired entries, too.
        let mut there = false;
        let changed = self.change(&Key::new(component, key), |present| {
            there = present.is_some();
            Ok(Op::Remove)
        });
        ready(changed.map(|()| there)).boxed()
    }

    fn increment<'a>(
        &'a self,
        component: &'a str,
        key: &'a str,
        delta: i64,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<i64, Error>> {
        ready(self.increment(&Key::new(component, key), delta, ttl)).boxed()
    }

    fn compare_and_set<'a>(
        &'a self,
        component: &'a str,
        key: &'a str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        let entry = Entry::new(value, ttl);
        let mut equal = false;
        let changed = self.change(&Key::new(component, key), |present| {
            equal = present.as_ref().map(|entry| &*entry.value) == expected.as_deref();
            Ok(if equal { Op::Put(entry) } else { Op::Nop })
        });
        ready(changed.map(|()| equal)).boxed()
    }
}

fn weigh(key: &Key, entry: &Entry) -> u32 {
    let bytes = ENTRY_BYTES + key.component.len() + key.key.len() + entry.value.len();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A counter is what printing a number gives, and nothing else: no sign `+`, blank or leading 0.
fn count(key: &Key, value: &[u8]) -> Result<i64, Error> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| Some((text, text.parse::<i64>().ok()?)))
        .filter(|(text, number)| *text == number.to_string())
        .map(|(_, number)| number)
        .ok_or_else(|| Error::NotACounter(key.key.to_string()))
}

// === impl Key ===

impl Key {
    fn new(component: &str, key: &str) -> Self {
        Self {
            component: component.into(),
            key: key.into(),
        }
    }
}

// === impl Entry ===

impl Entry {
    fn new(value: Vec<u8>, ttl: Duration) -> Self {
        Self {
            value: value.into(),
            expires_at: Instant::now() + ttl,
        }
    }
}

// === impl AtItsEnd ===

impl Expiry<Key, Entry> for AtItsEnd {
    fn expire_after_create(&self, _: &Key, entry: &Entry, now: Instant) -> Option<Duration> {
        Some(entry.expires_at.saturating_duration_since(now))
    }

    fn expire_after_update(
        &self,
        _: &Key,
        entry: &Entry,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.expires_at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{ENTRY_BYTES, MemoryBackend};
    use crate::Backend as _;
    use crate::limits::MAX_VALUE_BYTES;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn memory_is_bounded_and_the_newest_stay() {
        let backend = MemoryBackend::new(8 << 20);
        for n in 0..64 {
            backend
                .set("c", &n.to_string(), vec![0; MAX_VALUE_BYTES], HOUR)
                .await
                .unwrap();
            assert!(backend.entries.weighted_size() <= 8 << 20);
        }
        assert_eq!(
            backend.entries.entry_count(),
            7,
            "7 values with their keys fit in 8 MiB"
        );
        assert!(backend.get("c", "63").await.unwrap().is_some());
        assert!(backend.get("c", "0").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn empty_values_are_not_free() {
        let backend = MemoryBackend::new(0);
        let fit = MemoryBackend::MIN_BYTES as usize / ENTRY_BYTES;
        for n in 0..fit * 2 {
            backend
                .set("c", &n.to_string(), vec![], HOUR)
                .await
                .unwrap();
        }
        backend.entries.run_pending_tasks();
        assert!(backend.entries.entry_count() <= fit as u64);
    }
}
