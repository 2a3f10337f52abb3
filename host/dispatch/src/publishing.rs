//! Who publishes says so first: it is written down that the tenant has something to be delivered, and
//! who is to have it. Both are known already mostly, and cost nothing then.
//!
//! A tenant's [`Gate`] is held open by everybody who publishes, until the commit is over. Whoever finds
//! everything delivered closes it for a moment, so that nothing is published between that look and
//! writing down that nothing is due.

use crate::KIND;
use crate::subscription::Subscription;
use futures::future::BoxFuture;
use jiff::Timestamp;
use sbd_manifest::App;
use sbd_registry::Due;
use sbd_runtime::{EventLog, Publishing, Runtime, WeakRuntime};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, mpsc};

/// The gates of all tenants in which something was published since the start.
pub(crate) struct Gates {
    due: Due,
    wake: mpsc::UnboundedSender<Arc<str>>,
    runtime: OnceLock<WeakRuntime>,
    gates: Mutex<HashMap<Arc<str>, Arc<RwLock<Gate>>>>,
}

/// What is known of a tenant in which events are published.
#[derive(Default)]
pub(crate) struct Gate {
    /// Whether it is written down that something is due.
    is_due: bool,
    /// The application whose subscribers have their places in the log.
    known: Option<Arc<App>>,
}

/// Holds a gate open, and wakes who delivers when it is let go.
struct Announced {
    tenant: Arc<str>,
    wake: mpsc::UnboundedSender<Arc<str>>,
    _gate: OwnedRwLockReadGuard<Gate>,
}

// === impl Announced ===

impl Drop for Announced {
    fn drop(&mut self) {
        // Nobody hears it: the process ends, and the next start looks.
        let _ = self.wake.send(Arc::clone(&self.tenant));
    }
}

// === impl Gates ===

impl Gates {
    pub(crate) fn new(due: Due, wake: mpsc::UnboundedSender<Arc<str>>) -> Self {
        Self {
            due,
            wake,
            runtime: OnceLock::new(),
            gates: Mutex::default(),
        }
    }

    pub(crate) fn attach(&self, runtime: &Runtime) {
        let _ = self.runtime.set(runtime.downgrade());
    }

    /// Has somebody look whether there is something to deliver.
    pub(crate) fn wake(&self, tenant: &Arc<str>) {
        // Nobody hears it: the process ends, and the next start looks.
        let _ = self.wake.send(Arc::clone(tenant));
    }

    fn gate(&self, tenant: &Arc<str>) -> Arc<RwLock<Gate>> {
        let gates = self.gates.lock();
        let mut gates = gates.unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(Arc::clone(tenant)).or_default())
    }

    /// Closes a tenant's gate: nobody publishes there meanwhile.
    pub(crate) async fn close(&self, tenant: &Arc<str>) -> OwnedRwLockWriteGuard<Gate> {
        self.gate(tenant).write_owned().await
    }

    /// Writes down when something is due next in a tenant whose gate is closed.
    pub(crate) async fn rest(
        &self,
        gate: &mut Gate,
        tenant: &str,
        next: Option<Timestamp>,
    ) -> Result<(), sbd_registry::Error> {
        self.due.settle(tenant, KIND, next).await?;
        gate.is_due = false;
        Ok(())
    }

    /// Opens a gate, ready for an event.
    async fn open(&self, tenant: &Arc<str>) -> Result<OwnedRwLockReadGuard<Gate>, String> {
        let runtime = self.runtime.get().and_then(WeakRuntime::upgrade);
        let runtime = runtime.ok_or("the host is starting or stopping; try again")?;
        let application = runtime.application();
        let gate = self.gate(tenant);
        let held = Arc::clone(&gate).read_owned().await;
        if held.is_ready(application.app()) {
            return Ok(held);
        }
        drop(held);
        let mut gate = gate.write_owned().await;
        if !gate.is_due {
            let at = self.due.at(tenant, KIND, Timestamp::now()).await;
            at.map_err(|error| error.to_string())?;
            gate.is_due = true;
        }
        if !gate.is_ready(application.app()) {
            let log = runtime.events(tenant).await;
            let log = log.map_err(|error| error.to_string())?;
            for (component, _) in Subscription::all(&application) {
                begin(&log, &component).await?;
            }
            gate.known = Some(Arc::clone(application.app()));
        }
        Ok(gate.downgrade())
    }
}

/// A subscriber that is new begins behind what was published before.
pub(crate) async fn begin(log: &EventLog, component: &str) -> Result<sbd_events::Position, String> {
    let newest = log.documents.place_at(Timestamp::MAX).await;
    let newest = newest.map_err(|error| error.to_string())?;
    let begun = log.deliveries.begin(component, newest).await;
    begun.map_err(|error| error.to_string())
}

impl Publishing for Gates {
    fn announce<'a>(
        &'a self,
        tenant: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Box<dyn Send>, String>> {
        Box::pin(async move {
            let announced = Announced {
                _gate: self.open(tenant).await?,
                tenant: Arc::clone(tenant),
                wake: self.wake.clone(),
            };
            Ok(Box::new(announced) as Box<dyn Send>)
        })
    }
}

// === impl Gate ===

impl Gate {
    fn is_ready(&self, app: &Arc<App>) -> bool {
        self.is_due
            && self
                .known
                .as_ref()
                .is_some_and(|known| Arc::ptr_eq(known, app))
    }
}
