//! The keys of every tenant, one file each.

use crate::key::{Key, StoredKey};
use crate::token::MAX_TTL;
use crate::{Error, HostSecret, Settings, file};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where keys are kept.
pub trait Keyring: Send + Sync + 'static {
    /// The keys of a tenant; made on first use.
    fn keys<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<Arc<TenantKeys>, Error>>;

    /// Signs with a new key from now on. Tokens signed before stay good until they run out.
    fn rotate<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}

/// The keys of one tenant: the one that signs, and those that still verify.
#[derive(Debug)]
pub struct TenantKeys {
    current: Key,
    former: Vec<Key>,
}

/// Keys in a folder, `<tenant>.json` each, readable by the host's user alone.
pub struct FileKeyring {
    folder: PathBuf,
    settings: Settings,
    opened: RwLock<HashMap<Box<str>, Arc<TenantKeys>>>,
    /// Held while a file is read or written.
    files: tokio::sync::Mutex<()>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    current: StoredKey,
    former: Vec<StoredKey>,
}

/// Says whether everything in a keyring can be read: the keys of tenants and the secrets of the host, in
/// folders of these names. Changes nothing. Blocks.
///
/// # Errors
/// [`Error::File`], [`Error::Damaged`].
pub fn check(keyring: &Path) -> Result<(), Error> {
    for path in file::all(&keyring.join("tenants"), "json")? {
        let content = file::read(&path)?.unwrap_or_default();
        KeyFile::read(&path, &content)?.open(&path)?;
    }
    for path in file::all(&keyring.join("host"), "key")? {
        let content = file::read(&path)?.unwrap_or_default();
        HostSecret::read(&path, &content)?;
    }
    Ok(())
}

/// Removes from a keyring that nobody else uses what processes that were killed were writing. Blocks.
///
/// # Errors
/// [`Error::File`].
pub fn tidy(keyring: &Path) -> Result<(), Error> {
    let folders = ["tenants", "host"].map(|folder| keyring.join(folder));
    folders.iter().try_for_each(|folder| file::tidy(folder))
}

// === impl FileKeyring ===

impl FileKeyring {
    /// Keys in `folder`, which is made when the first key is.
    ///
    /// # Errors
    /// [`Error::File`] when something that is not a folder is there.
    pub fn open(folder: PathBuf, settings: Settings) -> Result<Self, Error> {
        if folder.exists() && !folder.is_dir() {
            let cause = std::io::ErrorKind::NotADirectory.into();
            return Err(Error::File {
                path: folder,
                cause,
            });
        }
        Ok(Self {
            folder,
            settings,
            opened: RwLock::default(),
            files: tokio::sync::Mutex::default(),
        })
    }

    /// Signs with a new key from now on. Tokens signed before stay good until they run out.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::File`], [`Error::Damaged`], [`Error::Unavailable`].
    pub async fn rotate(&self, tenant: &str) -> Result<(), Error> {
        let _held = self.files.lock().await;
        self.load(tenant, |_, _| true).await.map(drop)
    }

    /// Holds a tenant's keys no longer in memory; the next use reads them again.
    pub fn forget(&self, tenant: &str) {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        opened.remove(tenant);
    }

