//! One tenant at run time: its database, and its instances of the components that it uses.

mod declarations;

use crate::audit::ComponentTrail;
use crate::engine::compile_cache::CompileCache;
use crate::events::{Announcer, ComponentLog};
use crate::instances::capabilities::{Capabilities, Opening};
use crate::instances::circuit_breaker::CircuitBreaker;
use crate::instances::cpu_scheduler::CpuScheduler;
use crate::instances::pool::Pool;
use crate::instances::worker::Blueprint;
use crate::keyrings::Keyrings;
use crate::limits::ComponentBudget;
use crate::offers::Loader;
use crate::requests::egress::{Egress, Reaches};
use crate::served::Snapshot;
use crate::served::component::LoadedComponent;
use crate::stores::{OpenStores, Stores};
use crate::{Error, Publishing};
use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use sbd_config::ConfigCtx;
use sbd_features::{Catalogue, Switches};
use sbd_inference::Models;
use sbd_mail::Mailer;
use sbd_pace::Breakers;
use sbd_passwords::Hasher;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, OnceCell};
use wasmtime::Engine;

/// What the instances of all tenants share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) scheduler: CpuScheduler,
    pub(crate) reaches: Reaches,
    pub(crate) passwords: Arc<Hasher>,
    pub(crate) images: sbd_ocr::Reader,
    pub(crate) keyrings: Keyrings,
    pub(crate) mailer: Arc<Mailer>,
    pub(crate) models: Arc<Models>,
    pub(crate) switches: Switches,
    pub(crate) publishing: Arc<dyn Publishing>,
    /// Who has been failing.
    pub(crate) breakers: Breakers,
    pub(crate) enqueuing: Arc<dyn Publishing>,
    pub(crate) stores: Box<dyn OpenStores>,
    /// Where the files of components are laid out.
    pub(crate) files: PathBuf,
    /// Somebody who has no instance needs the slot of one without work.
    pub(crate) crowded: Arc<Notify>,
    /// The process is about to end.
    pub(crate) stopping: Arc<AtomicBool>,
}

/// A tenant's place, open or not. Whoever has it in hand keeps the tenant open.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) tenant: OnceCell<Tenant>,
    /// When it was used last, in milliseconds since the runtime started; 0: not yet.
    used: AtomicU64,
}

/// A tenant that has been opened.
pub(crate) struct Tenant {
    name: Arc<str>,
    /// By the component's revision. Made as they are first used: most tenants use few components.
    serving: ArcSwap<HashMap<u64, Arc<Serving>>>,
    opening: Mutex<()>,
    stores: Stores,
    scheduler: CpuScheduler,
}

/// One version of a component at work for a tenant.
pub(crate) struct Serving {
    pub(crate) component: Arc<LoadedComponent>,
    pub(crate) pool: Pool,
    /// What its instances know of the application's features.
    features: Arc<ArcSwap<Catalogue>>,
    /// Whether it was made for a version that was only tried.
    tried: AtomicBool,
}

// === impl Shared ===

impl Shared {
    /// What components are loaded with.
    pub(crate) fn loader<'a>(&'a self, compile_cache: &'a CompileCache) -> Loader<'a> {
        Loader {
            engine: &self.engine,
            compile_cache,
            scheduler: &self.scheduler,
            reaches: &self.reaches,
            files: &self.files,
        }
    }
}

// === impl Place ===

impl Place {
    /// Notes that it is used now.
    pub(crate) fn touch(&self, now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.used.store(now.max(1), Ordering::Relaxed);
    }

    /// Whether it has not been used for so long, or not at all since it was opened. What the host itself
    /// has to do there is no use.
    pub(crate) fn is_unused(&self, now: Duration, since: Duration) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        used == 0 || now.saturating_sub(Duration::from_millis(used)) >= since
    }

    /// The same, and nothing goes on.
    pub(crate) fn is_idle(&self, now: Duration, since: Duration) -> bool {
        self.is_unused(now, since) && self.tenant.get().is_none_or(Tenant::is_quiet)
    }
}

