//! One component going down a tenant's log.
//!
//! Events of different subjects are delivered side by side, those of one subject one after the other.
//! Where one fails, it and those of its subject are held, and the others go on. How far the subscriber
//! has come is kept from time to time; what it had after that comes again when the process dies.

use crate::cloud_event::CloudEvent;
use crate::delivery::{Outcome, deliver};
use crate::pace::{Backoff, CircuitBreaker};
use crate::subscription::Subscription;
use crate::tenant::{KEPT, Wish};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use sbd_events::{Held, Position, Progress, Replay, Settled, Waiting};
use sbd_runtime::{EventLog, Runtime};
use sbd_telemetry::metrics::{EVENT_DELIVERIES, tenant_label};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Events that are read and not delivered yet, at most.
const WINDOW: usize = 256;

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

/// Where a subscriber has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Everything up to here has been seen to.
    pub(crate) place: u64,
    /// When it has something to do again.
    pub(crate) next: Option<Timestamp>,
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
    breaker: CircuitBreaker,
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
        fresh: Fresh,
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
            breaker: CircuitBreaker::new(FAILURES, RECOVERY),
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
                Some(wish) = self.wishes.recv(), if goes_on && self.wished.is_none() => {
                    self.wished = Some(wish);
                }
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
        let rests = self.is_quiet()
            && self.wished.is_none()
            && self.stuck_until.is_none()
            && self.saved.load(Ordering::Relaxed) == self.read;
        let rest = rests.then(|| Rest {
            place: self.read,
            next: self.blocked.values().map(|block| block.due).min(),
        });
        self.rest.send_if_modified(|told| {
            let changed = *told != rest;
            *told = rest;
            changed
        });
    }

    /// When there is something to do, if nothing happens before.
    fn next_look(&self) -> Option<Instant> {
        if let Some(until) = self.stuck_until {
            return Some(until);
        }
        let now = Instant::now();
        if self.is_more && self.has_room() {
            return Some(now);
        }
        let waiting = self.blocked.values().filter(|block| !block.is_under_way);
        let due = waiting.map(|block| block.due).min();
        let due = due.map(|due| now + until(due));
        // What is due has to wait for the breaker too.
        let due = match (due, self.breaker.open_until()) {
            (Some(due), Some(open)) => Some(due.max(open)),
            (None, Some(open)) if !self.ready.is_empty() => Some(open),
            (due, _) => due,
        };
        [due, self.save_at].into_iter().flatten().min()
    }

    /// Whether more can be read.
    fn has_room(&self) -> bool {
        self.open.len() < WINDOW && self.blocked.len() < BLOCKED && self.wished.is_none()
    }

    /// Reads on, as long as there is room, and not so much that keeping it would take long.
    async fn fill(&mut self) {
        while self.is_more && self.has_room() && self.progress.held.len() < WINDOW {
            let read = self.log.documents.outbox(self.read, BATCH).await;
            let published = match read {
                Ok(published) => published,
                Err(error) => return self.stuck(&error),
            };
            self.is_more = !published.is_empty();
            let listens = self.listens.borrow_and_update().clone();
            for published in published {
                self.read = published.place;
                if !listens.takes(&published) {
                    continue;
                }
                match CloudEvent::new(&self.tenant, &published) {
                    Ok(event) => self.queue(published.place, published.time, event),
                    Err(error) => {
                        tracing::error!(tenant = &*self.tenant, event = published.id, %error, "an event cannot be delivered");
                    }
                }
            }
            if self
                .replay
                .as_ref()
                .is_some_and(|replay| self.read >= replay.until)
            {
                self.replay = None;
            }
        }
    }

    fn queue(&mut self, place: u64, time: Timestamp, mut event: CloudEvent) {
        if let Some(replay) = &self.replay
            && place <= replay.until
        {
            event.replay = Some(replay.id.clone());
        }
        let key = event.key();
        if let Some(block) = self.blocked.get_mut(&key) {
            block.has_more = true;
            let held = waiting(place, &key, &event, 0, Timestamp::now());
            self.progress.held.push(Held::Waiting(held));
            return;
        }
        self.open.insert(place);
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.queue.is_empty() && !lane.is_under_way {
            self.ready.push_back(key);
        }
        lane.queue.push_back(Fresh { place, time, event });
    }

    /// Sends what may be sent now.
    async fn start(&mut self) {
        let now = Instant::now();
        let allowed = self.breaker.allows(self.at_once, now);
        if allowed == 0 {
            self.give_up_old();
        }
        while self.under_way.len() < allowed {
            if let Some(key) = self.due_key() {
                // What waits is read from the store: all of it must be there.
                if !self.progress.held.is_empty() || !self.progress.settled.is_empty() {
                    self.save().await;
                    if self.stuck_until.is_some() {
                        return;
                    }
                }
                self.send_again(key);
            } else if let Some(key) = self.ready.pop_front() {
                self.send_first(key);
            } else {
                return;
            }
        }
    }

    /// A key whose first event is due.
    fn due_key(&self) -> Option<String> {
        let now = Timestamp::now();
        let mut blocked = self.blocked.iter();
        let due = blocked.find(|(_, block)| !block.is_under_way && block.due <= now);
        due.map(|(key, _)| key.clone())
    }

    fn send_first(&mut self, key: String) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let Some(fresh) = lane.queue.pop_front() else {
            self.lanes.remove(&key);
            return;
        };
        lane.is_under_way = true;
        let (runtime, tenant) = (self.runtime.clone(), Arc::clone(&self.tenant));
        let component = Arc::clone(&self.component);
        self.under_way.push(Box::pin(async move {
            let outcome = deliver(&runtime, &tenant, &component, &fresh.event).await;
            Sent::First {
                key,
                fresh,
                outcome,
            }
        }));
    }

    /// Sends what waits for a key, one after the other, until one fails.
    fn send_again(&mut self, key: String) {
        if let Some(block) = self.blocked.get_mut(&key) {
            block.is_under_way = true;
            block.has_more = false;
        }
        let (runtime, tenant) = (self.runtime.clone(), Arc::clone(&self.tenant));
        let component = Arc::clone(&self.component);
        let log = self.log.clone();
        self.under_way.push(Box::pin(async move {
            let (settled, stopped) = resend(&runtime, &tenant, &component, &log, &key).await;
            Sent::Again {
                key,
                settled,
                stopped,
            }
        }));
    }

    /// Takes in what became of something that was sent.
    fn settle(&mut self, sent: Sent) {
        match sent {
            Sent::First {
                key,
                fresh,
                outcome,
            } => self.settle_first(key, fresh, outcome),
            Sent::Again {
                key,
                settled,
                stopped,
            } => self.settle_again(key, settled, stopped),
        }
    }

    fn settle_first(&mut self, key: String, fresh: Fresh, outcome: Outcome) {
        let now = Timestamp::now();
        self.count(&outcome);
        match outcome {
            Outcome::Taken => self.breaker.succeeded(),
            Outcome::Refused(reason) => {
                self.breaker.succeeded();
                let event = waiting(fresh.place, &key, &fresh.event, 1, now);
                self.progress.held.push(Held::Parked { event, reason });
            }
            Outcome::Failed(reason) => {
                self.breaker.failed(Instant::now());
                tracing::debug!(
                    tenant = &*self.tenant,
                    component = &*self.component,
                    event = fresh.event.id,
                    reason,
                    "an event was not taken; it comes again"
                );
                let due = later(now, RETRY.after(1));
                let first = waiting(fresh.place, &key, &fresh.event, 1, due);
                self.progress.held.push(Held::Waiting(first));
                self.open.remove(&fresh.place);
                return self.block(key, due);
            }
            Outcome::Unreachable(reason) => {
                self.breaker.open(Instant::now());
                tracing::debug!(
                    tenant = &*self.tenant,
                    component = &*self.component,
                    reason,
                    "a subscriber is not there; its events wait"
                );
                // Nothing was tried: it is the first again.
                let lane = self.lanes.entry(key.clone()).or_default();
                lane.is_under_way = false;
                lane.queue.push_front(fresh);
                self.ready.push_front(key);
                return;
            }
        }
        self.open.remove(&fresh.place);
        match self.lanes.get_mut(&key) {
            Some(lane) if !lane.queue.is_empty() => {
                lane.is_under_way = false;
                self.ready.push_back(key);
            }
            _ => {
                self.lanes.remove(&key);
            }
        }
    }

    /// Has all events of a key wait until then.
    fn block(&mut self, key: String, due: Timestamp) {
        let behind = self.lanes.remove(&key).unwrap_or_default();
        for fresh in behind.queue {
            self.open.remove(&fresh.place);
            let held = waiting(fresh.place, &key, &fresh.event, 0, Timestamp::now());
            self.progress.held.push(Held::Waiting(held));
        }
        let block = Block {
            due,
            is_under_way: false,
            has_more: true,
        };
        self.blocked.insert(key, block);
    }

    fn settle_again(&mut self, key: String, settled: Vec<Settled>, stopped: Option<Stopped>) {
        for one in &settled {
            match one {
                Settled::Again { .. } => self.counted("failed"),
                Settled::Done { .. } => self.counted("taken"),
                Settled::Parked { .. } => self.counted("parked"),
            }
        }
        if settled
            .iter()
            .any(|settled| matches!(settled, Settled::Done { .. }))
        {
            self.breaker.succeeded();
        }
        self.progress.settled.extend(settled);
        let now = Instant::now();
        let Some(block) = self.blocked.get_mut(&key) else {
            return;
        };
        block.is_under_way = false;
        match stopped {
            None if !block.has_more => {
                self.blocked.remove(&key);
            }
            None | Some(Stopped::Batch) => block.due = Timestamp::now(),
            Some(Stopped::Failed { due }) => {
                block.due = due;
                self.breaker.failed(now);
            }
            Some(Stopped::Unreachable { reason }) => {
                self.breaker.open(now);
                tracing::debug!(
                    tenant = &*self.tenant,
                    component = &*self.component,
                    reason,
                    "a subscriber is not there; its events wait"
                );
            }
            Some(Stopped::Store { reason }) => self.stuck(&reason),
        }
    }

    /// While nobody is there, events that are older than they are kept become dead letters: they would
    /// keep the log from being forgotten.
    fn give_up_old(&mut self) {
        let now = Timestamp::now();
        let oldest = now - KEPT;
        let is_old = |fresh: &mut Fresh| fresh.time < oldest && fresh.event.replay.is_none();
        for (key, lane) in &mut self.lanes {
            while let Some(fresh) = lane.queue.pop_front_if(is_old) {
                self.open.remove(&fresh.place);
                let reason = "it could not be delivered as long as events are kept".to_owned();
                let event = waiting(fresh.place, key, &fresh.event, 0, now);
                self.progress.held.push(Held::Parked { event, reason });
            }
        }
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

    fn count(&self, outcome: &Outcome) {
        self.counted(match outcome {
            Outcome::Taken => "taken",
            Outcome::Refused(_) => "parked",
            Outcome::Failed(_) => "failed",
            Outcome::Unreachable(_) => "unreachable",
        });
    }

    fn counted(&self, outcome: &'static str) {
        metrics::counter!(EVENT_DELIVERIES, "tenant" => tenant_label(&self.tenant).to_string(), "component" => self.component.to_string(), "outcome" => outcome)
            .increment(1);
    }
}

