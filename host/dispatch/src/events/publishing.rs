//! Who publishes says so first: that there is something to be delivered, and who is to have it.

use crate::Kind;
use crate::events::subscription::Subscription;
use crate::gates::{Entered, Gate, Gates, Wake};
use futures::future::BoxFuture;
use jiff::Timestamp;
use sbd_manifest::App;
use sbd_registry::Due;
use sbd_runtime::{EventLog, Publishing, Runtime, WeakRuntime};
use std::sync::{Arc, OnceLock};
use tokio::sync::OwnedRwLockReadGuard;

/// The application whose subscribers have their places in a tenant's log.
pub(crate) type Known = Option<Arc<App>>;

/// Where events are published.
pub(crate) struct Publications {
    pub(crate) gates: Gates<Known>,
    runtime: OnceLock<WeakRuntime>,
}

// === impl Publications ===

impl Publications {
    pub(crate) fn new(due: Due, wake: Wake) -> Self {
        Self {
            gates: Gates::new(Kind::Events, due, wake),
            runtime: OnceLock::new(),
        }
    }

    pub(crate) fn attach(&self, runtime: &Runtime) {
        let _ = self.runtime.set(runtime.downgrade());
    }

    /// Opens a gate, ready for an event.
    async fn open(&self, tenant: &Arc<str>) -> Result<OwnedRwLockReadGuard<Gate<Known>>, String> {
        let runtime = self.runtime.get().and_then(WeakRuntime::upgrade);
        let runtime = runtime.ok_or("the host is starting or stopping; try again")?;
        let application = runtime.application();
        let is_served = |known: &Known| {
            let known = known.as_ref();
            known.is_some_and(|known| Arc::ptr_eq(known, application.app()))
        };
        let mut gate = match self.gates.enter(tenant, is_served).await? {
            Entered::Open(gate) => return Ok(gate),
            Entered::Alone(gate) => gate,
        };
        let log = runtime.events(tenant).await;
        let log = log.map_err(|error| error.to_string())?;
        for (component, _) in Subscription::all(&application) {
            begin(&log, &component).await?;
        }
        gate.known = Some(Arc::clone(application.app()));
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

impl Publishing for Publications {
    fn announce<'a>(
        &'a self,
        tenant: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Box<dyn Send>, String>> {
        Box::pin(async move {
            let gate = self.open(tenant).await?;
            Ok(Box::new(self.gates.announced(tenant, gate)) as Box<dyn Send>)
        })
    }
}
