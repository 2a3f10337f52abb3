//! Which schedules each tenant was told of: what its components declare changes as they do, and a tenant
//! that is closed is opened for it then, and not at every start.

use crate::Error;
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, params};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS plans (
    tenant TEXT PRIMARY KEY,
    plan TEXT NOT NULL
) STRICT, WITHOUT ROWID";
const PUT: &str = "INSERT OR REPLACE INTO plans VALUES (?1, ?2)";
const DELETE: &str = "DELETE FROM plans WHERE tenant = ?1";

/// What tells all the schedules of a tenant from any others, in few letters; empty where there is none.
pub type Plan = Arc<str>;

/// Which schedules each tenant was told of. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plans {
    database: Database,
    /// Those that are not empty: it is compared with what it should be all the time.
    known: Arc<RwLock<HashMap<Box<str>, Plan>>>,
}

// === impl Plans ===

impl Plans {
    pub(crate) async fn open(database: Database) -> Result<Self, Error> {
        let read = |connection: &Connection| {
            connection.execute_batch(CREATE)?;
            let mut plans = connection.prepare("SELECT tenant, plan FROM plans")?;
            let plans = plans.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok::<_, Error>(plans.collect::<Result<HashMap<Box<str>, Plan>, _>>()?)
        };
        let known = database.write(read).await?;
        Ok(Self {
            database,
            known: Arc::new(RwLock::new(known)),
        })
    }

    /// Whether a tenant was told of these and no others.
    pub fn is_told(&self, tenant: &str, plan: &Plan) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant).map_or("", |known| &**known) == &**plan
    }

    /// A tenant was told of these. Durable when it returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn told(&self, tenant: &str, plan: &Plan) -> Result<(), Error> {
        let row = (tenant.to_owned(), Arc::clone(plan));
        let put = move |connection: &Connection| {
            match row.1.is_empty() {
                true => connection.execute(DELETE, [row.0])?,
                false => connection.execute(PUT, params![row.0, &*row.1])?,
            };
            Ok::<_, Error>(())
        };
        self.database.write(put).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match plan.is_empty() {
            true => known.remove(tenant),
            false => known.insert(tenant.into(), Arc::clone(plan)),
        };
        Ok(())
    }

    /// Forgets a tenant that is gone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn forget(&self, tenant: &str) -> Result<(), Error> {
        self.told(tenant, &Plan::from("")).await
    }
}
