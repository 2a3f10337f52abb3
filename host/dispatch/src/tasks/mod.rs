//! Tasks on their way to the components that work on them.
//!
//! Every queue has so many places, for the whole host, and whoever waits for one gets it in the order in
//! which they came. A tenant waits in each queue for one place at a time, and takes its best task when it
//! has it: so a tenant with a million tasks is no more in the way of one with a single task than any
//! other. A tenant in which nothing is due costs nothing; the host's own database says when to look.
//!
//! Who works in a tenant has what is due by a schedule enqueued too, which is a task like any other then.
//!
//! The files: `queues` (how many run at once), `tenant` (the tasks of one tenant), `attempt` (one on its
//! way).

mod attempt;
mod queues;
mod tenant;

pub use queues::Queues;

use crate::Kind;
use crate::gates::{Entered, Gates, Wake};
use attempt::Came;
use futures::future::BoxFuture;
use jiff::Timestamp;
use queues::Places;
use sbd_registry::{Plans, Registry, Tenants};
use sbd_runtime::{Publishing, Runtime};
use sbd_telemetry::metrics::{TASKS, TASKS_RUNNING};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tenant::TenantTasks;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tenants that are opened at once because something is due there: however many share a time, the host
/// keeps room for its visitors.
const ROOMS: usize = 100;

/// What those at work in all tenants share.
pub(crate) struct Tasks {
    gates: Gates<()>,
    places: Places,
    rooms: Arc<Semaphore>,
    /// Which schedules tenants have.
    plans: Plans,
    /// What was due before was missed: nobody was there.
    since: Timestamp,
    /// Tenants in which somebody is at work.
    tenants: Mutex<HashMap<Arc<str>, Arc<Notify>>>,
}

/// An attempt in the metrics, until it is over.
struct Counted {
    queue: String,
}

// === impl Tasks ===

impl Tasks {
    pub(crate) fn new(queues: &Queues, registry: &Registry, wake: Wake) -> Self {
        Self {
            gates: Gates::new(Kind::Tasks, registry.due.clone(), wake),
            plans: registry.plans.clone(),
            places: Places::new(queues),
            rooms: Arc::new(Semaphore::new(ROOMS)),
            since: Timestamp::now(),
            tenants: Mutex::default(),
        }
    }

    /// Whether somebody is at work in a tenant.
    pub(crate) fn is_at_work(&self, tenant: &str) -> bool {
        self.tenants().contains_key(tenant)
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Notify>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that somebody is at work in a tenant.
    pub(crate) fn work_in(
        self: &Arc<Self>,
        tenant: &Arc<str>,
        runtime: &Runtime,
        known: &Tenants,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        let mut tenants = self.tenants();
        if let Some(wake) = tenants.get(tenant) {
            return wake.notify_one();
        }
        let wake = Arc::new(Notify::new());
        tenants.insert(Arc::clone(tenant), Arc::clone(&wake));
        let at_work = TenantTasks::new(
            Arc::clone(tenant),
            runtime.clone(),
            Arc::clone(self),
            known.clone(),
            stop.clone(),
            wake,
        );
        let (this, tenant) = (Arc::clone(self), Arc::clone(tenant));
        let (runtime, stop) = (runtime.clone(), stop.clone());
        tasks.spawn(async move {
            let gone = || {
                this.tenants().remove(&tenant);
            };
            let room = tokio::select! {
                () = stop.cancelled() => return gone(),
                room = this.room(&runtime, &tenant) => room,
            };
            let room = at_work.run(room, gone).await;
            if room.is_some() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = runtime.let_go(&tenant) => {}
                }
            }
        });
    }

    /// Room to open a tenant, in the order in which they asked for it. One that is open needs none.
    async fn room(&self, runtime: &Runtime, tenant: &str) -> Option<OwnedSemaphorePermit> {
        if runtime.is_open(tenant) {
            return None;
        }
        Arc::clone(&self.rooms).acquire_owned().await.ok()
    }

    /// Whether others wait for room.
    fn is_crowded(&self) -> bool {
        self.rooms.available_permits() == 0
    }
}

impl Publishing for Tasks {
    fn announce<'a>(
        &'a self,
        tenant: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Box<dyn Send>, String>> {
        Box::pin(async move {
            let gate = match self.gates.enter(tenant, |()| true).await? {
                Entered::Open(gate) => gate,
                Entered::Alone(gate) => gate.downgrade(),
            };
            Ok(Box::new(self.gates.announced(tenant, gate)) as Box<dyn Send>)
        })
    }
}

// === impl Counted ===

impl Counted {
    fn new(queue: &str) -> Self {
        let queue = queue.to_owned();
        metrics::gauge!(TASKS_RUNNING, "queue" => queue.clone()).increment(1);
        Self { queue }
    }

    fn over(self, came: Came) {
        let outcome = tenant::word(came);
        metrics::counter!(TASKS, "queue" => self.queue.clone(), "outcome" => outcome).increment(1);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!(TASKS_RUNNING, "queue" => self.queue.clone()).decrement(1);
    }
}