    /// Removes a tenant's keys for good, and with them every token's validity; answers the file and
    /// its size, if there was one.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::File`].
    pub async fn remove(&self, tenant: &str) -> Result<Option<(PathBuf, u64)>, Error> {
        let _held = self.files.lock().await;
        self.forget(tenant);
        let path = file::path(&self.folder, tenant, ".json")?;
        let removed = std::fs::metadata(&path).and_then(|file| {
            std::fs::remove_file(&path)?;
            Ok(file.len())
        });
        match removed {
            Ok(bytes) => Ok(Some((path, bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file(&path)(error)),
        }
    }

    async fn keys(&self, tenant: &str) -> Result<Arc<TenantKeys>, Error> {
        if let Some(keys) = self.opened(tenant) {
            return Ok(keys);
        }
        let _held = self.files.lock().await;
        match self.opened(tenant) {
            Some(keys) => Ok(keys),
            None => {
                let outdated = |file: &KeyFile, settings: &Settings| {
                    file.current.algorithm != settings.algorithm
                };
                self.load(tenant, outdated).await
            }
        }
    }

    fn opened(&self, tenant: &str) -> Option<Arc<TenantKeys>> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.get(tenant).map(Arc::clone)
    }

    /// Reads a tenant's file, or makes it, off the async threads, and rotates if `rotate` says so.
    /// It starts from the file, so that a caller who went away half-way loses no key.
    async fn load(
        &self,
        tenant: &str,
        rotate: impl FnOnce(&KeyFile, &Settings) -> bool + Send + 'static,
    ) -> Result<Arc<TenantKeys>, Error> {
        let path = file::path(&self.folder, tenant, ".json")?;
        let settings = self.settings.clone();
        let job = move || {
            let (mut file, fresh) = KeyFile::load_or_create(&path, &settings)?;
            if !fresh && rotate(&file, &settings) {
                file = file.rotated(&settings, now())?;
                file::replace(&path, &file.to_json()?)?;
            }
            file.open(&path)
        };
        let keys = tokio::task::spawn_blocking(job).await;
        let keys = Arc::new(keys.map_err(|_| Error::Unavailable("reading keys"))??);
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        opened.insert(tenant.into(), Arc::clone(&keys));
        Ok(keys)
    }
}

impl Keyring for FileKeyring {
    fn keys<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<Arc<TenantKeys>, Error>> {
        Box::pin(self.keys(tenant))
    }

    fn rotate<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.rotate(tenant))
    }
}

impl fmt::Debug for FileKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeyring")
            .field("folder", &self.folder)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

// === impl TenantKeys ===

impl TenantKeys {
    /// The key that signs.
    pub(crate) fn current(&self) -> &Key {
        &self.current
    }

    /// The key of an id, unless no token signed with it can be good any more.
    pub(crate) fn by_id(&self, kid: &str, now: i64) -> Option<&Key> {
        self.verifying(now).find(|key| key.kid == kid)
    }

    /// The public keys as a JSON Web Key Set (RFC 7517).
    pub(crate) fn jwks(&self, now: i64) -> String {
        let keys: Vec<Value> = self.verifying(now).filter_map(Key::jwk).collect();
        json!({ "keys": keys }).to_string()
    }

    fn verifying(&self, now: i64) -> impl Iterator<Item = &Key> {
        let former = self.former.iter();
        let former = former.filter(move |key| key.retire_at.is_some_and(|at| at > now));
        std::iter::once(&self.current).chain(former)
    }
}

// === impl KeyFile ===

impl KeyFile {
    /// The file's keys, and whether they were made just now.
    fn load_or_create(path: &Path, settings: &Settings) -> Result<(Self, bool), Error> {
        if let Some(content) = file::read(path)? {
            return Ok((Self::read(path, &content)?, false));
        }
        let fresh = Self {
            current: StoredKey::generate(settings.algorithm)?,
            former: Vec::new(),
        };
        if file::create(path, &fresh.to_json()?)? {
            return Ok((fresh, true));
        }
        let content = file::read(path)?.unwrap_or_default();
        Ok((Self::read(path, &content)?, false))
    }

    /// What serde says is left out: it could quote a key.
    fn read(path: &Path, content: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(content).map_err(|_| Error::damaged(path, "it is not a keyring"))
    }

    fn to_json(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec_pretty(self).map_err(|_| Error::Unavailable("writing keys"))
    }

    /// A new key signs; the old one goes when the longest-lived token it can have signed does.
    fn rotated(self, settings: &Settings, now: i64) -> Result<Self, Error> {
        let mut former = self.former;
        former.retain(|key| key.retire_at.is_some_and(|at| at > now));
        let mut retiring = self.current;
        retiring.retire_at = Some(now.saturating_add(MAX_TTL.into()));
        former.push(retiring);
        Ok(Self {
            current: StoredKey::generate(settings.algorithm)?,
            former,
        })
    }

    fn open(&self, path: &Path) -> Result<TenantKeys, Error> {
        let open = |key: &StoredKey| {
            let opened = key.open();
            opened.ok_or_else(|| Error::damaged(path, "a key in it cannot be read"))
        };
        Ok(TenantKeys {
            current: open(&self.current)?,
            former: self.former.iter().map(open).collect::<Result<_, _>>()?,
        })
    }
}

/// Unix seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
