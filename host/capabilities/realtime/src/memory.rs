//! The channels of a process that is alone.

use crate::backend::{Backend, Backends, Joined, Present, Seat};
use crate::queue::Listener;
use crate::{Error, Message, Told};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much is kept of what was said.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Messages of a channel.
    pub messages: usize,
    /// Bytes of a channel.
    pub bytes: usize,
    /// Bytes of all channels of the tenant.
    pub bytes_in_all: usize,
    /// How long.
    pub age: Duration,
}

/// The channels of one tenant, in memory. Cheap to clone.
#[derive(Clone)]
pub struct MemoryBackend {
    hub: Arc<Hub>,
}

/// The channels of all tenants, in memory.
#[derive(Default)]
pub struct MemoryBackends {
    tenants: Mutex<HashMap<Arc<str>, MemoryBackend>>,
}

struct Hub {
    kept: Kept,
    /// Tells the ids of this hub from those of another: of before a restart, for example.
    epoch: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the newest message.
    newest: u64,
    /// What is kept of all channels, by number.
    log: BTreeMap<u64, Arc<Told>>,
    bytes: usize,
    channels: HashMap<Arc<str>, Channel>,
    /// The greatest number of what was kept in channels that are gone.
    lost: u64,
}

#[derive(Default)]
struct Channel {
    /// What is kept, oldest first.
    kept: VecDeque<u64>,
    bytes: usize,
    /// The greatest number of what is kept no more.
    lost: u64,
    listeners: HashMap<u64, Place>,
}

struct Place {
    listener: Listener,
    since: Timestamp,
}

/// Frees a place when it is dropped.
struct Held {
    hub: Arc<Hub>,
    channel: Arc<str>,
    number: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            messages: 256,
            bytes: 1 << 20,
            bytes_in_all: 16 << 20,
            age: Duration::from_secs(5 * 60),
        }
    }
}

// === impl MemoryBackend ===

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::keeping(Kept::default())
    }
}

impl MemoryBackend {
    /// Channels that keep so much.
    pub fn keeping(kept: Kept) -> Self {
        let mut random = [0; 10];
        // Without randomness the time will do: it is to differ, not to be secret.
        if getrandom::fill(&mut random).is_err() {
            let now = Timestamp::now().as_nanosecond().to_le_bytes();
            let end = random.len();
            random.copy_from_slice(now.get(..end).unwrap_or_default());
        }
        let mut epoch = String::with_capacity(2 * random.len());
        for byte in random {
            let _ = write!(epoch, "{byte:02x}");
        }
        Self {
            hub: Arc::new(Hub {
                kept,
                epoch,
                state: Mutex::default(),
            }),
        }
    }

    /// Forgets what was kept long enough. Answers whether anything is left, or anybody.
    fn tidy(&self) -> bool {
        let mut state = self.hub.state();
        state.forget_old(&self.hub.kept);
        !state.channels.is_empty()
    }
}

impl Backend for MemoryBackend {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Result<(), Error>> {
        self.hub.publish(&messages);
        Box::pin(async { Ok(()) })
    }

    fn join<'a>(
        &'a self,
        listener: &'a Listener,
        channels: &'a [Arc<str>],
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Joined, Error>> {
        let joined = Hub::join(&self.hub, listener, channels, after);
        Box::pin(async { Ok(joined) })
    }

    fn position(&self) -> BoxFuture<'_, Result<String, Error>> {
        let newest = self.hub.state().newest;
        Box::pin(async move { Ok(self.hub.id(newest)) })
    }

    fn changed<'a>(&'a self, channel: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        let state = self.hub.state();
        if let Some((name, channel)) = state.channels.get_key_value(channel) {
            for place in channel.listeners.values() {
                place.listener.doubt(name);
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn presence<'a>(
        &'a self,
        channel: &'a str,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Present>, Error>> {
        let present = self.hub.presence(channel, most);
        Box::pin(async { Ok(present) })
    }
}

// === impl MemoryBackends ===

impl Backends for MemoryBackends {
    fn of(&self, tenant: &Arc<str>) -> Arc<dyn Backend> {
        let mut tenants = self.tenants();
        let hub = tenants.entry(Arc::clone(tenant)).or_default();
        Arc::new(hub.clone())
    }

    fn tidy(&self) {
        // Whoever has one in hand may be about to use it.
        let is_held = |hub: &MemoryBackend| Arc::strong_count(&hub.hub) > 1;
        self.tenants().retain(|_, hub| hub.tidy() || is_held(hub));
    }

    fn remove(&self, tenant: &str) {
        self.tenants().remove(tenant);
    }
}

