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
use sbd_vectors::{Searching, SqliteVectors};
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
    pub(crate) vectors: Arc<dyn sbd_vectors::Backend>,
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

/// One SQLite file a tenant, `tenants/NAME.db` in the data directory, another one for its vectors,
/// `tenants/NAME.vectors.db`, one for each database of a component,
/// `tenants/NAME.sqlite/COMPONENT/LABEL.db`, and its blobs as files in `tenants/NAME.blobs`.
pub(crate) struct SqliteStores {
    pub(crate) data_dir: PathBuf,
    pub(crate) options: sbd_storage::Options,
    pub(crate) realtime: sbd_realtime::MemoryBackends,
    pub(crate) searching: Arc<Searching>,
}

/// Where the databases of a tenant lie.
struct Files {
    own: PathBuf,
    vectors: PathBuf,
    /// Those of its components.
    databases: PathBuf,
    /// The folder of its blobs.
    blobs: PathBuf,
}

// === impl SqliteStores ===

impl SqliteStores {
    fn files(&self, tenant: &str) -> Files {
        let folder = self.data_dir.join("tenants");
        Files {
            own: tenant_file(&self.data_dir, tenant),
            vectors: folder.join(format!("{tenant}.vectors.db")),
            databases: folder.join(format!("{tenant}.sqlite")),
            blobs: folder.join(format!("{tenant}.blobs")),
        }
    }

    /// The vectors in a file that is made when they are first used.
    fn vectors(&self, path: &Path) -> SqliteVectors {
        let (options, searching) = (self.options.clone(), Arc::clone(&self.searching));
        SqliteVectors::new(path.to_owned(), options, searching)
    }
}

impl OpenStores for SqliteStores {
    fn open<'a>(&'a self, tenant: &'a Arc<str>) -> BoxFuture<'a, Result<Stores, Error>> {
        let options = self.options.clone();
        let realtime = self.realtime.of(tenant);
        let files = self.files(tenant);
        let vectors = self.vectors(&files.vectors);
        Box::pin(open(files, vectors, options, realtime))
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
        let (files, options) = (self.files(tenant), self.options.clone());
        Box::pin(async move {
            let folder = tempfile::tempdir_in(&temporary)
                .map_err(|error| Error::data_directory(&temporary, &error))?;
            let filled = || Files {
                own: folder.path().join("filled.db"),
                vectors: folder.path().join("filled.vectors.db"),
                databases: folder.path().join("filled.sqlite"),
                blobs: folder.path().join("filled.blobs"),
            };
            // Nobody listens before it is there.
            let realtime = Arc::new(sbd_realtime::MemoryBackend::default());
            let vectors = self.vectors(&filled().vectors);
            let stores = open(filled(), vectors, options, realtime).await?;
            let filled = filled();
            let filling = move || {
                fill(&stores, &archive, &allowed)?;
                // Closed, it is one file.
                drop(stores);
                let at = |path: &Path, placed: std::io::Result<()>| {
                    placed.map_err(|error| Error::data_directory(path, &error))
                };
                for (from, to) in [
                    (&filled.databases, &files.databases),
                    (&filled.blobs, &files.blobs),
                ] {
                    at(to, place_folder(from, to))?;
                }
                // What lies there is of an import that was cut short, as are the databases of components.
                at(&files.vectors, remove_files(&files.vectors).map(drop))?;
                if filled.vectors.exists() {
                    at(&files.vectors, place(&filled.vectors, &files.vectors))?;
                }
                at(&files.own, place(&filled.own, &files.own))
            };
            let filled = tokio::task::spawn_blocking(filling).await;
            filled.map_err(|error| Error::capability("storage", &error))?
        })
    }