/// Sends what waits for a key; answers what became of it, and why it is not all.
async fn resend(
    runtime: &Runtime,
    tenant: &Arc<str>,
    component: &Arc<str>,
    log: &EventLog,
    key: &str,
) -> (Vec<Settled>, Option<Stopped>) {
    let mut settled = Vec::new();
    let waiting = match log.deliveries.waiting(component, key, BATCH).await {
        Ok(waiting) => waiting,
        Err(error) => {
            let reason = error.to_string();
            return (settled, Some(Stopped::Store { reason }));
        }
    };
    let is_all = waiting.len() < BATCH as usize;
    for Waiting {
        place,
        event,
        attempts,
        ..
    } in waiting
    {
        let outcome = match serde_json::from_str::<CloudEvent>(&event) {
            Ok(event) => deliver(runtime, tenant, component, &event).await,
            Err(error) => Outcome::Refused(format!("it is damaged: {error}")),
        };
        let attempts = attempts + 1;
        let now = Timestamp::now();
        let parked = |reason| Settled::Parked {
            place,
            attempts,
            since: now,
            reason,
        };
        match outcome {
            Outcome::Taken => settled.push(Settled::Done { place }),
            Outcome::Refused(reason) => settled.push(parked(reason)),
            Outcome::Failed(reason) if attempts >= ATTEMPTS => settled.push(parked(reason)),
            Outcome::Failed(_) => {
                let due = later(now, RETRY.after(attempts));
                settled.push(Settled::Again {
                    place,
                    attempts,
                    due,
                });
                return (settled, Some(Stopped::Failed { due }));
            }
            Outcome::Unreachable(reason) => {
                return (settled, Some(Stopped::Unreachable { reason }));
            }
        }
    }
    (settled, (!is_all).then_some(Stopped::Batch))
}

fn waiting(place: u64, key: &str, event: &CloudEvent, attempts: u32, due: Timestamp) -> Waiting {
    Waiting {
        place,
        key: key.to_owned(),
        // Its parts were JSON before.
        event: serde_json::to_string(event).unwrap_or_default(),
        attempts,
        due,
    }
}

fn later(now: Timestamp, delay: Duration) -> Timestamp {
    now.checked_add(delay).unwrap_or(Timestamp::MAX)
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
