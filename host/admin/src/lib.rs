//! What an operator does to a host: tenants, administrators, the account of changes. Each act is a
//! function of [`Admin`]; the API is a thin layer over them, and command line and console are its
//! clients.
//!
//! Every change is accounted for before it begins and when it has ended.

mod act;
mod administrators;
mod announcements;
mod api;
mod backup;
mod components;
mod error;
mod events;
mod features;
mod mail;
mod models;
mod operators;
mod rights;
mod stage;
mod tasks;
mod tenants;
mod verification;

pub use administrators::NewAdministrator;
pub use api::Api;
pub use components::{Deployed, Deployment, LARGEST_COMPONENT, ServedComponent};
pub use error::Error;
pub use features::TenantFeature;
pub use sbd_registry::Actor;
pub use stage::{Commit, Stage};
pub use tenants::{DeletedTenant, RemovedFile};
pub use verification::Verdict;

use sbd_dispatch::Dispatch;
use sbd_registry::Registry;
use sbd_runtime::Runtime;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A host under administration. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    registry: Registry,
    runtime: Runtime,
    dispatch: Dispatch,
    stage: Arc<dyn Stage>,
    /// Two changes of the application would get in each other's way.
    changing: Arc<Mutex<()>>,
    /// Two deletions of one tenant would get in each other's way, and a deletion in that of a backup.
    deleting: Arc<Mutex<()>>,
}

// === impl Admin ===

impl Admin {
    /// The administration of this runtime, whose data directory the registry belongs to.
    pub fn new(
        registry: Registry,
        runtime: Runtime,
        dispatch: Dispatch,
        stage: Arc<dyn Stage>,
    ) -> Self {
        Self {
            registry,
            runtime,
            dispatch,
            stage,
            changing: Arc::default(),
            deleting: Arc::default(),
        }
    }

    /// Where what is made on the way to something else lies; emptied whenever a server starts.
    pub fn temporary(&self) -> PathBuf {
        self.runtime.data_dir().join("temporary")
    }
}
