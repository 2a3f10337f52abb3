//! One tenant at run time: its database, and its instances of the components that it uses.

use crate::application::Snapshot;
use crate::capabilities::{Capabilities, Opening};
use crate::component::LoadedComponent;
use crate::egress::Egress;
use crate::failures::Failures;
use crate::limit::Allowance;
use crate::pool::Pool;
use crate::turns::Turns;
use crate::worker::Blueprint;
use crate::{Error, Inner};
use arc_swap::ArcSwap;
use sbd_cache::MemoryBackend;
use sbd_config::ConfigCtx;
use sbd_documents::SqliteDocuments;
use sbd_keyvalue::SqliteBackend;
use sbd_storage::{Database, Quota};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};

/// A tenant's place, open or not. Whoever has it in hand keeps the tenant open.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) tenant: OnceCell<Tenant>,
    /// When it was used last, in milliseconds since the runtime started.
    used: AtomicU64,
}

/// A tenant that has been opened.
pub(crate) struct Tenant {
    pub(crate) name: Arc<str>,
    /// By the component's revision. Made as they are first used: most tenants use few components.
    pools: ArcSwap<HashMap<u64, Arc<Pool>>>,
    opening: Mutex<()>,
    database: Database,
    pub(crate) documents: Arc<SqliteDocuments>,
    pub(crate) keyvalue: Arc<SqliteBackend>,
    pub(crate) cache: Arc<MemoryBackend>,
    turns: Turns,
}

// === impl Place ===

impl Place {
    /// Notes that it is used now.
    pub(crate) fn touch(&self, now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.used.store(now, Ordering::Relaxed);
    }

    /// Whether nothing has happened here for so long, and nothing goes on.
    pub(crate) fn is_idle(&self, now: Duration, since: Duration) -> bool {
        let used = Duration::from_millis(self.used.load(Ordering::Relaxed));
        now.saturating_sub(used) >= since && self.tenant.get().is_none_or(Tenant::is_quiet)
    }
}

// === impl Tenant ===

impl Tenant {
    /// Opens the tenant's file.
    pub(crate) async fn open(runtime: &Arc<Inner>, name: &Arc<str>) -> Result<Self, Error> {
        let path = database_path(&runtime.data_dir, name);
        let options = runtime.storage.clone();
        let database = tokio::task::spawn_blocking(move || Database::open(&path, &options))
            .await
            .map_err(|error| Error::capability("storage", &error))?
            .map_err(|error| Error::capability("storage", &error))?;
        let documents = SqliteDocuments::new(database.clone());
        let keyvalue = SqliteBackend::open(database.clone())
            .await
            .map_err(|error| Error::capability("keyvalue", &error))?;
        Ok(Self {
            name: Arc::clone(name),
            pools: ArcSwap::default(),
            opening: Mutex::default(),
            database,
            documents: Arc::new(documents),
            keyvalue: Arc::new(keyvalue),
            cache: Arc::default(),
            turns: runtime.turns.of_tenant(),
        })
    }

    /// Where all that it stores is.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The instances of a component, if it has been used before.
    pub(crate) fn pool(&self, component: &LoadedComponent) -> Option<Arc<Pool>> {
        self.pools.load().get(&component.revision).cloned()
    }

    /// Whether a component of this name has been used before, in whatever version.
    pub(crate) fn uses(&self, id: &str) -> bool {
        let pools = self.pools.load();
        let mut components = pools.values().map(|pool| pool.component());
        components.any(|component| component.declared.id.as_str() == id)
    }

    /// Prepares a component for this tenant: its collections, what it may keep, its pool.
    pub(crate) async fn open_pool(
        &self,
        runtime: &Arc<Inner>,
        application: &Snapshot,
        component: &Arc<LoadedComponent>,
    ) -> Result<Arc<Pool>, Error> {
        let _alone = self.opening.lock().await;
        if let Some(pool) = self.pool(component) {
            return Ok(pool);
        }
        let tried = runtime.tries(component);
        self.configure(application, component, tried).await?;
        let pool = Arc::new(self.make_pool(runtime, application, component, tried));
        let mut pools = HashMap::clone(&self.pools.load());
        pools.insert(component.revision, Arc::clone(&pool));
        self.pools.store(Arc::new(pools));
        Ok(pool)
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
        let refused = |error: sbd_documents::Error| {
            Error::capability("documents", &format!("component `{id}`: {error}"))
        };
        let settings = &component.declared.settings;
        let others = self.others(component);
        let others = others
            .iter()
            .map(|pool| &pool.component().declared.settings);
        let declarations = crate::declarations::of_all(settings, others, tried);
        let configured = self.documents.configure(id, &declarations);
        configured.await.map_err(refused)?;
        let limits = &settings.limits;
        let quota = Quota {
            documents: limits.stored_documents as u64,
            bytes: limits.stored_bytes.bytes(),
        };
        self.documents.allow(id, quota).await.map_err(refused)?;
        for bucket in component.stores.iter() {
            let allowed = self
                .keyvalue
                .allow(bucket, application.bucket_bytes(bucket));
            allowed
                .await
                .map_err(|error| Error::capability("keyvalue", &error))?;
        }
        Ok(())
    }

