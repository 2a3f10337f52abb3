//! Where the data of tenants lies. The factory is chosen by a setting; what is above it knows traits
//! alone, so that a second one needs no change there.

use crate::Error;
use crate::archive::TenantArchive;
use crate::import::{Allowed, fill};
use futures::future::BoxFuture;
use sbd_cache::MemoryBackend;
use sbd_documents::SqliteDocuments;
use sbd_keyvalue::SqliteBackend;
use sbd_realtime::Backends as _;
use sbd_storage::Database;
use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The stores of one tenant, open.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) documents: Arc<dyn sbd_documents::Backend>,
    pub(crate) keyvalue: Arc<dyn sbd_keyvalue::Backend>,
    pub(crate) cache: Arc<dyn sbd_cache::Backend>,
    pub(crate) deliveries: Arc<dyn sbd_events::Backend>,
    pub(crate) tasks: Arc<dyn sbd_tasks::Backend>,
    pub(crate) realtime: Arc<dyn sbd_realtime::Backend>,
    pub(crate) blobs: Arc<dyn sbd_blobs::Backend>,
    pub(crate) archive: Arc<dyn Archive>,
    /// Where the SQLite databases of its components lie; no folder before the first.
    pub(crate) databases: PathBuf,
}

/// Writes down all that a tenant has stored.
pub(crate) trait Archive: Send + Sync {
    /// A tar archive of open formats, as of one moment, in a file without a name in `folder`. `about`
    /// stands in it as `tenant.json`. The collections that `stay`, as (component, collection), are left
    /// out.
    fn export<'a>(
        &'a self,
        folder: &'a Path,
        about: serde_json::Value,
        stay: HashSet<(String, String)>,
    ) -> BoxFuture<'a, Result<File, Error>>;
}

/// Opens and removes the stores of tenants.
pub(crate) trait OpenStores: Send + Sync {
    /// Opens those of a tenant, making them if need be.
    fn open<'a>(&'a self, tenant: &'a Arc<str>) -> BoxFuture<'a, Result<Stores, Error>>;

    /// The real-time channels of all tenants, whose stores need not be open for them.
    fn realtime(&self) -> &dyn sbd_realtime::Backends;

    /// Makes the stores of a tenant that has none, with all that an archive holds, as far as that is
    /// allowed; all of it or nothing.
    fn import<'a>(
        &'a self,
        tenant: &'a str,
        archive: File,
        allowed: Allowed,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Removes all that a closed tenant has stored; answers the files there were, with their sizes.
    fn remove<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<Vec<(PathBuf, u64)>, Error>>;
}

/// One SQLite file a tenant, `tenants/NAME.db` in the data directory, for each database of a component
/// another, `tenants/NAME.sqlite/COMPONENT/LABEL.db`, and its blobs as files in `tenants/NAME.blobs`.
pub(crate) struct SqliteStores {
    pub(crate) data_dir: PathBuf,
    pub(crate) options: sbd_storage::Options,
    pub(crate) realtime: sbd_realtime::MemoryBackends,
}

// === impl SqliteStores ===

impl SqliteStores {
    fn path(&self, tenant: &str) -> PathBuf {
        tenant_file(&self.data_dir, tenant)
    }

    fn databases(&self, tenant: &str) -> PathBuf {
        self.data_dir
            .join("tenants")
            .join(format!("{tenant}.sqlite"))
    }

    fn blobs(&self, tenant: &str) -> PathBuf {
        self.data_dir
            .join("tenants")
            .join(format!("{tenant}.blobs"))
    }
}

impl OpenStores for SqliteStores {
    fn open<'a>(&'a self, tenant: &'a Arc<str>) -> BoxFuture<'a, Result<Stores, Error>> {
        let options = self.options.clone();
        let realtime = self.realtime.of(tenant);
        Box::pin(open(
            self.path(tenant),
            self.databases(tenant),
            self.blobs(tenant),
            options,
            realtime,
        ))
    }

    fn realtime(&self) -> &dyn sbd_realtime::Backends {
        &self.realtime
    }

