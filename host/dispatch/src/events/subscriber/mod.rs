//! One component going down a tenant's log: `reading` it, `sending` what is due, `settling` what came of it.
//!
//! Events of different subjects are delivered side by side, those of one subject one after the other.
//! Where one fails, it and those of its subject are held, and the others go on. How far the subscriber
//! has come is kept from time to time; what it had after that comes again when the process dies.

mod reading;
mod sending;
mod settling;

use crate::events::cloud_event::CloudEvent;
use crate::events::subscription::Subscription;
use crate::events::tenant::Wish;
use crate::outcome::Outcome;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use sbd_events::{Position, Progress, Replay, Settled, Waiting};
use sbd_pace::{Backoff, CircuitBreaker};
use sbd_runtime::{EventLog, Runtime};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Events that are read at once, of the log and of those that wait.
const BATCH: u32 = 64;

/// Keys whose events wait, at most; with more the log is not read further.
const BLOCKED: usize = 10_000;

/// How often an event is sent before it is given up. With the delays between, that takes about an hour.
const ATTEMPTS: u32 = 12;

const RETRY: Backoff = Backoff {
    first: Duration::from_secs(1),
    most: Duration::from_secs(3600),
};

/// Failures in a row after which a subscriber is left alone for a while.
const FAILURES: u32 = 5;

const RECOVERY: Backoff = Backoff {
    first: Duration::from_millis(500),
    most: Duration::from_secs(30),
};

/// How far it has come is kept at least so often while all goes well.
const SAVE: Duration = Duration::from_millis(200);

/// After the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A subscriber, for the tenant's task. It ends when this is dropped.
pub(crate) struct Handle {
    listens: watch::Sender<Subscription>,
    woken: watch::Sender<()>,
    wishes: mpsc::UnboundedSender<Wish>,
    rest: watch::Receiver<Option<Rest>>,
    place: Arc<AtomicU64>,
}

/// Where a subscriber has nothing to do, or can do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Everything up to here has been seen to.
    pub(crate) place: u64,
    /// When it has something to do again.
    pub(crate) next: Option<Timestamp>,
    /// Whether there are events that it would send if its component were there.
    pub(crate) waits: bool,
}

/// Goes down the log for one component.
pub(crate) struct Subscriber {
    tenant: Arc<str>,
    component: Arc<str>,
    log: EventLog,
    runtime: Runtime,
    at_once: usize,
    listens: watch::Receiver<Subscription>,
    woken: watch::Receiver<()>,
    wishes: mpsc::UnboundedReceiver<Wish>,
    rest: watch::Sender<Option<Rest>>,
    saved: Arc<AtomicU64>,

    /// The last place that was read.
    read: u64,
    /// Whether there may be more behind it.
    is_more: bool,
    replay: Option<Replay>,
    /// Places that were read and are not settled.
    open: BTreeSet<u64>,
    /// By their keys, the events that were read and are to be delivered.
    lanes: HashMap<String, Lane>,
    /// Keys whose first event could be sent now, each once.
    ready: VecDeque<String>,
    /// Keys whose events wait.
    blocked: HashMap<String, Block>,
    under_way: FuturesUnordered<BoxFuture<'static, Sent>>,
    breaker: Arc<CircuitBreaker>,
    /// What is to be kept next.
    progress: Progress,
    save_at: Option<Instant>,
    /// The store failed: nothing new until then.
    stuck_until: Option<Instant>,
    /// What is to be done when nothing is under way.
    wished: Option<Wish>,
}

/// The events of a key.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Fresh>,
    /// Whether the one before them is being sent.
    is_under_way: bool,
}

/// An event on its first way.
struct Fresh {
    place: u64,
    time: Timestamp,
    event: CloudEvent,
}

/// A key whose events wait.
struct Block {
    due: Timestamp,
    /// Whether they are being sent.
    is_under_way: bool,
    /// Whether others have come to wait since.
    has_more: bool,
}

/// What came of sending.
enum Sent {
    First {
        key: String,
        fresh: Box<Fresh>,
        outcome: Outcome,
    },
    Again {
        key: String,
        settled: Vec<Settled>,
        /// Why the rest has to wait.
        stopped: Option<Stopped>,
    },
}

/// Why events go on waiting.
enum Stopped {
    Failed {
        due: Timestamp,
    },
    Unreachable {
        reason: String,
    },
    /// There may be more.
    Batch,
    Store {
        reason: String,
    },
}