    fn remove<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<Vec<(PathBuf, u64)>, Error>> {
        let files = self.files(tenant);
        self.realtime.remove(tenant);
        Box::pin(async move {
            let removing = move || {
                let of_components = sbd_sqlite::remove(&files.databases)
                    .map_err(|error| Error::data_directory(&files.databases, &error))?;
                let put = sbd_blobs::remove(&files.blobs)
                    .map_err(|error| Error::data_directory(&files.blobs, &error))?;
                // The tenant's own last: as long as it is there, the deletion can be run again.
                let [vectors, own] = [&files.vectors, &files.own].map(|path| {
                    remove_files(path).map_err(|error| Error::data_directory(path, &error))
                });
                let removed = vectors?.into_iter().chain(own?);
                Ok(removed.chain(of_components).chain(put).collect())
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
    files: Files,
    vectors: SqliteVectors,
    options: sbd_storage::Options,
    realtime: Arc<dyn sbd_realtime::Backend>,
) -> Result<Stores, Error> {
    let (path, most) = (files.own, options.max_bytes);
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
    let blobs = sbd_blobs::Files::open(database.clone(), files.blobs.clone(), most)
        .await
        .map_err(|error| Error::capability("blobs", &error))?;
    Ok(Stores {
        documents: Arc::new(SqliteDocuments::new(database.clone())),
        keyvalue: Arc::new(keyvalue),
        cache: Arc::new(MemoryBackend::default()),
        deliveries: Arc::new(deliveries),
        tasks: Arc::new(tasks),
        realtime,
        blobs: Arc::new(blobs),
        vectors: Arc::new(vectors),
        archive: Arc::new(TenantArchive {
            database,
            vectors: files.vectors,
            databases: files.databases.clone(),
            blobs: files.blobs,
        }),
        databases: files.databases,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use sbd_storage::Quota;
    use sbd_vectors_search::{Config, Dense, Filter, Metric, Page, Point, Sparse};

    fn stores(data_dir: &Path) -> SqliteStores {
        std::fs::create_dir_all(data_dir.join("temporary")).unwrap();
        SqliteStores {
            data_dir: data_dir.to_owned(),
            options: sbd_storage::Options::default(),
            realtime: Default::default(),
            searching: Arc::new(Searching::new(sbd_vectors::Settings::default())),
        }
    }

    fn name() -> String {
        "chunks".to_owned()
    }

    /// Numbers that only their own bits tell from others.
    fn points() -> Vec<Point> {
        let points = (0..1200_u16).map(|number| {
            let number = f32::from(number) + 1.0;
            Point {
                id: format!("p{number:04}"),
                dense: Some(vec![0.1 / number, 1.0 / 3.0, -number.sqrt()]),
                sparse: Some(Sparse {
                    terms: vec![7, u32::MAX],
                    weights: vec![0.1 * number, f32::MIN_POSITIVE],
                }),
                payload: r#"{"text":"Grüße\n","page":3}"#.to_owned(),
            }
        });
        points.collect()
    }

    async fn all(stores: &Stores) -> Vec<Point> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let filter = Filter::default();
            let scroll = stores
                .vectors
                .scroll("knowledge", name(), filter, cursor, 1000, true);
            let Page { points, next } = scroll.await.unwrap();
            all.extend(points);
            match next {
                Some(next) => cursor = Some(next),
                None => return all,
            }
        }
    }

    async fn export(stores: &Stores, folder: &Path) -> File {
        let about = serde_json::json!({});
        let exported = stores.archive.export(folder, about, HashSet::new());
        exported.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn vectors_come_and_go_with_their_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let stores = stores(folder.path());
        let acme = stores.open(&"acme".into()).await.unwrap();
        // Who has no vectors has no file for them.
        export(&acme, folder.path()).await;
        assert!(!folder.path().join("tenants/acme.vectors.db").exists());

        let config = Config {
            dense: Some(Dense {
                dimensions: 3,
                metric: Metric::Euclid,
            }),
            sparse: true,
        };
        let vectors = &acme.vectors;
        vectors.create("knowledge", name(), config).await.unwrap();
        for points in points().chunks(600) {
            let put = vectors.upsert("knowledge", name(), points.to_vec());
            put.await.unwrap();
        }
        let archive = export(&acme, folder.path()).await;
        let allowed = Allowed::default();
        stores.import("again", archive, allowed).await.unwrap();
        let again = stores.open(&"again".into()).await.unwrap();
        let described = again.vectors.collections("knowledge").await.unwrap();
        assert_eq!(described, vectors.collections("knowledge").await.unwrap());
        assert_eq!(all(&again).await, points());

        // More than a component may keep is not taken in.
        let archive = export(&acme, folder.path()).await;
        let mut allowed = Allowed::default();
        let quota = Quota {
            documents: 0,
            bytes: 10_000,
        };
        allowed.components.insert("knowledge".to_owned(), quota);
        let refused = stores.import("small", archive, allowed).await;
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("vectors/knowledge/chunks.jsonl") && refused.contains("stored_bytes"),
            "{refused}"
        );
        assert!(!folder.path().join("tenants/small.vectors.db").exists());

        drop((acme, again));
        let removed = stores.remove("acme").await.unwrap();
        let file = folder.path().join("tenants/acme.vectors.db");
        assert!(removed.iter().any(|(path, _)| *path == file), "{removed:?}");
        assert!(!file.exists());
        assert!(folder.path().join("tenants/again.vectors.db").exists());
    }
}