    fn import<'a>(
        &'a self,
        tenant: &'a str,
        archive: File,
        allowed: Allowed,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let temporary = self.data_dir.join("temporary");
        let (path, options) = (self.path(tenant), self.options.clone());
        let (databases, blobs) = (self.databases(tenant), self.blobs(tenant));
        Box::pin(async move {
            let folder = tempfile::tempdir_in(&temporary)
                .map_err(|error| Error::data_directory(&temporary, &error))?;
            let filled = folder.path().join("filled.db");
            let of_components = folder.path().join("filled.sqlite");
            let put = folder.path().join("filled.blobs");
            // Nobody listens before it is there.
            let realtime = Arc::new(sbd_realtime::MemoryBackend::default());
            let stores = open(
                filled.clone(),
                of_components.clone(),
                put.clone(),
                options,
                realtime,
            )
            .await?;
            let filling = move || {
                fill(&stores, &archive, &allowed)?;
                // Closed, it is one file.
                drop(stores);
                for (from, to) in [(&of_components, &databases), (&put, &blobs)] {
                    place_folder(from, to).map_err(|error| Error::data_directory(to, &error))?;
                }
                place(&filled, &path).map_err(|error| Error::data_directory(&path, &error))
            };
            let filled = tokio::task::spawn_blocking(filling).await;
            filled.map_err(|error| Error::capability("storage", &error))?
        })
    }

    fn remove<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<Vec<(PathBuf, u64)>, Error>> {
        let (path, databases) = (self.path(tenant), self.databases(tenant));
        let blobs = self.blobs(tenant);
        self.realtime.remove(tenant);
        Box::pin(async move {
            let removing = move || {
                let of_components = sbd_sqlite::remove(&databases)
                    .map_err(|error| Error::data_directory(&databases, &error))?;
                let put = sbd_blobs::remove(&blobs)
                    .map_err(|error| Error::data_directory(&blobs, &error))?;
                // The tenant's own last: as long as it is there, the deletion can be run again.
                let own =
                    remove_files(&path).map_err(|error| Error::data_directory(&path, &error))?;
                Ok(own.into_iter().chain(of_components).chain(put).collect())
            };
            let removed = tokio::task::spawn_blocking(removing).await;
            removed.map_err(|error| Error::capability("storage", &error))?
        })
    }
}

/// Where a tenant's own file lies in a data directory.
pub(crate) fn tenant_file(data_dir: &Path, tenant: &str) -> PathBuf {
    data_dir.join("tenants").join(format!("{tenant}.db"))
}

async fn open(
    path: PathBuf,
    databases: PathBuf,
    blobs: PathBuf,
    options: sbd_storage::Options,
    realtime: Arc<dyn sbd_realtime::Backend>,
) -> Result<Stores, Error> {
    let most = options.max_bytes;
    let database = tokio::task::spawn_blocking(move || Database::open(&path, &options))
        .await
        .map_err(|error| Error::capability("storage", &error))?
        .map_err(|error| Error::capability("storage", &error))?;
    let keyvalue = SqliteBackend::open(database.clone())
        .await
        .map_err(|error| Error::capability("keyvalue", &error))?;
    let deliveries = sbd_events::SqliteBackend::open(database.clone())
        .await
        .map_err(|error| Error::capability("events", &error))?;
    let tasks = sbd_tasks::SqliteBackend::open(database.clone())
        .await
        .map_err(|error| Error::capability("tasks", &error))?;
    let files = sbd_blobs::Files::open(database.clone(), blobs.clone(), most)
        .await
        .map_err(|error| Error::capability("blobs", &error))?;
    Ok(Stores {
        documents: Arc::new(SqliteDocuments::new(database.clone())),
        keyvalue: Arc::new(keyvalue),
        cache: Arc::new(MemoryBackend::default()),
        deliveries: Arc::new(deliveries),
        tasks: Arc::new(tasks),
        realtime,
        blobs: Arc::new(files),
        archive: Arc::new(TenantArchive {
            database,
            databases: databases.clone(),
            blobs,
        }),
        databases,
    })
}

/// Puts what lies beside a tenant's own database where nothing is, if there is any. What lies there of an import
/// that was cut short goes: the tenant's own database is placed after it.
fn place_folder(folder: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if !folder.exists() {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::rename(folder, to)
}

/// Puts a closed database where none is, durably.
fn place(database: &Path, to: &Path) -> std::io::Result<()> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    if Path::new(&log).exists() {
        return Err(std::io::Error::other("the database did not close"));
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // Unlike a rename, a link replaces nothing.
    std::fs::hard_link(database, to)?;
    File::open(folder)?.sync_all()
}

/// Removes a database with its log; answers which files there were, with their sizes.
fn remove_files(database: &Path) -> std::io::Result<Vec<(PathBuf, u64)>> {
    let mut removed = Vec::new();
    // The database last: as long as it is there, the deletion can be run again.
    for suffix in ["-wal", "-shm", ""] {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        let path = PathBuf::from(path);
        match std::fs::metadata(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                removed.push((path, file.len()));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}