// === impl Tenant ===

impl Tenant {
    /// Opens the tenant's stores.
    pub(crate) async fn open(shared: &Shared, name: &Arc<str>) -> Result<Self, Error> {
        Ok(Self {
            name: Arc::clone(name),
            serving: ArcSwap::default(),
            opening: Mutex::default(),
            stores: shared.stores.open(name).await?,
            scheduler: shared.scheduler.of_tenant(),
        })
    }

    /// Where all that it stores is.
    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// A component at work, if it has been used before.
    pub(crate) fn serving(&self, component: &LoadedComponent) -> Option<Arc<Serving>> {
        self.serving.load().get(&component.revision).cloned()
    }

    /// Whether a component of this name has been used before, in whatever version.
    pub(crate) fn uses(&self, id: &str) -> bool {
        let serving = self.serving.load();
        let mut components = serving.values().map(|serving| &serving.component);
        components.any(|component| component.declared.id.as_str() == id)
    }

    /// Prepares a component for this tenant, which is served or only `tried`: its collections, what it
    /// may keep, its pool.
    pub(crate) async fn prepare(
        &self,
        shared: &Shared,
        application: &Snapshot,
        component: &Arc<LoadedComponent>,
        tried: bool,
    ) -> Result<Arc<Serving>, Error> {
        let _alone = self.opening.lock().await;
        if let Some(serving) = self.serving(component) {
            return Ok(serving);
        }
        self.configure(application, component, tried).await?;
        let features = Arc::new(ArcSwap::new(Arc::clone(&application.features)));
        let made = Arc::new(Serving {
            pool: Pool::new(self.blueprint(shared, component, &features)),
            component: Arc::clone(component),
            features,
            tried: AtomicBool::new(tried),
        });
        let mut serving = HashMap::clone(&self.serving.load());
        serving.insert(component.revision, Arc::clone(&made));
        self.serving.store(Arc::new(serving));
        Ok(made)
    }

    /// Brings what the tenant keeps for a component in line with the manifest. What other versions
    /// have that still answer requests stays; and a version that is only `tried` deletes nothing.
    async fn configure(
        &self,
        application: &Snapshot,
        component: &LoadedComponent,
        tried: bool,
    ) -> Result<(), Error> {
        let id = component.declared.id.as_str();
        let refused = |error: sbd_documents::Error| match error {
            sbd_documents::Error::Full => Error::Full,
            error => Error::capability("documents", &format!("component `{id}`: {error}")),
        };
        let settings = &component.declared.settings;
        let others = self.others(component);
        let others = others
            .iter()
            .map(|serving| &serving.component.declared.settings);
        let declarations = declarations::of_all(settings, others, tried);
        let configured = self.stores.documents.configure(id, &declarations);
        configured.await.map_err(refused)?;
        self.stores
            .documents
            .allow(id, component.quota_of_storage())
            .await
            .map_err(refused)?;
        let bytes = component.quota_of_storage().bytes;
        let allowed = self.stores.vectors.allow(id, bytes);
        allowed
            .await
            .map_err(|error| Error::capability("vectors", &error))?;
        for bucket in component.stores.iter() {
            let allowed = self
                .stores
                .keyvalue
                .allow(bucket, application.bucket_bytes(bucket));
            allowed
                .await
                .map_err(|error| Error::capability("keyvalue", &error))?;
        }
        Ok(())
    }

    /// A component's other versions at work.
    fn others(&self, component: &LoadedComponent) -> Vec<Arc<Serving>> {
        let serving = self.serving.load();
        let others = serving.values().filter(|serving| {
            let other = &serving.component;
            other.declared.id == component.declared.id && other.revision != component.revision
        });
        others.cloned().collect()
    }

