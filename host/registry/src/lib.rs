//! What a host knows about itself, in one file of its data directory, `host.db`: the tenants there
//! are, and an account of every change, which cannot be altered without a trace.

mod audit;
mod error;
mod name;
mod tenants;

pub use audit::{Actor, Audit, Broken, Entry, Outcome};
pub use error::Error;
pub use name::TenantName;
pub use tenants::{NewTenant, Tenant, TenantState, Tenants};

use sbd_storage::{Database, Options};
use std::path::Path;

/// The tenant of whoever names no other; it is always there.
pub const DEFAULT_TENANT: &str = "default";

/// The host's own database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The tenants.
    pub tenants: Tenants,
    /// Who changed what.
    pub audit: Audit,
}

// === impl Registry ===

impl Registry {
    /// Opens `host.db` in the data directory, making it if need be.
    ///
    /// # Errors
    /// When the file cannot be made or read.
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
        Ok(Self {
            tenants: Tenants::load(database.clone()).await?,
            audit: Audit::open(database).await?,
        })
    }
}
