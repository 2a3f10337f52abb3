//! Delivers the events of tenants to the components that listen to them.
//!
//! A component publishes into its tenant's log ([`sbd_documents`]), in the commit of the change that the
//! event tells of. Every component that listens (its offer says to what, its manifest to whom) is a
//! subscriber: it goes down the log at its own pace, so that one that is slow or gone delays nobody. An
//! event comes at least once, and in the order of its subject. What is refused (4xx) is a dead letter
//! at once; what fails comes again, later and later, and is a dead letter in the end.
//!
//! A tenant in which nothing is to be delivered costs nothing. Whoever publishes says so first
//! ([`Dispatch::publishing`]); that is written down in the host's own database, so that a crash in
//! between costs a look in vain and no event.
//!
//! Queued work is sent to the component that enqueued it, when its turn comes. What is due by a
//! schedule is queued work too; which of them a tenant has, its components declare.
//!
//! The files: `gates` (who says that there is something, whatever kind it is), `events`, `tasks`,
//! `schedules`, `outcome` (what an answer means). When to try again is [`sbd_pace`]'s affair.

mod events;
mod gates;
mod outcome;
mod schedules;
mod tasks;

pub use events::{CloudEvent, Letter, LettersError};
pub use tasks::Queues;

use events::publishing::Publications;
use events::tenant::{self, TenantDispatch};
use gates::{Wake, Woken};
use jiff::Timestamp;
use sbd_registry::{DueTenant, Registry, TenantState, Tenants};
use sbd_runtime::{Publishing, Runtime};
use schedules::Planning;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tasks::Tasks;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The kinds of what is due in the host's own database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Events are to be delivered.
    Events,
    /// Tasks are to be worked on.
    Tasks,
}

/// Most tenants that are looked up at once.
const TENANTS: u32 = 10_000;

/// How often to see whether a tenant that was suspended is served again.
const LOOK: Duration = Duration::from_secs(30);

/// How often to see whether a component is on again for which events wait.
const ON_AGAIN: Duration = Duration::from_secs(2);

/// Dispatch waits so long after something about the host's own database failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Delivers events, and has tasks worked on. Cheap to clone.
#[derive(Clone)]
pub struct Dispatch {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    publications: Arc<Publications>,
    tasks: Arc<Tasks>,
    /// Set when the application is there.
    runtime: OnceLock<Runtime>,
    /// Those in which events are delivered.
    tenants: Mutex<HashMap<Arc<str>, TenantDispatch>>,
    /// By tenants in which nothing is delivered: components that are switched off, whose events wait.
    off: Mutex<HashMap<Arc<str>, Vec<Arc<str>>>>,
    is_running: AtomicBool,
    woken: Mutex<Option<mpsc::UnboundedReceiver<Woken>>>,
}

// === impl Dispatch ===

impl Dispatch {
    /// What is due is kept here. Nothing is delivered, and no task begun, before it runs.
    pub fn new(registry: &Registry, queues: &Queues) -> Self {
        let (wake, woken) = Wake::new();
        Self {
            inner: Arc::new(Inner {
                publications: Arc::new(Publications::new(registry.due.clone(), wake.clone())),
                tasks: Arc::new(Tasks::new(queues, registry, wake)),
                registry: registry.clone(),
                runtime: OnceLock::new(),
                tenants: Mutex::default(),
                off: Mutex::default(),
                is_running: AtomicBool::new(false),
                woken: Mutex::new(Some(woken)),
            }),
        }
    }

    /// What hears of events: for the settings of the runtime.
    pub fn publishing(&self) -> Arc<dyn Publishing> {
        Arc::clone(&self.inner.publications) as Arc<dyn Publishing>
    }

    /// What hears of tasks: for the settings of the runtime.
    pub fn enqueuing(&self) -> Arc<dyn Publishing> {
        Arc::clone(&self.inner.tasks) as Arc<dyn Publishing>
    }

    /// The application whose events and tasks these are. Once.
    pub fn attach(&self, runtime: &Runtime) {
        self.inner.publications.attach(runtime);
        let _ = self.inner.runtime.set(runtime.clone());
    }

