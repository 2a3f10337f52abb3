//! What each tenant is to know of the schedules that its components declare. It is written down here, with
//! when something is due by it, so that a tenant that is closed stays closed until then.

use crate::Error;
use crate::due::{self, Due};
use jiff::Timestamp;
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, params};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS plans (
    tenant TEXT PRIMARY KEY,
    plan TEXT NOT NULL
) STRICT, WITHOUT ROWID";
const PUT: &str = "INSERT OR REPLACE INTO plans VALUES (?1, ?2)";
const DELETE: &str = "DELETE FROM plans WHERE tenant = ?1";

/// The schedules of a tenant, in the words of whoever writes them.
pub type Plan = Arc<str>;

/// What a tenant is to know from now on.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// The tenant.
    pub tenant: Arc<str>,
    /// Its schedules; `None`: there are none.
    pub plan: Option<Plan>,
    /// When something is due by it.
    pub due: Option<Timestamp>,
}

/// What each tenant is to know. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plans {
    database: Database,
    due: Due,
    /// It is compared with what it should be all the time. Most tenants have the same plan, and share it.
    known: Arc<RwLock<HashMap<Arc<str>, Plan>>>,
}

// === impl Plans ===

impl Plans {
    pub(crate) async fn open(database: Database, due: Due) -> Result<Self, Error> {
        let read = |connection: &Connection| {
            connection.execute_batch(CREATE)?;
            let mut plans = connection.prepare("SELECT tenant, plan FROM plans")?;
            let plans = plans.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok::<_, Error>(plans.collect::<Result<Vec<(Arc<str>, Plan)>, _>>()?)
        };
        let (mut known, mut shared) = (HashMap::new(), HashSet::new());
        for (tenant, plan) in database.write(read).await? {
            let plan = shared.get(&plan).cloned().unwrap_or(plan);
            shared.insert(Arc::clone(&plan));
            known.insert(tenant, plan);
        }
        Ok(Self {
            database,
            due,
            known: Arc::new(RwLock::new(known)),
        })
    }

    /// The plan of a tenant, if it has schedules.
    pub fn of(&self, tenant: &str) -> Option<Plan> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant).cloned()
    }

    /// Writes new plans down, and that something of a `kind` is due by them, all or none. They are known
    /// before that, so that nobody who looks afterwards finds only one of the two.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn set(&self, kind: &'static str, plans: Vec<NewPlan>) -> Result<(), Error> {
        let before = self.know(plans.iter().map(NewPlan::known));
        let put = move |connection: &Connection| {
            for NewPlan { tenant, plan, due } in &plans {
                match plan {
                    None => connection.prepare_cached(DELETE)?.execute([&**tenant])?,
                    Some(plan) => {
                        let mut put = connection.prepare_cached(PUT)?;
                        put.execute(params![&**tenant, &**plan])?
                    }
                };
                if let Some(at) = due {
                    due::put(connection, tenant, kind, *at)?;
                }
            }
            Ok::<_, Error>(())
        };
        let put = self.database.write(put).await;
        if put.is_err() {
            self.know(before);
        }
        self.due.look_again();
        put
    }

    /// Forgets a tenant that is gone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn forget(&self, tenant: &str) -> Result<(), Error> {
        let gone = NewPlan {
            tenant: tenant.into(),
            plan: None,
            due: None,
        };
        self.set("", vec![gone]).await
    }

    /// Has plans known; answers what was known before.
    fn know(
        &self,
        plans: impl IntoIterator<Item = (Arc<str>, Option<Plan>)>,
    ) -> Vec<(Arc<str>, Option<Plan>)> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = Vec::new();
        for (tenant, plan) in plans {
            let old = match plan {
                None => known.remove(&tenant),
                Some(plan) => known.insert(Arc::clone(&tenant), plan),
            };
            before.push((tenant, old));
        }
        before
    }
}

// === impl NewPlan ===

impl NewPlan {
    fn known(&self) -> (Arc<str>, Option<Plan>) {
        (Arc::clone(&self.tenant), self.plan.clone())
    }
}
