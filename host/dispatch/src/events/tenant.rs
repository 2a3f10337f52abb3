//! The events of one tenant, as long as there is something to deliver: who listens, each at its own pace,
//! and what is kept of what was delivered.

use crate::events::publishing::{self, Publications};
use crate::events::subscriber::{self, Rest, Subscriber};
use crate::events::subscription::Subscription;
use jiff::{SignedDuration, Timestamp};
use sbd_documents::Retention;
use sbd_events::Replay;
use sbd_manifest::App;
use sbd_registry::Tenants;
use sbd_runtime::{Application, EventLog, Runtime};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Whoever has nothing to do stays so long, so that what comes soon costs no look into the host's own
/// database.
const LINGER: Duration = Duration::from_secs(10);

/// How often to see whether there is still something to do.
const LOOK: Duration = Duration::from_secs(1);

/// How often to see at least what becomes of events that wait for a component that is switched off.
pub(crate) const OFF: Duration = Duration::from_secs(600);

/// How often events are forgotten that everybody has had.
const FORGET: Duration = Duration::from_secs(600);

/// How long delivered events are kept, for being sent again, and undelivered ones before they are given
/// up.
pub(crate) const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Bytes of delivered events that are kept.
const KEPT_BYTES: u64 = 16 << 20;

/// How long dead letters are kept.
const LETTERS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whoever delivers in one tenant, for others.
pub(crate) struct TenantDispatch {
    wake: Arc<Notify>,
    wishes: mpsc::UnboundedSender<Wish>,
}

/// What an operator wants of it.
pub(crate) enum Wish {
    /// Dead letters wait again.
    LookAgain(Arc<str>),
    /// Send events once more.
    Replay {
        subscriber: Arc<str>,
        place: u64,
        replay: Replay,
        done: oneshot::Sender<Result<(), String>>,
    },
}

/// Why nobody delivers in a tenant for now.
struct End {
    /// When there is something to do again.
    next: Option<Timestamp>,
    /// Whose events wait, because they are switched off.
    off: Vec<Arc<str>>,
}

/// Delivers in one tenant.
pub(crate) struct Task {
    tenant: Arc<str>,
    runtime: Runtime,
    publications: Arc<Publications>,
    tenants: Tenants,
    stop: CancellationToken,
    wake: Arc<Notify>,
    wishes: mpsc::UnboundedReceiver<Wish>,
    /// The application whose components listen.
    known: Option<Arc<App>>,
    subscribers: HashMap<Arc<str>, subscriber::Handle>,
    tasks: TaskTracker,
}

// === impl TenantDispatch ===

impl TenantDispatch {
    pub(crate) fn new(
        tenant: Arc<str>,
        runtime: Runtime,
        publications: Arc<Publications>,
        tenants: Tenants,
        stop: CancellationToken,
    ) -> (Self, Task) {
        let (wishes, received) = mpsc::unbounded_channel();
        let wake = Arc::new(Notify::new());
        let task = Task {
            tenant,
            runtime,
            publications,
            tenants,
            stop,
            wake: Arc::clone(&wake),
            wishes: received,
            known: None,
            subscribers: HashMap::new(),
            tasks: TaskTracker::new(),
        };
        (Self { wake, wishes }, task)
    }

    /// Something was published.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn wish(&self, wish: Wish) {
        // It has just ended: who wishes finds that out by the wish being dropped.
        let _ = self.wishes.send(wish);
    }
}

// === impl Task ===

