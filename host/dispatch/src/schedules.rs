//! Which schedules a tenant has: those that each component declares that is switched on there.
//!
//! The plan of a tenant is written down in the host's own database, with when something is due by it, so
//! that a tenant that is closed is opened then and not before. Whoever works on the tasks of a tenant
//! ([`crate::tasks`]) tells its store of the plan, and has what is due enqueued.

use crate::Kind;
use jiff::Timestamp;
use sbd_registry::{NewPlan, Plan, Plans, Registry, TenantState, Tenants};
use sbd_runtime::{Application, Runtime};
use sbd_tasks::schedules::{Declared, Timing};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often to see whether what is declared has changed: by a deployment, by a switch, or because a tenant
/// is new.
const LOOK: Duration = Duration::from_secs(3);

/// Plans that are written at once.
const BATCH: usize = 500;

/// Makes the plans of all tenants.
pub(crate) struct Planning {
    tenants: Tenants,
    plans: Plans,
    runtime: Runtime,
}

/// A schedule in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Planned {
    component: Arc<str>,
    name: String,
    timing: Timing,
    /// Since when, in milliseconds since 1970.
    since: i64,
}

/// What an application declares.
struct Declarations {
    application: Application,
    /// Of the components that declare something, by their names.
    components: Vec<(Arc<str>, Vec<Planned>)>,
    /// What comes of a plan where some of them are on, by which: `None` where nothing changes.
    changes: HashMap<(Option<Plan>, Vec<bool>), Option<Change>>,
}

/// A new plan.
#[derive(Clone)]
struct Change {
    plan: Option<Plan>,
    planned: Arc<Vec<Planned>>,
}

/// What the store of a tenant is to be told by its plan.
pub(crate) fn declared(tenant: &str, plan: Option<&Plan>) -> Vec<Declared> {
    let planned = plan.map(|plan| Planned::read(plan)).unwrap_or_default();
    let declared = planned.iter().map(|planned| planned.in_tenant(tenant));
    declared.collect()
}

// === impl Planning ===

impl Planning {
    pub(crate) fn new(registry: &Registry, runtime: Runtime) -> Self {
        Self {
            tenants: registry.tenants.clone(),
            plans: registry.plans.clone(),
            runtime,
        }
    }

    /// Keeps the plans as they should be until it is stopped.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.plan().await {
                tracing::error!(%error, "which schedules tenants have could not be written; it is tried again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Makes new plans for those whose schedules are not as they were.
    async fn plan(&self) -> Result<(), sbd_registry::Error> {
        let mut declarations = Declarations::of(self.runtime.application(), Timestamp::now());
        let mut new = Vec::new();
        for tenant in self.tenants.list(0, usize::MAX) {
            let name = &*tenant.name;
            if tenant.state != TenantState::Active {
                continue;
            }
            if let Some(change) = declarations.change(name, self.plans.of(name)) {
                new.push(change.of(name));
            }
            if new.len() == BATCH {
                let new = std::mem::take(&mut new);
                self.plans.set(Kind::Tasks.word(), new).await?;
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        self.plans.set(Kind::Tasks.word(), new).await
    }
}

// === impl Declarations ===

impl Declarations {
    fn of(application: Application, now: Timestamp) -> Self {
        let mut components = Vec::new();
        for id in application.app().components.keys() {
            let component: Arc<str> = Arc::from(id.as_str());
            let offered = application.offer(&component);
            let schedules = offered.iter().flat_map(|offered| &offered.offer.schedules);
            let planned = schedules.map(|declared| Planned {
                component: Arc::clone(&component),
                name: declared.name.clone(),
                timing: Timing::declared(declared),
                since: now.as_millisecond(),
            });
            let planned: Vec<_> = planned.collect();
            if !planned.is_empty() {
                components.push((component, planned));
            }
        }
        Self {
            application,
            components,
            changes: HashMap::new(),
        }
    }

    /// The new plan of a tenant that has this one, if its schedules are others.
    fn change(&mut self, tenant: &str, plan: Option<Plan>) -> Option<Change> {
        let (features, switches) = (self.application.features(), self.application.switches());
        let components = self.components.iter();
        let on: Vec<bool> = components
            .map(|(id, _)| features.is_on(switches, tenant, id, None))
            .collect();
        let components = &self.components;
        let change = self
            .changes
            .entry((plan, on))
            .or_insert_with_key(|(plan, on)| {
                let known = plan.as_ref().map(|plan| Planned::read(plan));
                let known = known.unwrap_or_default();
                let on = components.iter().zip(on).filter(|(_, on)| **on);
                let wanted = on.flat_map(|((_, planned), _)| planned);
                // What was there goes on since when it did.
                let planned = wanted.map(|wanted| {
                    let mut known = known.iter();
                    let known = known.find(|known| known.is_as(wanted));
                    known.unwrap_or(wanted).clone()
                });
                let planned: Vec<_> = planned.collect();
                (planned != known).then(|| Change::new(planned))
            });
        change.clone()
    }
}

// === impl Change ===

impl Change {
    fn new(planned: Vec<Planned>) -> Self {
        let written = serde_json::to_string(&planned).ok();
        Self {
            plan: written.filter(|_| !planned.is_empty()).map(Plan::from),
            planned: Arc::new(planned),
        }
    }

    /// The same for one tenant, with when something is due there.
    fn of(&self, tenant: &str) -> NewPlan {
        let declared = self.planned.iter();
        let due = declared.filter_map(|planned| planned.in_tenant(tenant).first());
        NewPlan {
            tenant: tenant.into(),
            plan: self.plan.clone(),
            due: due.min(),
        }
    }
}

// === impl Planned ===

impl Planned {
    /// The schedules of a plan. One that another version wrote, and this one cannot read, is made anew.
    fn read(plan: &str) -> Vec<Self> {
        serde_json::from_str(plan).unwrap_or_default()
    }

    /// Whether it is the same schedule at the same times, since whenever.
    fn is_as(&self, other: &Self) -> bool {
        (&self.component, &self.name, &self.timing)
            == (&other.component, &other.name, &other.timing)
    }

    /// As the store of a tenant has it. Its jitter is the tenant's own.
    fn in_tenant(&self, tenant: &str) -> Declared {
        let mut seed = blake3::Hasher::new();
        for part in [tenant, &self.component, &self.name] {
            seed.update(part.as_bytes()).update(b"\n");
        }
        let [a, b, c, d, e, f, g, h, ..] = *seed.finalize().as_bytes();
        Declared {
            component: Arc::clone(&self.component),
            name: self.name.clone(),
            timing: self.timing.clone(),
            since: Timestamp::from_millisecond(self.since).unwrap_or(Timestamp::MAX),
            seed: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        }
    }
}