    /// Lets the instances of what is not served any more end, and forgets the versions that have none
    /// left. Answers how many are left.
    pub(crate) async fn settle(&self, served: &Snapshot, tried: Option<&Snapshot>) -> usize {
        let is_old = |serving: &Arc<Serving>| {
            let component = &serving.component;
            !served.has(component) && !tried.is_some_and(|tried| tried.has(component))
        };
        for serving in self.serving.load().values() {
            // What was old may be served again.
            serving.pool.retire(is_old(serving));
            if served.has(&serving.component) {
                serving.show_features(&served.features);
            }
            if served.has(&serving.component) && serving.take_tried() {
                let _alone = self.opening.lock().await;
                self.adopt(served, &serving.component).await;
            }
        }
        if !self.serving.load().values().any(is_old) {
            return 0;
        }
        let _alone = self.opening.lock().await;
        let mut left = HashMap::clone(&self.serving.load());
        let mut gone = Vec::new();
        left.retain(|_, serving| {
            if !is_old(serving) {
                return true;
            }
            // One in the map, one in the copy: nobody is on the way to it.
            let is_over = serving.pool.instances() == 0 && Arc::strong_count(serving) == 2;
            if is_over {
                gone.push(Arc::clone(serving));
            }
            !is_over
        });
        let old = left.values().filter(|serving| is_old(serving)).count();
        if gone.is_empty() {
            return old;
        }
        self.serving.store(Arc::new(left));
        for serving in gone {
            let id = serving.component.declared.id.as_str();
            let component = served.components.get(id);
            if let Some(component) = component.filter(|component| self.serving(component).is_some())
            {
                // What only the version had that is gone goes with it, its limits too.
                self.adopt(served, component).await;
            }
        }
        old
    }

    /// Keeps for a component what it declares, now that it alone decides.
    async fn adopt(&self, served: &Snapshot, component: &LoadedComponent) {
        if let Err(error) = self.configure(served, component, false).await {
            let id = component.declared.id.as_str();
            tracing::warn!(tenant = &*self.name, component = id, %error, "what an old version kept stays until the tenant is opened again");
        }
    }

    fn blueprint(
        &self,
        shared: &Shared,
        component: &LoadedComponent,
        features: &Arc<ArcSwap<Catalogue>>,
    ) -> Blueprint {
        let id: &Arc<str> = &Arc::from(component.declared.id.as_str());
        let announce: Arc<dyn sbd_documents::Announce> = Arc::new(Announcer {
            tenant: Arc::clone(&self.name),
            publishing: Arc::clone(&shared.publishing),
        });
        let trail: Arc<dyn sbd_audit::Trail> = Arc::new(ComponentTrail {
            documents: Arc::clone(&self.stores.documents),
            component: Arc::clone(id),
        });
        let log: Arc<dyn sbd_events::Log> = Arc::new(ComponentLog {
            documents: Arc::clone(&self.stores.documents),
            announce: Arc::clone(&announce),
            component: Arc::clone(id),
        });
        let enqueuing: Arc<dyn sbd_tasks::Announce> = Arc::new(Announcer {
            tenant: Arc::clone(&self.name),
            publishing: Arc::clone(&shared.enqueuing),
        });
        let offered = component
            .offer
            .iter()
            .flat_map(|offered| &offered.offer.tasks);
        let queues = offered.map(|task| (task.name.clone(), task.queue.clone()));
        let queues = Arc::new(queues.collect());
        let capabilities = Capabilities::open(&Opening {
            tenant: &self.name,
            component: id,
            stores: &self.stores,
            announce: &announce,
            log: &log,
            trail: &trail,
            enqueuing: &enqueuing,
            queues: &queues,
            buckets: &component.stores,
            databases: &component.databases,
            database_bytes: component.declared.settings.limits.stored_bytes.bytes(),
            passwords: &shared.passwords,
            images: &shared.images,
            keyrings: &shared.keyrings,
            mailer: &shared.mailer,
            models: &shared.models,
            switches: &shared.switches,
            metrics: &component.metrics,
            channels: &component.channels,
            features,
        });
        let limits = component.declared.settings.limits.clone();
        let egress = Egress::new(
            Arc::clone(&component.allowed),
            shared.reaches.clone(),
            limits.outbound_in_flight,
        );
        let breaker = Arc::new(CircuitBreaker::new(limits.failures));
        let breakers = &shared.breakers;
        breakers.list("requests", id, &self.name, &breaker);
        let budget = ComponentBudget::new(Arc::clone(&self.name), Arc::clone(id), limits);
        Blueprint {
            engine: shared.engine.clone(),
            scheduler: self.scheduler.clone(),
            proxy: Arc::clone(&component.proxy),
            requests: component.reuse.requests,
            at_once: component.reuse.at_once,
            budget: Arc::new(budget),
            egress: Arc::new(egress),
            environment: Arc::clone(&component.environment),
            files: component.files.clone(),
            config: ConfigCtx::new(Arc::clone(id), Arc::clone(&component.variables)),
            capabilities: Some(capabilities),
            quota: Arc::clone(&component.quota),
            crowded: Arc::clone(&shared.crowded),
            own_instances: Arc::default(),
            breaker,
            retired: Arc::default(),
            stopping: Arc::clone(&shared.stopping),
        }
    }

