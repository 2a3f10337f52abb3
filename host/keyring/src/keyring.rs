//! The keys of every tenant, one file each.

use crate::{Error, file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// A kind of key, ready to use.
pub trait Kind: Send + Sync + Sized + 'static {
    /// A key as the file keeps it. It does not print.
    type Stored: Serialize + DeserializeOwned + Send;
    /// How new keys are to be.
    type Settings: Clone + fmt::Debug + Send + Sync + 'static;

    /// Makes a key. It may take a second: never on an async thread.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    fn generate(settings: &Self::Settings) -> Result<Self::Stored, Error>;

    /// Reads a key; `None` when it is damaged.
    fn open(stored: &Self::Stored) -> Option<Self>;

    /// Whether a key is as new ones are to be; otherwise another one takes its place.
    fn suits(stored: &Self::Stored, settings: &Self::Settings) -> bool;

    /// The key, now that another one took its place.
    fn retired(stored: Self::Stored, now: i64) -> Self::Stored;

    /// Whether nobody needs a key any more that was retired.
    fn is_over(stored: &Self::Stored, now: i64) -> bool;
}

/// The keys of one tenant: the one for what is new, and those before it.
#[derive(Debug)]
pub struct Keys<K> {
    /// The key for what is new.
    pub current: K,
    /// Those before it, as long as somebody needs them.
    pub former: Vec<K>,
}

/// Keys in a folder, `<tenant>.json` each, readable by the host's user alone.
pub struct FileKeyring<K: Kind> {
    folder: PathBuf,
    settings: K::Settings,
    opened: RwLock<HashMap<Box<str>, Arc<Keys<K>>>>,
    /// Held while a file is read or written.
    files: tokio::sync::Mutex<()>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile<S> {
    current: S,
    former: Vec<S>,
}

/// Says whether every file of keys in a folder can be read. Changes nothing. Blocks.
///
/// # Errors
/// [`Error::File`], [`Error::Damaged`].
pub fn check<K: Kind>(folder: &Path) -> Result<(), Error> {
    for path in file::all(folder, "json")? {
        let content = file::read(&path)?.unwrap_or_default();
        KeyFile::<K::Stored>::read(&path, &content)?.open::<K>(&path)?;
    }
    Ok(())
}

// === impl FileKeyring ===

impl<K: Kind> FileKeyring<K> {
    /// Keys in `folder`, which is made when the first key is.
    ///
    /// # Errors
    /// [`Error::File`] when something that is not a folder is there.
    pub fn open(folder: PathBuf, settings: K::Settings) -> Result<Self, Error> {
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

    /// Takes a new key from now on. What was made with those before stays good as long as their kind says.
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

    /// Removes a tenant's keys for good, and with them the worth of all that was made with them; answers the
    /// file and its size, if there was one.
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

    /// The keys of a tenant; made on first use.
    ///
    /// # Errors
    /// Those of [`Self::rotate`].
    pub async fn keys(&self, tenant: &str) -> Result<Arc<Keys<K>>, Error> {
        if let Some(keys) = self.opened(tenant) {
            return Ok(keys);
        }
        let _held = self.files.lock().await;
        match self.opened(tenant) {
            Some(keys) => Ok(keys),
            None => {
                self.load(tenant, |current, settings| !K::suits(current, settings))
                    .await
            }
        }
    }

    fn opened(&self, tenant: &str) -> Option<Arc<Keys<K>>> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.get(tenant).map(Arc::clone)
    }

    /// Reads a tenant's file, or makes it, off the async threads, and rotates if `rotate` says so.
    /// It starts from the file, so that a caller who went away half-way loses no key.
    async fn load(
        &self,
        tenant: &str,
        rotate: impl FnOnce(&K::Stored, &K::Settings) -> bool + Send + 'static,
    ) -> Result<Arc<Keys<K>>, Error> {
        let path = file::path(&self.folder, tenant, ".json")?;
        let settings = self.settings.clone();
        let job = move || {
            let (mut file, fresh) = KeyFile::load_or_create::<K>(&path, &settings)?;
            if !fresh && rotate(&file.current, &settings) {
                file = file.rotated::<K>(&settings, now())?;
                file::replace(&path, &file.to_json()?)?;
            }
            file.open::<K>(&path)
        };
        let keys = tokio::task::spawn_blocking(job).await;
        let keys = Arc::new(keys.map_err(|_| Error::Unavailable("reading keys"))??);
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        opened.insert(tenant.into(), Arc::clone(&keys));
        Ok(keys)
    }
}

impl<K: Kind> fmt::Debug for FileKeyring<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeyring")
            .field("folder", &self.folder)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

// === impl KeyFile ===

impl<S: Serialize + DeserializeOwned> KeyFile<S> {
    /// The file's keys, and whether they were made just now.
    fn load_or_create<K: Kind<Stored = S>>(
        path: &Path,
        settings: &K::Settings,
    ) -> Result<(Self, bool), Error> {
        if let Some(content) = file::read(path)? {
            return Ok((Self::read(path, &content)?, false));
        }
        let fresh = Self {
            current: K::generate(settings)?,
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

    /// A new key takes the place of the current one, which stays as long as somebody needs it.
    fn rotated<K: Kind<Stored = S>>(self, settings: &K::Settings, now: i64) -> Result<Self, Error> {
        let mut former = self.former;
        former.retain(|key| !K::is_over(key, now));
        former.push(K::retired(self.current, now));
        Ok(Self {
            current: K::generate(settings)?,
            former,
        })
    }

    fn open<K: Kind<Stored = S>>(&self, path: &Path) -> Result<Keys<K>, Error> {
        let open = |key: &S| {
            let opened = K::open(key);
            opened.ok_or_else(|| Error::damaged(path, "a key in it cannot be read"))
        };
        Ok(Keys {
            current: open(&self.current)?,
            former: self.former.iter().map(open).collect::<Result<_, _>>()?,
        })
    }
}

/// Unix seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
