//! The tenants there are: on disk to last, in memory to be asked with every request.

use crate::error::nearest;
use crate::{DEFAULT_TENANT, Error, TenantName};
use jiff::Timestamp;
use sbd_storage::Database;
use sbd_storage::rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS tenants (
    name TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    hosts TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID";
const PUT: &str = "INSERT INTO tenants VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (name) DO UPDATE SET title = excluded.title, hosts = excluded.hosts, state = excluded.state";

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name, for good.
    pub name: TenantName,
    /// What people call it.
    pub title: String,
    /// The host names that lead to it, without port.
    pub hosts: Vec<String>,
    /// Whether it is served.
    pub state: TenantState,
    /// RFC 3339.
    pub created_at: String,
}

/// Whether a tenant is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantState {
    /// It is.
    Active,
    /// Not now; everything is kept.
    Suspended,
    /// No more; what is left of it is being removed.
    Deleting,
}

/// What a new tenant is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Its name, for good.
    pub name: String,
    /// What people call it; its name when left out.
    #[serde(default)]
    pub title: Option<String>,
    /// The host names that lead to it, without port.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// The tenants of a host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tenants {
    database: Database,
    known: Arc<RwLock<Known>>,
    /// Held while something changes, from the check to the commit.
    changing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Known {
    /// In order, for lists.
    by_name: BTreeMap<TenantName, Arc<Tenant>>,
    by_host: HashMap<String, Arc<Tenant>>,
}

// === impl Tenants ===

impl Tenants {
    pub(crate) async fn load(database: Database) -> Result<Self, Error> {
        let rows = database
            .write(|connection| {
                connection.execute_batch(CREATE)?;
                read_all(connection)
            })
            .await?;
        let mut known = Known::default();
        for tenant in rows {
            known.put(Arc::new(tenant));
        }
        let tenants = Self {
            database,
            known: Arc::new(RwLock::new(known)),
            changing: Arc::default(),
        };
        if tenants.get(DEFAULT_TENANT).is_none() {
            let new = NewTenant {
                name: DEFAULT_TENANT.to_owned(),
                ..NewTenant::default()
            };
            tenants.create(new).await?;
        }
        Ok(tenants)
    }

