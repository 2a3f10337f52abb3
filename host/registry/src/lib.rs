//! What a host knows about itself, in one file of its data directory, `host.db`: the tenants there
//! are, what is due in them and which schedules they know, the versions of components that were
//! deployed, who may operate it, and an account of every change, which cannot be altered without a trace.

mod audit;
mod due;
mod error;
mod files;
mod name;
mod operators;
mod plans;
mod tenants;
mod versions;

pub use audit::{Actor, Audit, Begun, Broken, Entry, Filter, Outcome};
pub use due::{Due, DueTenant};
pub use error::Error;
pub use files::StoredWasm;
pub use name::TenantName;
pub use operators::{Operator, OperatorToken, Operators};
pub use plans::{NewPlan, Plan, Plans};
pub use tenants::{NewTenant, Tenant, TenantState, Tenants, tenant_names};
pub use versions::{KEPT, NewVersion, Version, VersionState, Versions};

use sbd_storage::{Database, Options};
use std::path::Path;

/// The tenant of whoever names no other; it is always there.
pub const DEFAULT_TENANT: &str = "default";

/// The host's own database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The tenants.
    pub tenants: Tenants,
    /// What was deployed.
    pub versions: Versions,
    /// Who may operate the host.
    pub operators: Operators,
    /// Who changed what.
    pub audit: Audit,
    /// What is due in which tenants.
    pub due: Due,
    /// What its tenants are to know of schedules.
    pub plans: Plans,
    database: Database,
}

// === impl Registry ===

impl Registry {
    /// Opens `host.db` in the data directory, making it if need be, and mends what a crash left of
    /// a deployment. Deployed versions that cannot be served are no error here: see
    /// [`Versions::damaged`].
    ///
    /// # Errors
    /// When the file cannot be made or read, or what a crash left cannot be removed.
    pub async fn open(data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join("host.db");
        // One connection reads: everything that is asked often is held in memory.
        let options = Options {
            readers: 1,
            ..Options::default()
        };
        let opening = move || Database::open(&path, &options);
        let database = std::thread::spawn(opening)
            .join()
            .map_err(|_| sbd_storage::Error::Panicked)??;
        let due = Due::open(database.clone()).await?;
        Ok(Self {
            tenants: Tenants::load(database.clone()).await?,
            versions: Versions::open(database.clone(), data_dir).await?,
            operators: Operators::open(database.clone()).await?,
            audit: Audit::open(database.clone()).await?,
            plans: Plans::open(database.clone(), due.clone()).await?,
            due,
            database,
        })
    }

    /// `host.db`, for what other crates keep about this host.
    pub fn database(&self) -> &Database {
        &self.database
    }
}