    /// Delivers until it is stopped; what is under way then has come to its end, or comes again.
    pub async fn run(self, stop: CancellationToken) {
        let woken = self.inner.woken.lock();
        let woken = woken.unwrap_or_else(PoisonError::into_inner).take();
        let (Some(mut woken), Some(runtime)) = (woken, self.inner.runtime.get()) else {
            return;
        };
        self.inner.is_running.store(true, Ordering::Relaxed);
        let tasks = TaskTracker::new();
        let mut looks = tokio::time::interval(ON_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tenant in self.left_behind().await {
            self.deliver_in(&tenant, runtime, &tasks, &stop);
        }
        let planning = Planning::new(&self.inner.registry, runtime.clone());
        tasks.spawn(planning.run(stop.clone()));
        // One look goes on whoever publishes meanwhile: each begins with reading.
        let mut look = pin!(self.due());
        loop {
            let due = tokio::select! {
                () = stop.cancelled() => break,
                Some(woken) = woken.recv() => vec![woken],
                _ = looks.tick() => {
                    let again = self.on_again(runtime).into_iter();
                    again.map(|tenant| (Kind::Events, tenant)).collect()
                }
                due = &mut look => {
                    look.set(self.due());
                    due
                }
            };
            for (kind, tenant) in due {
                if !is_active(&self.inner.registry.tenants, &tenant) {
                    continue;
                }
                match kind {
                    Kind::Events => self.deliver_in(&tenant, runtime, &tasks, &stop),
                    Kind::Tasks => {
                        let known = &self.inner.registry.tenants;
                        let work = &self.inner.tasks;
                        work.work_in(&tenant, runtime, known, &tasks, &stop);
                    }
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// The tenants in which events may wait for components that were switched off when the process before
    /// ended: what is off now, it finds out.
    async fn left_behind(&self) -> Vec<Arc<str>> {
        let soon = Timestamp::now() + tenant::OFF;
        let due = self.inner.registry.due.until(soon, TENANTS).await;
        let due = due.unwrap_or_else(|error| {
            tracing::error!(%error, "which tenants have events could not be read; it is tried again when they are due");
            Vec::new()
        });
        let events = due.into_iter().filter(|due| {
            Kind::of_word(&due.kind) == Some(Kind::Events)
                && is_active(&self.inner.registry.tenants, &due.tenant)
        });
        events.map(|due| due.tenant.into()).collect()
    }

    /// The tenants in which a component is on again whose events wait.
    fn on_again(&self, runtime: &Runtime) -> Vec<Arc<str>> {
        let application = runtime.application();
        let mut off = self.off();
        off.retain(|tenant, _| is_active(&self.inner.registry.tenants, tenant));
        let again = off.iter().filter(|(tenant, components)| {
            let mut components = components.iter();
            components.any(|component| tenant::is_on(&application, tenant, component))
        });
        again.map(|(tenant, _)| Arc::clone(tenant)).collect()
    }

    fn off(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Vec<Arc<str>>>> {
        self.inner
            .off
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for tenants in which something is due and nobody sees to it.
    async fn due(&self) -> Vec<Woken> {
        let is_seen_to = |due: &DueTenant| {
            let tenant = due.tenant.as_str();
            let is_at_work = match Kind::of_word(&due.kind) {
                None => true,
                Some(Kind::Events) => self.tenants().contains_key(tenant),
                Some(Kind::Tasks) => self.inner.tasks.is_at_work(tenant),
            };
            is_at_work || !is_active(&self.inner.registry.tenants, tenant)
        };
        let due = self.inner.registry.due.next(TENANTS, is_seen_to);
        let Ok(due) = tokio::time::timeout(LOOK, due).await else {
            return Vec::new();
        };
        match due {
            Ok(due) => {
                let due = due.into_iter();
                due.filter_map(|due| Some((Kind::of_word(&due.kind)?, due.tenant.into())))
                    .collect()
            }
            Err(error) => {
                tracing::error!(%error, "which tenants have something due could not be read; it is tried again");
                tokio::time::sleep(PAUSE).await;
                Vec::new()
            }
        }
    }

    fn tenants(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, TenantDispatch>> {
        let tenants = self.inner.tenants.lock();
        tenants.unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that somebody delivers in a tenant.
    fn deliver_in(
        &self,
        tenant: &Arc<str>,
        runtime: &Runtime,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        self.off().remove(tenant);
        let mut tenants = self.tenants();
        if let Some(known) = tenants.get(tenant) {
            return known.wake();
        }
        let (handle, task) = TenantDispatch::new(
            Arc::clone(tenant),
            runtime.clone(),
            Arc::clone(&self.inner.publications),
            self.inner.registry.tenants.clone(),
            stop.clone(),
        );
        tenants.insert(Arc::clone(tenant), handle);
        let (dispatch, tenant) = (self.clone(), Arc::clone(tenant));
        tasks.spawn(async move {
            task.run(|off| {
                if !off.is_empty() {
                    dispatch.off().insert(Arc::clone(&tenant), off);
                }
                dispatch.tenants().remove(&tenant);
            })
            .await;
        });
    }
}

/// Whether anything is done in a tenant: not in one that is suspended, or on its way out.
pub(crate) fn is_active(tenants: &Tenants, tenant: &str) -> bool {
    let tenant = tenants.get(tenant);
    tenant.is_some_and(|tenant| tenant.state == TenantState::Active)
}

// === impl Kind ===

impl Kind {
    const ALL: [Self; 2] = [Self::Events, Self::Tasks];

    /// By which it is due.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Tasks => "tasks",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch").finish_non_exhaustive()
    }
}