    /// The tenant of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Tenant>> {
        self.known().by_name.get(name).cloned()
    }

    /// The tenant that a host name leads to; lower case, without port.
    pub fn by_host(&self, host: &str) -> Option<Arc<Tenant>> {
        self.known().by_host.get(host).cloned()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.known().by_name.len()
    }

    /// So many of them in the order of their names, after so many others.
    pub fn list(&self, skip: usize, most: usize) -> Vec<Arc<Tenant>> {
        let known = self.known();
        known
            .by_name
            .values()
            .skip(skip)
            .take(most)
            .cloned()
            .collect()
    }

    /// The tenant of this name, or an error that names the nearest.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn find(&self, name: &str) -> Result<Arc<Tenant>, Error> {
        let known = self.known();
        if let Some(tenant) = known.by_name.get(name) {
            return Ok(Arc::clone(tenant));
        }
        Err(Error::Unknown {
            name: name.chars().take(100).collect(),
            nearest: nearest(name, known.by_name.keys().map(|known| &**known)),
        })
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Taken`], [`Error::Host`], [`Error::HostTaken`], [`Error::Storage`].
    pub async fn create(&self, new: NewTenant) -> Result<Arc<Tenant>, Error> {
        let now = format!("{:.3}", Timestamp::now());
        self.add(new, now, TenantState::Active).await
    }

    /// Takes name and host names for a tenant that is to be imported, as of the time at which it was made.
    /// Until [`Tenants::finish_import`] it is one that is being deleted: what a crash leaves of it goes.
    ///
    /// # Errors
    /// As [`Tenants::create`].
    pub async fn begin_import(
        &self,
        new: NewTenant,
        created_at: String,
    ) -> Result<Arc<Tenant>, Error> {
        self.add(new, created_at, TenantState::Deleting).await
    }

    /// Serves a tenant from now on whose import was begun.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Storage`].
    pub async fn finish_import(&self, name: &TenantName) -> Result<Arc<Tenant>, Error> {
        let _alone = self.changing.lock().await;
        let mut tenant = Tenant::clone(&*self.find(name)?);
        tenant.state = TenantState::Active;
        self.put(tenant).await
    }

    async fn add(
        &self,
        new: NewTenant,
        created_at: String,
        state: TenantState,
    ) -> Result<Arc<Tenant>, Error> {
        let name: TenantName = new.name.parse()?;
        let _alone = self.changing.lock().await;
        match self.get(&name) {
            Some(tenant) if tenant.state == TenantState::Deleting => {
                return Err(Error::Deleting(name));
            }
            Some(_) => return Err(Error::Taken(name)),
            None => {}
        }
        let tenant = Tenant {
            title: new.title.unwrap_or_else(|| name.to_string()),
            hosts: self.free_hosts(&name, new.hosts)?,
            state,
            created_at,
            name,
        };
        self.put(tenant).await
    }

    /// Changes title and host names.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Deleting`], [`Error::Host`], [`Error::HostTaken`],
    /// [`Error::Storage`].
    pub async fn describe(
        &self,
        name: &str,
        title: Option<String>,
        hosts: Option<Vec<String>>,
    ) -> Result<Arc<Tenant>, Error> {
        let _alone = self.changing.lock().await;
        let mut tenant = Tenant::clone(&*self.changeable(name)?);
        if let Some(title) = title {
            tenant.title = title;
        }
        if let Some(hosts) = hosts {
            tenant.hosts = self.free_hosts(&tenant.name, hosts)?;
        }
        self.put(tenant).await
    }

    /// Suspends a tenant, or serves it again.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Default`], [`Error::Deleting`], [`Error::Storage`].
    pub async fn set_active(&self, name: &str, active: bool) -> Result<Arc<Tenant>, Error> {
        let _alone = self.changing.lock().await;
        let mut tenant = Tenant::clone(&*self.changeable(name)?);
        if name == DEFAULT_TENANT && !active {
            return Err(Error::Default);
        }
        tenant.state = if active {
            TenantState::Active
        } else {
            TenantState::Suspended
        };
        self.put(tenant).await
    }

    /// Begins to delete a tenant: from now on nobody is served. To be finished by
    /// [`Tenants::forget`]; begun twice it is begun once.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Default`], [`Error::Storage`].
    pub async fn begin_deletion(&self, name: &str) -> Result<Arc<Tenant>, Error> {
        let _alone = self.changing.lock().await;
        let mut tenant = Tenant::clone(&*self.find(name)?);
        if name == DEFAULT_TENANT {
            return Err(Error::Default);
        }
        tenant.state = TenantState::Deleting;
        self.put(tenant).await
    }

    /// Ends a deletion: the name is free again.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn forget(&self, name: &TenantName) -> Result<(), Error> {
        let _alone = self.changing.lock().await;
        let row = name.to_string();
        self.database
            .write(move |connection| {
                let mut delete = connection
                    .prepare_cached("DELETE FROM tenants WHERE name = ?1 AND state = 'deleting'")?;
                Ok::<_, Error>(delete.execute([row])?)
            })
            .await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(name);
        Ok(())
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant of this name, unless it is being deleted.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Deleting`].
    pub fn changeable(&self, name: &str) -> Result<Arc<Tenant>, Error> {
        let tenant = self.find(name)?;
        if tenant.state == TenantState::Deleting {
            return Err(Error::Deleting(tenant.name.clone()));
        }
        Ok(tenant)
    }

    /// Host names as they are looked up, none of which is another tenant's.
    fn free_hosts(&self, name: &TenantName, hosts: Vec<String>) -> Result<Vec<String>, Error> {
        let mut free = Vec::with_capacity(hosts.len());
        for host in hosts {
            let host = host.to_ascii_lowercase();
            let label = |label: &str| {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
                (1..=63).contains(&label.len()) && label.bytes().all(plain)
            };
            if host.len() > 253 || !host.split('.').all(label) {
                return Err(Error::Host(host.chars().take(300).collect()));
            }
            match self.by_host(&host) {
                Some(other) if other.name != *name => {
                    return Err(Error::HostTaken {
                        host,
                        tenant: other.name.clone(),
                    });
                }
                _ if free.contains(&host) => {}
                _ => free.push(host),
            }
        }
        Ok(free)
    }

    /// On disk first; only what lasts is seen.
    async fn put(&self, tenant: Tenant) -> Result<Arc<Tenant>, Error> {
        let row = tenant.clone();
        self.database
            .write(move |connection| write(connection, &row))
            .await?;
        let tenant = Arc::new(tenant);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.put(Arc::clone(&tenant));
        Ok(tenant)
    }
}

// === impl Known ===

impl Known {
    fn put(&mut self, tenant: Arc<Tenant>) {
        self.remove(&tenant.name);
        for host in &tenant.hosts {
            self.by_host.insert(host.clone(), Arc::clone(&tenant));
        }
        self.by_name.insert(tenant.name.clone(), tenant);
    }

    fn remove(&mut self, name: &TenantName) {
        if let Some(before) = self.by_name.remove(name) {
            for host in &before.hosts {
                self.by_host.remove(host);
            }
        }
    }
}

/// The tenants in a copy of `host.db` that nobody uses, in the order of their names. Blocks.
///
/// # Errors
/// [`Error::Storage`].
pub fn tenant_names(copy: &Path) -> Result<Vec<TenantName>, Error> {
    let mut tenants = read_all(&Connection::open(copy)?)?;
    tenants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tenants.into_iter().map(|tenant| tenant.name).collect())
}

fn write(connection: &Connection, tenant: &Tenant) -> Result<(), Error> {
    let state = match tenant.state {
        TenantState::Active => "active",
        TenantState::Suspended => "suspended",
        TenantState::Deleting => "deleting",
    };
    connection.prepare_cached(PUT)?.execute(params![
        &*tenant.name,
        tenant.title,
        tenant.hosts.join(" "),
        state,
        tenant.created_at
    ])?;
    Ok(())
}

fn read_all(connection: &Connection) -> Result<Vec<Tenant>, Error> {
    let mut select =
        connection.prepare("SELECT name, title, hosts, state, created_at FROM tenants")?;
    let mut rows = select.query([])?;
    let mut tenants = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, hosts, state): (String, String, String) =
            (row.get(0)?, row.get(2)?, row.get(3)?);
        tenants.push(Tenant {
            name: name.parse()?,
            title: row.get(1)?,
            hosts: hosts.split_whitespace().map(str::to_owned).collect(),
            state: match state.as_str() {
                "active" => TenantState::Active,
                "suspended" => TenantState::Suspended,
                "deleting" => TenantState::Deleting,
                other => {
                    return Err(Error::Storage(format!(
                        "the tenant `{name}` has the state `{other}`, which this version does not know; use the sbd that wrote it"
                    )));
                }
            },
            created_at: row.get(4)?,
        });
    }
    Ok(tenants)
}