impl MemoryBackends {
    fn tenants(&self) -> MutexGuard<'_, HashMap<Arc<str>, MemoryBackend>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Hub ===

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, messages: &[Message]) {
        let mut state = self.state();
        for message in messages {
            let number = state.newest + 1;
            let channel = state.name_of(&message.channel);
            let told = Told::new(message, channel, self.id(number));
            state.say(number, Arc::new(told), &self.kept);
        }
        state.forget_old(&self.kept);
    }

    fn join(
        hub: &Arc<Self>,
        listener: &Listener,
        channels: &[Arc<str>],
        after: Option<&str>,
    ) -> Joined {
        let mut state = hub.state();
        state.forget_old(&hub.kept);
        let since = match after {
            None => Some(state.newest),
            Some(id) => hub.number_in(id).filter(|number| *number <= state.newest),
        };
        let lost_with_channels = state.lost;
        let (mut seats, mut missed) = (Vec::new(), Vec::new());
        for name in channels {
            let name = state.name_of(name);
            let channel = state.channels.entry(Arc::clone(&name)).or_default();
            channel.listeners.insert(
                listener.number(),
                Place {
                    listener: listener.clone(),
                    since: Timestamp::now(),
                },
            );
            let gap = since.is_none_or(|since| channel.lost > since || lost_with_channels > since);
            // Where the place is lost, all that is kept is better than nothing.
            let after = since.unwrap_or_default();
            missed.extend(
                channel
                    .kept
                    .iter()
                    .copied()
                    .filter(|number| *number > after),
            );
            let held = Held {
                hub: Arc::clone(hub),
                channel: Arc::clone(&name),
                number: listener.number(),
            };
            seats.push(Seat::new(name, gap, held));
        }
        missed.sort_unstable();
        let missed = missed.iter().filter_map(|number| state.log.get(number));
        Joined {
            missed: missed.cloned().collect(),
            seats,
            position: hub.id(state.newest),
        }
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.epoch)
    }

    /// The number in an id of this hub.
    fn number_in(&self, id: &str) -> Option<u64> {
        let (epoch, number) = id.split_once('-')?;
        number.parse().ok().filter(|_| epoch == self.epoch)
    }

    fn presence(&self, channel: &str, most: usize) -> Vec<Present> {
        let state = self.state();
        let mut present: HashMap<&Arc<str>, Timestamp> = HashMap::new();
        let channel = state.channels.get(channel);
        for place in channel.into_iter().flat_map(|one| one.listeners.values()) {
            if let Some(user) = place.listener.user() {
                let since = present.entry(user).or_insert(place.since);
                *since = place.since.min(*since);
            }
        }
        let mut present: Vec<_> = present
            .into_iter()
            .map(|(user, since)| Present {
                user: Arc::clone(user),
                since,
            })
            .collect();
        present.sort_unstable_by(|a, b| (a.since, &a.user).cmp(&(b.since, &b.user)));
        present.truncate(most);
        present
    }
}

// === impl State ===

impl State {
    /// A channel's name, of which there is one.
    fn name_of(&self, channel: &str) -> Arc<str> {
        let known = self.channels.get_key_value(channel);
        known.map_or_else(|| Arc::from(channel), |(name, _)| Arc::clone(name))
    }

    fn say(&mut self, number: u64, told: Arc<Told>, kept: &Kept) {
        let bytes = told.bytes();
        self.newest = number;
        self.bytes += bytes;
        let channel = self.channels.entry(Arc::clone(&told.channel)).or_default();
        for place in channel.listeners.values() {
            place.listener.tell(&told);
        }
        channel.kept.push_back(number);
        channel.bytes += bytes;
        let name = Arc::clone(&told.channel);
        self.log.insert(number, told);
        while let Some(channel) = self.channels.get(&name) {
            let is_full = channel.kept.len() > kept.messages || channel.bytes > kept.bytes;
            match channel.kept.front() {
                Some(&oldest) if is_full && oldest != number => self.forget(oldest),
                _ => break,
            }
        }
    }

    /// Forgets what is too old, and what is too much in all.
    fn forget_old(&mut self, kept: &Kept) {
        let now = Instant::now();
        while let Some((&number, told)) = self.log.first_key_value() {
            let is_old = now.saturating_duration_since(told.at) >= kept.age;
            if !is_old && self.bytes <= kept.bytes_in_all {
                break;
            }
            self.forget(number);
        }
    }

    /// Forgets the oldest message of a channel.
    fn forget(&mut self, number: u64) {
        let Some(told) = self.log.remove(&number) else {
            return;
        };
        self.bytes -= told.bytes();
        if let Some(channel) = self.channels.get_mut(&told.channel) {
            channel.kept.pop_front();
            channel.bytes -= told.bytes();
            channel.lost = number;
        }
        self.close(&told.channel);
    }

    /// Forgets a channel that has nothing left, and nobody.
    fn close(&mut self, name: &str) {
        let is_over = |channel: &Channel| channel.kept.is_empty() && channel.listeners.is_empty();
        if self.channels.get(name).is_some_and(is_over)
            && let Some(channel) = self.channels.remove(name)
        {
            self.lost = self.lost.max(channel.lost);
        }
    }
}

// === impl Held ===

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        if let Some(channel) = state.channels.get_mut(&self.channel) {
            channel.listeners.remove(&self.number);
        }
        state.close(&self.channel);
    }
}
