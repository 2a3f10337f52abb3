//! Tells tenants which schedules their components declare: those of each component that is switched on
//! there. A tenant that was told goes by its own store from then on ([`crate::tasks`] has what is due
//! enqueued), and is opened only when something is due, or when what is declared changes.

use crate::tasks::Tasks;
use futures::StreamExt as _;
use jiff::Timestamp;
use sbd_registry::{Plan, Plans, Registry, Tenants};
use sbd_runtime::{Application, Publishing as _, Runtime};
use sbd_tasks::schedules::{Declared, Timing};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often to see whether what is declared has changed: by a deployment, by a switch, or because a tenant
/// is new.
const LOOK: Duration = Duration::from_secs(2);

/// How long a tenant is left alone that could not be told.
const PAUSE: Duration = Duration::from_secs(30);

/// Tenants that are told at once: each is opened for it.
const AT_ONCE: usize = 16;

/// Tells tenants of schedules.
pub(crate) struct Telling {
    tenants: Tenants,
    plans: Plans,
    tasks: Arc<Tasks>,
    runtime: Runtime,
}

/// What an application declares.
struct Declarations {
    application: Application,
    /// Of the components that declare something, by their names.
    components: Vec<(Arc<str>, Vec<Declared>)>,
    /// What there is where some of them are on, by which.
    known: HashMap<Vec<bool>, Told>,
}

/// What a tenant is told.
#[derive(Clone)]
struct Told {
    plan: Plan,
    declared: Arc<Vec<Declared>>,
}

// === impl Telling ===

impl Telling {
    pub(crate) fn new(registry: &Registry, tasks: Arc<Tasks>, runtime: Runtime) -> Self {
        Self {
            tenants: registry.tenants.clone(),
            plans: registry.plans.clone(),
            tasks,
            runtime,
        }
    }

    /// Tells until it is stopped.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failed = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.tell_all(&mut failed) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Tells every tenant that does not know yet.
    async fn tell_all(&self, failed: &mut HashMap<Arc<str>, Instant>) {
        failed.retain(|_, at| at.elapsed() < PAUSE);
        let mut declarations = Declarations::of(self.runtime.application());
        let mut untold = Vec::new();
        for tenant in self.tenants.list(0, usize::MAX) {
            let name = &*tenant.name;
            if failed.contains_key(name) || !crate::is_active(&self.tenants, name) {
                continue;
            }
            let told = declarations.in_tenant(name);
            if !self.plans.is_told(name, &told.plan) {
                untold.push((Arc::<str>::from(name), told));
            }
        }
        let telling = untold.into_iter().map(|(tenant, told)| async move {
            let told = self.tell(&tenant, &told).await;
            told.err().map(|error| (tenant, error))
        });
        let mut telling = futures::stream::iter(telling).buffer_unordered(AT_ONCE);
        while let Some(result) = telling.next().await {
            if let Some((tenant, error)) = result {
                tracing::error!(
                    tenant = &*tenant,
                    error,
                    "the tenant could not be told of its schedules; it is tried again"
                );
                failed.insert(tenant, Instant::now());
            }
        }
    }

    async fn tell(&self, tenant: &Arc<str>, told: &Told) -> Result<(), String> {
        // From here on somebody looks, until it is known when something is due.
        let _announced = self.tasks.announce(tenant).await?;
        let store = self.runtime.tasks(tenant).await;
        let store = store.map_err(|error| error.to_string())?;
        let declared = Vec::clone(&told.declared);
        let declared = store.tasks.declare(declared, Timestamp::now()).await;
        declared.map_err(|error| error.to_string())?;
        let told = self.plans.told(tenant, &told.plan).await;
        told.map_err(|error| error.to_string())
    }
}

// === impl Declarations ===

impl Declarations {
    fn of(application: Application) -> Self {
        let mut components = Vec::new();
        for id in application.app().components.keys() {
            let component: Arc<str> = Arc::from(id.as_str());
            let offered = application.offer(&component);
            let schedules = offered.iter().flat_map(|offered| &offered.offer.schedules);
            let declared = schedules.map(|declared| Declared {
                component: Arc::clone(&component),
                name: declared.name.clone(),
                timing: Timing::declared(declared),
            });
            let declared: Vec<_> = declared.collect();
            if !declared.is_empty() {
                components.push((component, declared));
            }
        }
        Self {
            application,
            components,
            known: HashMap::new(),
        }
    }

    /// What there is in a tenant.
    fn in_tenant(&mut self, tenant: &str) -> Told {
        let (features, switches) = (self.application.features(), self.application.switches());
        let components = self.components.iter();
        let on = components
            .map(|(id, _)| features.is_on(switches, tenant, id, None))
            .collect();
        let told = self.known.entry(on).or_insert_with_key(|on| {
            let components = self.components.iter().zip(on);
            let on = components.filter(|(_, on)| **on);
            Told::of(
                on.flat_map(|((_, declared), _)| declared)
                    .cloned()
                    .collect(),
            )
        });
        told.clone()
    }
}

// === impl Told ===

impl Told {
    fn of(declared: Vec<Declared>) -> Self {
        let mut hash = blake3::Hasher::new();
        for one in &declared {
            hash.update(format!("{one:?}\n").as_bytes());
        }
        let plan = match declared.is_empty() {
            true => Plan::from(""),
            false => hash.finalize().to_hex().as_str().into(),
        };
        Self {
            plan,
            declared: Arc::new(declared),
        }
    }
}
