//! One tenant at run time: its database, and its instances of every component.

use crate::egress::Egress;
use crate::failures::Failures;
use crate::instance::Capabilities;
use crate::limit::Allowance;
use crate::pool::Pool;
use crate::worker::Blueprint;
use crate::{Error, Inner, LoadedComponent};
use sbd_cache::{CacheCtx, MemoryBackend};
use sbd_config::ConfigCtx;
use sbd_documents::{CollectionDeclaration, DocumentsCtx, SqliteDocuments};
use sbd_keys::KeysCtx;
use sbd_keyvalue::{KeyvalueCtx, SqliteBackend};
use sbd_passwords::PasswordsCtx;
use sbd_storage::{Database, Quota};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A tenant that has been opened.
pub(crate) struct Tenant {
    pub(crate) pools: HashMap<Arc<str>, Pool>,
    documents: Arc<SqliteDocuments>,
}

// === impl Tenant ===

impl Tenant {
    /// Opens the tenant's file and prepares every component for it.
    pub(crate) async fn open(runtime: &Arc<Inner>, name: &Arc<str>) -> Result<Self, Error> {
        let path = runtime.data_dir.join("tenants").join(format!("{name}.db"));
        let options = runtime.storage.clone();
        let database = tokio::task::spawn_blocking(move || Database::open(&path, &options))
            .await
            .map_err(|error| Error::capability("storage", &error))?
            .map_err(|error| Error::capability("storage", &error))?;
        let documents = SqliteDocuments::new(database.clone());
        let keyvalue = SqliteBackend::open(database)
            .await
            .map_err(|error| Error::capability("keyvalue", &error))?;
        for (bucket, bytes) in buckets(runtime) {
            keyvalue
                .allow(bucket, bytes)
                .await
                .map_err(|error| Error::capability("keyvalue", &error))?;
        }
        let (documents, keyvalue) = (Arc::new(documents), Arc::new(keyvalue));
        let cache = Arc::new(MemoryBackend::default());
        let mut pools = HashMap::new();
        for (id, component) in &runtime.components {
            let declarations = collections(component);
            let refused = |error: sbd_documents::Error| {
                Error::capability("documents", &format!("component `{id}`: {error}"))
            };
            documents
                .configure(id, &declarations)
                .await
                .map_err(refused)?;
            let limits = &component.declared.settings.limits;
            let quota = Quota {
                documents: limits.stored_documents as u64,
                bytes: limits.stored_bytes.bytes(),
            };
            documents.allow(id, quota).await.map_err(refused)?;
            let capabilities = Capabilities {
                documents: DocumentsCtx::new(documents.clone(), Arc::clone(id)),
                keyvalue: opens_keyvalue(&keyvalue, id, &component.stores),
                cache: CacheCtx::new(cache.clone(), Arc::clone(id)),
                config: ConfigCtx::new(Arc::clone(id), Arc::clone(&component.variables)),
                passwords: PasswordsCtx::new(runtime.passwords.clone()),
                keys: KeysCtx::new(runtime.keyring.clone(), Arc::clone(name)),
            };
            let limits = component.declared.settings.limits.clone();
            let egress = Egress::new(
                Arc::clone(&component.allowed),
                runtime.reaches.clone(),
                limits.outbound_in_flight,
            );
            let failures = Failures::new(limits.failures);
            let allowance = Allowance::new(Arc::clone(name), Arc::clone(id), limits);
            let pool = Pool::new(Blueprint {
                engine: runtime.engine.clone(),
                clock: runtime.clock.clone(),
                proxy: Arc::clone(&component.proxy),
                runtime: Arc::downgrade(runtime),
                allowance: Arc::new(allowance),
                egress: Arc::new(egress),
                environment: Arc::clone(&component.environment),
                capabilities,
                instances: Arc::clone(&component.instances),
                failures: Arc::new(failures),
                retired: Arc::default(),
            });
            pools.insert(Arc::clone(id), pool);
        }
        Ok(Self { pools, documents })
    }

    /// Deletes the documents whose time is over.
    pub(crate) async fn sweep(&self) {
        match self.documents.sweep().await {
            Ok(0) => {}
            Ok(deleted) => tracing::debug!(deleted, "expired documents deleted"),
            Err(error) => {
                tracing::warn!(%error, "expired documents could not be deleted; the next pass tries again")
            }
        }
    }
}

/// Every bucket that some component may open, with the bytes it may hold: as many as the most
/// generous of them may keep.
fn buckets(runtime: &Inner) -> BTreeMap<&str, u64> {
    let mut buckets = BTreeMap::new();
    for component in runtime.components.values() {
        let bytes = component.declared.settings.limits.stored_bytes.bytes();
        for label in component.stores.iter() {
            let most = buckets.entry(label.as_str()).or_default();
            *most = bytes.max(*most);
        }
    }
    buckets
}

fn opens_keyvalue(
    backend: &Arc<SqliteBackend>,
    component: &Arc<str>,
    stores: &Arc<BTreeSet<String>>,
) -> Arc<dyn Fn() -> KeyvalueCtx + Send + Sync> {
    let (backend, component, stores) = (
        Arc::clone(backend),
        Arc::clone(component),
        Arc::clone(stores),
    );
    Arc::new(move || KeyvalueCtx::new(backend.clone(), Arc::clone(&component), Arc::clone(&stores)))
}

fn collections(component: &LoadedComponent) -> Vec<CollectionDeclaration> {
    crate::declarations::collections(&component.declared.settings)
}