impl Task {
    /// Delivers until there is nothing left that can be delivered, and says when it is `gone`: with the
    /// components that are switched off and have events to come.
    pub(crate) async fn run(mut self, gone: impl FnOnce(Vec<Arc<str>>)) {
        match self.runtime.events(&self.tenant).await {
            Ok(log) => self.deliver(&log, gone).await,
            Err(error) => {
                tracing::error!(tenant = &*self.tenant, %error, "the tenant's events cannot be delivered; it is tried again");
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = tokio::time::sleep(LINGER) => {}
                }
                gone(Vec::new());
            }
        }
    }

    async fn deliver(&mut self, log: &EventLog, gone: impl FnOnce(Vec<Arc<str>>)) {
        let (mut busy, mut forgotten) = (Instant::now(), Instant::now());
        loop {
            self.reconcile(log).await;
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.wake.notified() => {
                    busy = Instant::now();
                    self.subscribers.values().for_each(subscriber::Handle::wake);
                }
                Some(wish) = self.wishes.recv() => {
                    busy = Instant::now();
                    self.grant(wish);
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            if !crate::is_active(&self.tenants, &self.tenant) {
                self.publications.gates.doubt(&self.tenant).await;
                gone(Vec::new());
                break;
            }
            if forgotten.elapsed() >= FORGET {
                forgotten = Instant::now();
                self.forget(log).await;
            }
            let rests = self.rests();
            if rests.is_none() {
                busy = Instant::now();
            }
            if busy.elapsed() < LINGER {
                continue;
            }
            self.forget(log).await;
            // From here on nobody publishes.
            let mut gate = self.publications.gates.close(&self.tenant).await;
            let Some(end) = self.ends(log).await else {
                busy = Instant::now();
                continue;
            };
            let rested = self
                .publications
                .gates
                .rest(&mut gate, &self.tenant, end.next);
            if let Err(error) = rested.await {
                tracing::error!(tenant = &*self.tenant, %error, "that no events are due could not be written; it is tried again");
                busy = Instant::now();
                continue;
            }
            gone(end.off);
            drop(gate);
            break;
        }
        self.subscribers.clear();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Has a subscriber at work for each component that listens to something, and for no other.
    async fn reconcile(&mut self, log: &EventLog) {
        let application = self.runtime.application();
        if self
            .known
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, application.app()))
        {
            return;
        }
        let mut is_complete = true;
        let listening = Subscription::all(&application);
        self.subscribers
            .retain(|name, _| listening.iter().any(|(component, _)| component == name));
        for (component, subscription) in listening {
            if let Some(known) = self.subscribers.get(&component) {
                known.listen(subscription);
                continue;
            }
            let position = match publishing::begin(log, &component).await {
                Ok(position) => position,
                Err(error) => {
                    tracing::error!(tenant = &*self.tenant, component = &*component, %error, "a subscriber's place could not be read; it is tried again");
                    is_complete = false;
                    continue;
                }
            };
            let at_once = application.app().components.get(&*component);
            let at_once = at_once.map_or(1, |declared| declared.settings.limits.concurrency);
            let (handle, subscriber) = Subscriber::new(
                Arc::clone(&self.tenant),
                component,
                log.clone(),
                self.runtime.clone(),
                at_once.div_ceil(4),
                position,
                subscription,
            );
            self.subscribers.insert(subscriber.name(), handle);
            self.tasks.spawn(subscriber.run());
        }
        self.known = is_complete.then(|| Arc::clone(application.app()));
    }

    fn grant(&self, wish: Wish) {
        let name = match &wish {
            Wish::LookAgain(name) => name,
            Wish::Replay { subscriber, .. } => subscriber,
        };
        if let Some(subscriber) = self.subscribers.get(name) {
            subscriber.wish(wish);
        }
    }

    /// Where everybody rests; `None`: somebody has something to do.
    fn rests(&self) -> Option<Vec<(Arc<str>, Rest)>> {
        let application = self.runtime.application();
        let rests = self.subscribers.iter().map(|(name, subscriber)| {
            let mut rest = subscriber.rest()?;
            if !is_on(&application, &self.tenant, name) {
                rest.waits |= rest.next.take().is_some();
            } else if rest.waits {
                return None;
            }
            Some((Arc::clone(name), rest))
        });
        rests.collect()
    }

    /// Whether there is nothing to do, and when there is again. Asked while nobody publishes.
    async fn ends(&self, log: &EventLog) -> Option<End> {
        let rests = self.rests()?;
        if !self.wishes.is_empty() {
            return None;
        }
        let at_the_end = rests.iter().filter(|(_, rest)| !rest.waits);
        let reached = at_the_end.map(|(_, rest)| rest.place).min();
        if let Some(reached) = reached {
            match log.documents.outbox(reached, 1).await {
                Ok(published) if published.is_empty() => {}
                _ => return None,
            }
        }
        let now = Timestamp::now();
        let next = rests.iter().filter_map(|(_, rest)| rest.next).min();
        if next.is_some_and(|next| next <= now + LINGER) {
            return None;
        }
        let off = rests.into_iter().filter(|(_, rest)| rest.waits);
        let off: Vec<_> = off.map(|(name, _)| name).collect();
        let look = (!off.is_empty()).then(|| now + OFF);
        Some(End {
            next: next.into_iter().chain(look).min(),
            off,
        })
    }

    /// Forgets what everybody has had, but for what is kept a while.
    async fn forget(&self, log: &EventLog) {
        let places = self.subscribers.values().map(subscriber::Handle::place);
        let reached = places.min().unwrap_or(u64::MAX);
        let now = Timestamp::now();
        let keep = Retention {
            since: now - KEPT,
            bytes: KEPT_BYTES,
        };
        let forgotten = log.documents.forget(reached, Some(keep)).await;
        if let Err(error) = forgotten {
            tracing::warn!(tenant = &*self.tenant, %error, "delivered events could not be forgotten; it is tried again");
        }
        if let Err(error) = log.deliveries.forget(now - LETTERS_KEPT).await {
            tracing::warn!(tenant = &*self.tenant, %error, "old dead letters could not be forgotten; it is tried again");
        }
    }
}

/// Whether a component hears of events in a tenant.
pub(crate) fn is_on(application: &Application, tenant: &str, component: &str) -> bool {
    let features = application.features();
    features.is_on(application.switches(), tenant, component, None)
}
