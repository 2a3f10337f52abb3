//! A component made ready to start instances: compiled, checked against its grants, linked.

use crate::Error;
use crate::inspection::{Inspection, Reuse};
use crate::instances::grants;
use crate::instances::instance::State;
use crate::instances::instance_quota::InstanceQuota;
use crate::offers::{Loader, Loading, Offered};
use crate::served::Definition;
use crate::served::Snapshot;
use crate::served::canary::Watch;
use crate::served::features::SwitchedRoutes;
use crate::served::files::LaidOut;
use sbd_manifest::{AllowedHosts, Component as Declared};
use sbd_metrics::{Kind, Metric};
use sbd_storage::Quota;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime_wasi_http::handler::ProxyPre;

/// One component as it is served, until something about it changes.
pub(crate) struct LoadedComponent {
    pub(crate) declared: Declared,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub(crate) sha256: String,
    /// Tells it apart from every other that this process has loaded.
    pub(crate) revision: u64,
    pub(crate) proxy: Arc<ProxyPre<State>>,
    pub(crate) reuse: Reuse,
    pub(crate) allowed: Arc<AllowedHosts>,
    pub(crate) variables: Arc<BTreeMap<String, String>>,
    pub(crate) stores: Arc<BTreeSet<String>>,
    pub(crate) databases: Arc<BTreeSet<String>>,
    /// What it counts and shows.
    pub(crate) metrics: Arc<sbd_metrics::Declared>,
    /// How the real-time channels that it decides about begin.
    pub(crate) channels: Arc<BTreeSet<String>>,
    pub(crate) environment: Arc<[(String, String)]>,
    /// What it may read.
    pub(crate) files: Option<Arc<LaidOut>>,
    /// Instances alive, over all tenants.
    pub(crate) quota: Arc<InstanceQuota>,
    pub(crate) watch: Watch,
    pub(crate) switched: SwitchedRoutes,
    pub(crate) offer: Option<Arc<Offered>>,
}

// === impl LoadedComponent ===

impl LoadedComponent {
    /// Reads and compiles a component, unless it is the one that is served already. Blocks.
    pub(crate) fn load(
        loader: Loader<'_>,
        definition: &Definition,
        declared: &Declared,
        served: Option<&Snapshot>,
    ) -> Result<Arc<Self>, Error> {
        static REVISIONS: AtomicU64 = AtomicU64::new(0);

        let (engine, cache) = (loader.engine, loader.compile_cache);
        let id = declared.id.as_str();
        let wasm = (definition.read_source)(&declared.source).map_err(|error| Error::Source {
            component: id.to_owned(),
            path: declared.source.clone(),
            reason: error.to_string(),
        })?;
        let variables = definition.variables.get(id).cloned().unwrap_or_default();
        let sha256 = sha256(&wasm);
        let own = served.and_then(|served| served.components.get(id));
        let files = match declared.files.is_empty() {
            true => None,
            false => {
                let before = own.and_then(|own| own.files.as_ref());
                let laid_out = LaidOut::of(&declared.files, loader.files, before);
                Some(laid_out.map_err(|reason| Error::not_runnable(id, reason))?)
            }
        };
        let has_same_files = |own: &Self| match (&own.files, &files) {
            (Some(own), Some(files)) => Arc::ptr_eq(own, files),
            (own, files) => own.is_none() && files.is_none(),
        };
        if let Some(own) = own
            && has_same_files(own)
            && own.sha256 == sha256
            && own.is_declared_as(declared)
            && *own.variables == variables
        {
            return Ok(Arc::clone(own));
        }
        let unusable = |reason: String| {
            Error::not_runnable(id, format!("{}: {reason}", declared.source.display()))
        };
        let component = match cache.find(engine, &sha256) {
            Some(component) => component,
            None => {
                // Before it is compiled, which takes a while and says less.
                Inspection::read(&wasm).map_err(|reason| unusable(reason.to_string()))?;
                let compiled = cache.compile(engine, &sha256, &wasm, served.is_some());
                compiled.map_err(|error| unusable(format!("{error:#}")))?
            }
        };
        let proxy = Arc::new(grants::link(engine, declared, &component)?);
        let limits = &declared.settings.limits;
        let reuse = match &*proxy {
            ProxyPre::P3(_) => Reuse::of_new(limits),
            // Its file is read whole for this, which is not much beside reading it from the disk.
            ProxyPre::P2(_) => {
                let inspection = Inspection::read(&wasm);
                let inspection = inspection.map_err(|reason| unusable(reason.to_string()))?;
                Reuse::of_old(inspection.toolchain, limits)
            }
        };
        let variables = Arc::new(variables);
        let loading = Loading {
            loader,
            declared,
            sha256: &sha256,
            variables: &variables,
            component: &component,
            proxy: &proxy,
            is_deployed: served.is_some(),
        };
        let offer = loading.offer()?;
        let channels = offer.iter().flat_map(|offered| &offered.offer.channels);
        let channels = channels.map(|channels| channels.beginning.clone());
        Ok(Arc::new(Self {
            sha256,
            revision: REVISIONS.fetch_add(1, Ordering::Relaxed),
            proxy,
            reuse,
            allowed: Arc::new(declared.allowed_outbound_hosts.clone()),
            variables,
            metrics: Arc::new(metrics(declared)),
            channels: Arc::new(channels.collect()),
            offer,
            stores: Arc::new(declared.key_value_stores.clone()),
            databases: Arc::new(declared.sqlite_databases.clone()),
            environment: declared.environment.clone().into_iter().collect(),
            files,
            quota: Arc::new(InstanceQuota::new(declared.settings.limits.instances)),
            watch: Watch::default(),
            switched: SwitchedRoutes::of(declared),
            declared: declared.clone(),
        }))
    }

    /// What it may keep in a tenant.
    pub(crate) fn quota_of_storage(&self) -> Quota {
        let limits = &self.declared.settings.limits;
        Quota {
            documents: limits.stored_documents as u64,
            bytes: limits.stored_bytes.bytes(),
        }
    }

    /// Whether another declaration would make the same of the same bytes: where they lie and how they
    /// are built is of no account.
    fn is_declared_as(&self, other: &Declared) -> bool {
        let bare = |declared: &Declared| Declared {
            source: Default::default(),
            build: None,
            ..declared.clone()
        };
        bare(&self.declared) == bare(other)
    }
}

/// What it counts and shows, as it is declared.
fn metrics(declared: &Declared) -> sbd_metrics::Declared {
    let all = declared.settings.metrics.iter().map(|(name, metric)| {
        let metric = Metric {
            kind: match sbd_manifest::Metric::is_counter(name) {
                true => Kind::Counter,
                false => Kind::Gauge,
            },
            help: metric.help.clone(),
            labels: metric.labels.clone(),
        };
        (name.clone(), metric)
    });
    sbd_metrics::Declared::new(all)
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut text = String::with_capacity(64);
    for byte in digest.as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