// === impl Handle ===

impl Handle {
    /// Something was published.
    pub(crate) fn wake(&self) {
        self.woken.send_replace(());
    }

    /// What the component listens to now.
    pub(crate) fn listen(&self, subscription: Subscription) {
        self.listens
            .send_if_modified(|known| match *known == subscription {
                true => false,
                false => {
                    *known = subscription;
                    true
                }
            });
    }

    pub(crate) fn wish(&self, wish: Wish) {
        // Who wishes finds out by the wish being dropped.
        let _ = self.wishes.send(wish);
    }

    pub(crate) fn rest(&self) -> Option<Rest> {
        *self.rest.borrow()
    }

    /// How far it has come, as it is kept.
    pub(crate) fn place(&self) -> u64 {
        self.place.load(Ordering::Relaxed)
    }
}

// === impl Subscriber ===

impl Subscriber {
    pub(crate) fn new(
        tenant: Arc<str>,
        component: Arc<str>,
        log: EventLog,
        runtime: Runtime,
        at_once: usize,
        position: Position,
        subscription: Subscription,
    ) -> (Handle, Self) {
        let (listens, listening) = watch::channel(subscription);
        let (wake, woken) = watch::channel(());
        let (wishes, wished) = mpsc::unbounded_channel();
        let (rests, rest) = watch::channel(None);
        let place = Arc::new(AtomicU64::new(position.place));
        let handle = Handle {
            listens,
            woken: wake,
            wishes,
            rest,
            place: Arc::clone(&place),
        };
        let breaker = Arc::new(CircuitBreaker::new(FAILURES, RECOVERY));
        let breakers = runtime.breakers();
        breakers.list("events", &component, &tenant, &breaker);
        let subscriber = Self {
            tenant,
            component,
            log,
            runtime,
            at_once,
            listens: listening,
            woken,
            wishes: wished,
            rest: rests,
            saved: place,
            read: position.place,
            is_more: true,
            replay: position.replay,
            open: BTreeSet::new(),
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            blocked: HashMap::new(),
            under_way: FuturesUnordered::new(),
            breaker,
            progress: Progress::default(),
            save_at: None,
            stuck_until: None,
            wished: None,
        };
        (handle, subscriber)
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.component)
    }

    /// Delivers until nobody holds the handle any more. What is under way comes to its end.
    pub(crate) async fn run(mut self) {
        self.look_again().await;
        let mut goes_on = true;
        while goes_on || !self.under_way.is_empty() {
            if goes_on {
                self.step().await;
            }
            let wake = self.next_look();
            tokio::select! {
                Some(sent) = self.under_way.next(), if !self.under_way.is_empty() => self.settle(sent),
                woken = self.woken.changed(), if goes_on => {
                    goes_on = woken.is_ok();
                    self.is_more = true;
                }
                Some(wish) = self.wishes.recv(), if goes_on && self.wished.is_none() => match wish {
                    Wish::LookAgain(_) => self.look_again().await,
                    replay @ Wish::Replay { .. } => self.wished = Some(replay),
                },
                () = sleep_until(wake), if goes_on => {}
            }
        }
        self.save().await;
    }

    /// Everything that can be done now without waiting for a delivery.
    async fn step(&mut self) {
        let now = Instant::now();
        if self.stuck_until.is_some_and(|until| until > now) {
            return;
        }
        self.stuck_until = None;
        if self.under_way.is_empty()
            && let Some(wish) = self.wished.take()
        {
            self.grant(wish).await;
        }
        if self.wished.is_none() {
            self.fill().await;
            self.start().await;
        }
        let changes = !self.progress.held.is_empty() || !self.progress.settled.is_empty();
        let moved = self.place() > self.saved.load(Ordering::Relaxed);
        if changes || (moved && self.is_quiet()) {
            self.save().await;
        } else if moved {
            let save_at = *self.save_at.get_or_insert(now + SAVE);
            if save_at <= now {
                self.save().await;
            }
        }
        self.tell();
    }

    /// Everything up to here is settled, or is going to be held with what is kept next.
    fn place(&self) -> u64 {
        self.open.first().map_or(self.read, |first| first - 1)
    }

    /// Whether all that was read is settled.
    fn is_quiet(&self) -> bool {
        self.open.is_empty() && self.under_way.is_empty() && !self.is_more
    }

    /// Says where it rests, if it does.
    fn tell(&self) {
        let is_idle = self.under_way.is_empty()
            && self.wished.is_none()
            && self.stuck_until.is_none()
            && self.progress.held.is_empty()
            && self.progress.settled.is_empty()
            && self.saved.load(Ordering::Relaxed) == self.place();
        let waits = !self.is_quiet();
        let rests = is_idle && (!waits || self.breaker.open_until().is_some());
        let rest = rests.then(|| Rest {
            place: self.place(),
            next: self.blocked.values().map(|block| block.due).min(),
            waits,
        });
        self.rest.send_if_modified(|told| {
            let changed = *told != rest;
            *told = rest;
            changed
        });
    }

    /// When there is something to do, if nothing happens before.
    fn next_look(&self) -> Option<Instant> {
        let now = Instant::now();
        if let Some(until) = self.stuck_until {
            return Some(until);
        }
        if self.wished.is_some() {
            return self.save_at;
        }
        if self.is_more && self.has_room() {
            return Some(now);
        }
        let mut waiting = self.blocked.values().filter(|block| !block.is_under_way);
        let due = match self.breaker.allows(self.at_once, now) {
            0 if self.ready.is_empty() && waiting.next().is_none() => None,
            0 => self.breaker.open_until(),
            // Whatever ends makes room.
            allowed if self.under_way.len() >= allowed => None,
            _ => waiting.map(|block| now + until(block.due)).min(),
        };
        [due, self.save_at].into_iter().flatten().min()
    }

    /// Keeps what was done.
    async fn save(&mut self) {
        self.save_at = None;
        let mut progress = std::mem::take(&mut self.progress);
        progress.place = self.place();
        let kept = progress.clone();
        match self.log.deliveries.record(&self.component, progress).await {
            Ok(()) => self.saved.store(kept.place, Ordering::Relaxed),
            Err(error) => {
                self.progress = kept;
                self.stuck(&error);
            }
        }
    }

    /// The store failed: nothing new for a moment.
    fn stuck(&mut self, error: &dyn std::fmt::Display) {
        tracing::error!(tenant = &*self.tenant, component = &*self.component, %error, "what became of events could not be kept or read; it is tried again");
        self.stuck_until = Some(Instant::now() + PAUSE);
    }

    async fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::LookAgain(_) => self.look_again().await,
            Wish::Replay {
                place,
                replay,
                done,
                ..
            } => {
                let result = self.replay(place, replay).await;
                // Who wished it has gone; it is done all the same.
                let _ = done.send(result);
            }
        }
    }

    /// Goes back to a place. Nothing is under way.
    async fn replay(&mut self, place: u64, replay: Replay) -> Result<(), String> {
        self.save().await;
        if self.stuck_until.is_some() {
            return Err("what became of other events could not be kept; try again".to_owned());
        }
        let set = self
            .log
            .deliveries
            .replay(&self.component, place, replay.clone());
        match set.await {
            Ok(true) => {}
            Ok(false) => return Err("it has not begun to listen; try again".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        self.read = place;
        self.saved.store(place, Ordering::Relaxed);
        self.replay = Some(replay);
        self.open.clear();
        self.lanes.clear();
        self.ready.clear();
        self.is_more = true;
        Ok(())
    }

    /// Takes in which events wait.
    async fn look_again(&mut self) {
        let most = u32::try_from(BLOCKED).unwrap_or(u32::MAX);
        match self.log.deliveries.blocked(&self.component, most).await {
            Ok(blocked) => {
                for sbd_events::Blocked { key, due } in blocked {
                    // Those of its key that were read stay before those that wait: they are older
                    // than whatever was held since, and a letter that is sent again has no place.
                    let block = self.blocked.entry(key).or_insert(Block {
                        due,
                        is_under_way: false,
                        has_more: true,
                    });
                    block.due = block.due.min(due);
                }
            }
            Err(error) => self.stuck(&error),
        }
    }
}

fn until(due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default()
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn waiting(place: u64, key: &str, event: &CloudEvent, attempts: u32, due: Timestamp) -> Waiting {
    Waiting {
        place,
        key: key.to_owned(),
        publisher: event.source.clone(),
        // Its parts were JSON before.
        event: serde_json::to_string(event).unwrap_or_default(),
        attempts,
        due,
    }
}

fn later(now: Timestamp, delay: Duration) -> Timestamp {
    now.checked_add(delay).unwrap_or(Timestamp::MAX)
}