    /// The pools of a component's other versions.
    fn others(&self, component: &LoadedComponent) -> Vec<Arc<Pool>> {
        let pools = self.pools.load();
        let others = pools.values().filter(|pool| {
            let other = pool.component();
            other.declared.id == component.declared.id && other.revision != component.revision
        });
        others.cloned().collect()
    }

    /// Lets the instances of what is not served any more end, and forgets the pools that have none
    /// left. Answers how many are left.
    pub(crate) async fn settle(&self, served: &Snapshot, tried: Option<&Snapshot>) -> usize {
        let is_old = |pool: &Arc<Pool>| {
            let component = pool.component();
            !served.has(component) && !tried.is_some_and(|tried| tried.has(component))
        };
        for pool in self.pools.load().values() {
            // What was old may be served again.
            pool.retire(is_old(pool));
            if served.has(pool.component()) {
                pool.show_features(&served.features);
            }
            if served.has(pool.component()) && pool.take_tried() {
                let _alone = self.opening.lock().await;
                self.adopt(served, pool.component()).await;
            }
        }
        if !self.pools.load().values().any(is_old) {
            return 0;
        }
        let _alone = self.opening.lock().await;
        let mut pools = HashMap::clone(&self.pools.load());
        let mut gone = Vec::new();
        pools.retain(|_, pool| {
            if !is_old(pool) {
                return true;
            }
            // One in the map, one in the copy: nobody is on the way to it.
            let is_over = pool.instances() == 0 && Arc::strong_count(pool) == 2;
            if is_over {
                gone.push(Arc::clone(pool));
            }
            !is_over
        });
        let left = pools.values().filter(|pool| is_old(pool)).count();
        if gone.is_empty() {
            return left;
        }
        self.pools.store(Arc::new(pools));
        for pool in gone {
            let component = served.components.get(pool.component().declared.id.as_str());
            if let Some(component) = component.filter(|component| self.pool(component).is_some()) {
                // What only the version had that is gone goes with it, its limits too.
                self.adopt(served, component).await;
            }
        }
        left
    }

    /// Keeps for a component what it declares, now that it alone decides.
    async fn adopt(&self, served: &Snapshot, component: &LoadedComponent) {
        if let Err(error) = self.configure(served, component, false).await {
            let id = component.declared.id.as_str();
            tracing::warn!(tenant = &*self.name, component = id, %error, "what an old version kept stays until the tenant is opened again");
        }
    }

    fn make_pool(
        &self,
        runtime: &Arc<Inner>,
        application: &Snapshot,
        component: &Arc<LoadedComponent>,
        tried: bool,
    ) -> Pool {
        let id: &Arc<str> = &Arc::from(component.declared.id.as_str());
        let catalogue = Arc::new(ArcSwap::new(Arc::clone(&application.features)));
        let capabilities = Capabilities::open(&Opening {
            runtime,
            tenant: self,
            component,
            features: &catalogue,
            id: Arc::clone(id),
        });
        let limits = component.declared.settings.limits.clone();
        let egress = Egress::new(
            Arc::clone(&component.allowed),
            runtime.reaches.clone(),
            limits.outbound_in_flight,
        );
        let failures = Failures::new(limits.failures);
        let allowance = Allowance::new(Arc::clone(&self.name), Arc::clone(id), limits);
        let blueprint = Blueprint {
            engine: runtime.engine.clone(),
            turns: self.turns.clone(),
            proxy: Arc::clone(&component.proxy),
            runtime: Arc::downgrade(runtime),
            allowance: Arc::new(allowance),
            egress: Arc::new(egress),
            environment: Arc::clone(&component.environment),
            config: ConfigCtx::new(Arc::clone(id), Arc::clone(&component.variables)),
            capabilities: Some(capabilities),
            slots: Arc::clone(&component.slots),
            crowded: Arc::clone(&runtime.crowded),
            own_instances: Arc::default(),
            failures: Arc::new(failures),
            retired: Arc::default(),
        };
        Pool::new(blueprint, Arc::clone(component), catalogue, tried)
    }

    /// Lets instances without work end.
    pub(crate) fn retire(&self) {
        for pool in self.pools.load().values() {
            pool.retire(true);
        }
    }

    /// Whether no instance is left that could still be at work.
    fn is_quiet(&self) -> bool {
        self.pools.load().values().all(|pool| pool.instances() == 0)
    }

    /// Deletes the documents whose time is over.
    pub(crate) async fn sweep(&self) {
        match self.documents.sweep().await {
            Ok(0) => {}
            Ok(deleted) => {
                tracing::debug!(tenant = &*self.name, deleted, "expired documents deleted");
            }
            Err(error) => {
                tracing::warn!(tenant = &*self.name, %error, "expired documents could not be deleted; the next pass tries again");
            }
        }
    }
}

/// The file of a tenant.
fn database_path(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join("tenants").join(format!("{name}.db"))
}

/// Removes the files of a tenant that is closed; answers which there were, with their sizes.
///
/// # Errors
/// When one that is there cannot be removed.
pub(crate) fn remove_files(data_dir: &Path, name: &str) -> std::io::Result<Vec<(PathBuf, u64)>> {
    let mut removed = Vec::new();
    // The database last: as long as it is there, the deletion can be run again.
    for suffix in ["-wal", "-shm", ""] {
        let mut path = database_path(data_dir, name).into_os_string();
        path.push(suffix);
        let path = PathBuf::from(path);
        match std::fs::metadata(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                removed.push((path, file.len()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}