    /// Lets instances without work end.
    pub(crate) fn retire(&self) {
        for serving in self.serving.load().values() {
            serving.pool.retire(true);
        }
    }

    /// Whether no instance is left that could still be at work.
    fn is_quiet(&self) -> bool {
        self.serving
            .load()
            .values()
            .all(|serving| serving.pool.instances() == 0)
    }

    /// Deletes the documents whose time is over.
    pub(crate) async fn sweep(&self) {
        match self.stores.documents.sweep().await {
            Ok(0) => {}
            Ok(deleted) => {
                tracing::debug!(tenant = &*self.name, deleted, "expired documents deleted");
            }
            Err(error) => {
                tracing::warn!(tenant = &*self.name, %error, "expired documents could not be deleted; the next pass tries again");
            }
        }
        match self.stores.blobs.sweep_at(Timestamp::now()).await {
            Ok(0) => {}
            Ok(begun) => {
                tracing::debug!(
                    tenant = &*self.name,
                    begun,
                    "blobs that nobody finished are forgotten"
                );
            }
            Err(error) => {
                tracing::warn!(tenant = &*self.name, %error, "blobs that nobody finished are still there; the next pass tries again");
            }
        }
        for (component, days) in self.audits() {
            let before = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * days));
            let Ok(before) = before else { continue };
            if let Err(error) = self.stores.documents.prune(&component, before).await {
                tracing::warn!(tenant = &*self.name, component, %error, "what was recorded long ago could not be deleted; the next pass tries again");
            }
        }
    }

    /// The components that keep what they record for so many days only. Of several versions at work the one
    /// that keeps it longest decides; one that is only tried deletes nothing.
    fn audits(&self) -> BTreeMap<String, i64> {
        let mut days: BTreeMap<String, Option<i64>> = BTreeMap::new();
        for serving in self.serving.load().values() {
            let declared = &serving.component.declared;
            let tried = serving.tried.load(Ordering::Relaxed);
            let keep = declared.settings.audit_keep_days.filter(|_| !tried);
            let keep = keep.map(i64::from);
            let longest = days.entry(declared.id.to_string()).or_insert(keep);
            *longest = longest.zip(keep).map(|(one, other)| one.max(other));
        }
        let kept = days.into_iter();
        kept.filter_map(|(component, days)| Some((component, days?)))
            .collect()
    }
}

// === impl Serving ===

impl Serving {
    /// Tells its instances which features there are, if these are others than before.
    fn show_features(&self, features: &Arc<Catalogue>) {
        if !Arc::ptr_eq(&self.features.load(), features) {
            self.features.store(Arc::clone(features));
        }
    }

    /// Whether it was made for a version that was only tried, and that is served now. Says so once.
    fn take_tried(&self) -> bool {
        self.tried.swap(false, Ordering::Relaxed)
    }
}
