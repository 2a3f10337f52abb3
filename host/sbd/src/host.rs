//! A data directory at work: what it knows, what it runs, and who may change it. A server is one
//! with listeners; a command without a server is one for a moment.

use crate::application::{Origin, runtime_settings};
use crate::data_dir::DataDir;
use crate::settings::{Environment, Settings};
use anyhow::Context as _;
use sbd_admin::{Admin, Commit, Stage};
use sbd_dispatch::Dispatch;
use sbd_features::{SqliteSwitches, Switches};
use sbd_gateway::Gateway;
use sbd_inference::Models;
use sbd_registry::{Registry, Version, Versions};
use sbd_runtime::{Application, Definition, Runtime};
use std::sync::{Arc, OnceLock};

/// A data directory at work.
pub(crate) struct Host {
    pub(crate) registry: Registry,
    pub(crate) runtime: Runtime,
    pub(crate) dispatch: Dispatch,
    pub(crate) admin: Admin,
    pub(crate) served: Arc<Served>,
}

/// Which application is served, and by what.
pub(crate) struct Served {
    origin: Origin,
    versions: Versions,
    safe: bool,
    gateway: OnceLock<Gateway<Application>>,
}

// === impl Host ===

impl Host {
    /// Opens a data directory and loads the application. `safe` leaves out what was deployed.
    ///
    /// # Errors
    /// The first thing that is wrong, with what to do about it.
    pub(crate) async fn open(
        settings: &Settings,
        environment: &Environment,
        data_dir: &DataDir,
        safe: bool,
    ) -> anyhow::Result<Self> {
        let registry = Registry::open(data_dir.path()).await?;
        let served = Arc::new(Served {
            origin: Origin::new(settings, environment),
            versions: registry.versions.clone(),
            safe,
            gateway: OnceLock::new(),
        });
        let active = registry.versions.active().await?;
        if safe && !active.is_empty() {
            let names = active.iter().map(|version| version.component.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            tracing::warn!("safe mode; deployed and left out: {names}");
        }
        let switches = SqliteSwitches::open(registry.database().clone()).await?;
        let switches = Switches::open(switches).await?;
        let dispatch = Dispatch::new(&registry, &settings.parse("queues")?);
        let backends = settings
            .inference
            .all_backends(environment, &settings.data_dir())?;
        let models = Models::open(registry.database().clone(), backends).await?;
        let runtime_settings = runtime_settings(settings, data_dir, switches, models, &dispatch)?;
        let runtime = served.start(runtime_settings, &active).await;
        let runtime = if active.is_empty() || safe {
            runtime?
        } else {
            runtime.context("if it is what was deployed that does not start: `sbd up --safe` leaves it out, `sbd component rollback NAME` goes back to the version before")?
        };
        dispatch.attach(&runtime);
        let stage: Arc<dyn Stage> = served.clone();
        let admin = Admin::new(registry.clone(), runtime.clone(), dispatch.clone(), stage);
        admin.finish_deletions().await;
        Ok(Self {
            registry,
            runtime,
            dispatch,
            admin,
            served,
        })
    }
}

// === impl Served ===

impl Served {
    async fn start(
        &self,
        settings: sbd_runtime::Settings,
        active: &[Version],
    ) -> anyhow::Result<Runtime> {
        let definition = self.definition(active)?;
        Ok(Runtime::start(definition, settings).await?)
    }

    /// The gateway before the application, from now on.
    pub(crate) fn serve_with(&self, gateway: Gateway<Application>) {
        // There is one.
        let _ = self.gateway.set(gateway);
    }

    fn definition(&self, active: &[Version]) -> anyhow::Result<Definition> {
        let active = if self.safe { &[] } else { active };
        self.origin.read(&self.versions, active)
    }
}

impl Stage for Served {
    fn read(&self, versions: &[Version]) -> Result<Definition, String> {
        let definition = self.definition(versions);
        definition.map_err(|error| format!("{error:#}"))
    }

    fn prepare(&self, next: &Application) -> Result<Commit, String> {
        let Some(gateway) = self.gateway.get() else {
            return Ok(Box::new(|| {}));
        };
        let prepared = gateway.prepare(next.clone(), next.app());
        let prepared = prepared.map_err(|error| error.to_string())?;
        let gateway = gateway.clone();
        Ok(Box::new(move || gateway.switch(prepared)))
    }

    fn is_serving(&self) -> bool {
        self.gateway.get().is_some()
    }

    fn is_safe(&self) -> bool {
        self.safe
    }
}
