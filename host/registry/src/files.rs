//! The files of deployed components, `components/<sha256>.wasm`: named by what is in them, so that
//! two versions of the same bytes are one file.
//!
//! A file is whole and durable before a row of `host.db` may name it. What no row names is removed,
//! at start and after each deployment, unless somebody holds it as [`StoredWasm`].

use crate::Error;
use ring::digest::{SHA256, digest};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// A component that lies in its file, and stays there as long as this or a version that names it.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoredWasm {
    sha256: Arc<str>,
    bytes: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: Arc<Path>,
    /// What is held. Locked while files come and go, so that none goes that somebody just stored.
    held: Arc<Mutex<Vec<Weak<str>>>>,
}

// === impl StoredWasm ===

impl StoredWasm {
    /// SHA-256 of the bytes, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How many bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

// === impl Files ===

impl Files {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("components").into(),
            held: Arc::default(),
        }
    }

    /// Writes the bytes to their file, unless they are there already. Durable when it returns.
    pub(crate) async fn store(&self, wasm: Vec<u8>) -> Result<StoredWasm, Error> {
        let folder = Arc::clone(&self.folder);
        let mut held = self.lock().await;
        let storing = move || {
            let sha256: Arc<str> = sha256(&wasm).into();
            let path = file(&folder, &sha256);
            // A file that was damaged is written anew.
            if check_bytes(&path, &sha256).is_err() {
                write(&path, &wasm).map_err(|error| failed("cannot write", &path, &error))?;
            }
            held.push(Arc::downgrade(&sha256));
            let bytes = wasm.len() as u64;
            Ok(StoredWasm { sha256, bytes })
        };
        blocking(storing).await?
    }

    /// The bytes, which are those of this hash; or what is wrong with the file.
    pub(crate) async fn read(&self, sha256: &str) -> Result<Vec<u8>, String> {
        let (path, sha256) = (file(&self.folder, sha256), sha256.to_owned());
        let reading = blocking(move || check_bytes(&path, &sha256)).await;
        reading.map_err(|error| error.to_string())?
    }

    /// Where the bytes of this hash lie.
    pub(crate) fn path(&self, sha256: &str) -> PathBuf {
        file(&self.folder, sha256)
    }

    /// As [`Files::read`], for a thread that may wait.
    pub(crate) fn read_now(&self, sha256: &str) -> Result<Vec<u8>, String> {
        check_bytes(&file(&self.folder, sha256), sha256)
    }

    /// What is wrong with the file at first sight: whether it is there, as long as it must be.
    pub(crate) fn glance(&self, sha256: &str, bytes: u64) -> Result<(), String> {
        let path = file(&self.folder, sha256);
        match std::fs::metadata(&path) {
            Ok(file) if file.len() == bytes => Ok(()),
            Ok(_) => Err(changed(&path)),
            Err(error) => Err(unreadable(&path, &error)),
        }
    }

    /// Removes the files that nobody holds and that are not among those wanted, and what is left of
    /// writes that a crash cut short. `wanted` is asked once nothing can be stored meanwhile.
    pub(crate) async fn sweep(
        &self,
        wanted: impl Future<Output = Result<HashSet<String>, Error>>,
    ) -> Result<(), Error> {
        let folder = Arc::clone(&self.folder);
        let held = self.lock().await;
        // Held now, wanted later: who lets go in between has added a row before.
        let kept: Vec<Arc<str>> = held.iter().filter_map(Weak::upgrade).collect();
        let mut wanted = wanted.await?;
        wanted.extend(kept.iter().map(|sha256| sha256.to_string()));
        let sweeping = move || {
            let _alone = held;
            sweep(&folder, &wanted)
        };
        blocking(sweeping).await?
    }

    async fn lock(&self) -> OwnedMutexGuard<Vec<Weak<str>>> {
        let mut held = Arc::clone(&self.held).lock_owned().await;
        held.retain(|sha256| sha256.strong_count() > 0);
        held
    }
}

fn file(folder: &Path, sha256: &str) -> PathBuf {
    folder.join(format!("{sha256}.wasm"))
}

fn sha256(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// Runs on a thread that may wait; to its end, even if nobody waits for it any more.
async fn blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|error| Error::Files(format!("a component's file was left alone: {error}")))
}

/// The bytes of a file, if they are those of its hash.
fn check_bytes(path: &Path, expected: &str) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    if sha256(&bytes) == expected {
        Ok(bytes)
    } else {
        Err(changed(path))
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("its file {} is missing", path.display()),
        _ => format!("its file {} cannot be read ({error})", path.display()),
    }
}

fn changed(path: &Path) -> String {
    let path = path.display();
    format!("its file {path} is not what was deployed")
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::Files(format!("{what} {}: {error}", path.display()))
}

/// A crash leaves the old file, or the new one, or a partial one that [`sweep`] removes.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        std::fs::create_dir_all(folder)?;
        sync_folder(folder.parent().unwrap_or(Path::new(".")))?;
    }
    let partial = path.with_extension("wasm.partial");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    sync_folder(folder)
}

/// Makes names last, where folders can be opened.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn sweep(folder: &Path, wanted: &HashSet<String>) -> Result<(), Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // Nothing was deployed yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("cannot read", folder, &error)),
    };
    for entry in entries {
        let path = entry
            .map_err(|error| failed("cannot read", folder, &error))?
            .path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_orphan = name
            .strip_suffix(".wasm")
            .is_some_and(|sha256| !wanted.contains(sha256));
        if is_orphan || name.ends_with(".wasm.partial") {
            std::fs::remove_file(&path).map_err(|error| failed("cannot remove", &path, &error))?;
            tracing::info!(file = %path.display(), "removed; no deployed version needs it");
        }
    }
    Ok(())
}
