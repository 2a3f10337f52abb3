//! Compiled components on disk.
//!
//! Loading machine code is as dangerous as running it, so a file is loaded only if this very host
//! wrote it: its content is authenticated with a secret of the data directory before wasmtime sees
//! it. A file that was changed, cut short, or brought from elsewhere is compiled anew. The name
//! of a file is the component's content hash and the engine's compatibility hash, so that another
//! wasmtime version or setting never meets it.
//!
//! What is served stays. Of the rest, as earlier versions of components and what another wasmtime has
//! compiled, as much is kept as going back to it may need.

use crate::{Error, engine};
use bytes::Bytes;
use sbd_telemetry::metrics::COMPILE_CACHE;
use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The folder of compiled components.
pub(crate) struct CompileCache {
    folder: PathBuf,
    key: [u8; 32],
    hits: AtomicU64,
    misses: AtomicU64,
    rejected: AtomicU64,
}

/// What the cache has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileCacheStats {
    /// Components loaded from a file.
    pub hits: u64,
    /// Components compiled because there was no file.
    pub misses: u64,
    /// Components compiled because the file was not one of ours.
    pub rejected: u64,
}

/// How long a file that nobody serves is kept after it was last used.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// So many bytes of such files are kept, those that were used last.
const KEPT_BYTES: u64 = 512 << 20;

/// Bytes before the machine code: its keyed BLAKE3, which takes a fifth of the time of HMAC-SHA256.
const TAG: usize = blake3::OUT_LEN;

// === impl CompileCache ===

impl CompileCache {
    /// A cache in `folder`, whose files are authenticated with `secret`. What a process that was killed
    /// was writing there is removed.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub(crate) fn open(folder: PathBuf, secret: &[u8; 32]) -> Result<Self, Error> {
        let made = std::fs::create_dir_all(&folder).and_then(|()| remove_partial(&folder));
        made.map_err(|error| Error::data_directory(&folder, &error))?;
        Ok(Self {
            folder,
            key: *secret,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
        })
    }

    /// What the cache has done so far.
    pub(crate) fn stats(&self) -> CompileCacheStats {
        CompileCacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
        }
    }

    /// The component with this hash, if there is a good file of it.
    pub(crate) fn find(&self, engine: &Engine, sha256: &str) -> Option<Component> {
        let name = file_name(engine, sha256);
        let path = self.folder.join(&name);
        match std::fs::read(&path) {
            Ok(file) => match self.trusted(engine, &name, &file) {
                Ok(component) => {
                    count(&self.hits, "hit");
                    note_use(&path);
                    return Some(component);
                }
                Err(error) => {
                    count(&self.rejected, "rejected");
                    tracing::warn!(file = %path.display(), %error, "compiling a component anew");
                }
            },
            Err(_) => count(&self.misses, "miss"),
        }
        None
    }

    /// Compiles the component with this hash and keeps it. Blocks; where requests are answered
    /// meanwhile, on threads that give way to them.
    ///
    /// Engine and threads are this compilation's own: what a compiler holds for its next one ends with
    /// them.
    ///
    /// # Errors
    /// When the bytes are not a component that this engine can compile.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        sha256: &str,
        wasm: &[u8],
        is_serving: bool,
    ) -> wasmtime::Result<Component> {
        let compiler = engine::compiler()?;
        let compiled = threads(is_serving)?.install(|| compiler.precompile_component(wasm))?;
        drop(compiler);
        let name = file_name(engine, sha256);
        let path = self.folder.join(&name);
        let file = self.sealed(&name, &compiled);
        if let Err(error) = write_atomically(&path, &file) {
            tracing::warn!(file = %path.display(), %error, "cannot keep a compiled component; the next start will compile it again");
        }
        self.trusted(engine, &name, &file)
    }

    /// What the component with this hash offers, if that was kept; `Some(None)`: nothing.
    pub(crate) fn find_offer(&self, engine: &Engine, sha256: &str) -> Option<Option<Bytes>> {
        let name = offer_name(engine, sha256);
        let file = std::fs::read(self.folder.join(&name)).ok()?;
        match self.content(&name, &file)? {
            [] => Some(None),
            document => Some(Some(Bytes::copy_from_slice(document))),
        }
    }

    /// Keeps what the component with this hash offers, or that it offers nothing.
    pub(crate) fn keep_offer(&self, engine: &Engine, sha256: &str, document: Option<&Bytes>) {
        let name = offer_name(engine, sha256);
        let file = self.sealed(&name, document.map(Bytes::as_ref).unwrap_or_default());
        if let Err(error) = write_atomically(&self.folder.join(&name), &file) {
            tracing::warn!(file = name, %error, "cannot keep a component's offer; the next start will ask for it again");
        }
    }

    /// Removes files that are not of the components with these hashes: those that have not been used for
    /// [`KEPT`], and the longest unused ones past [`KEPT_BYTES`]. Blocks.
    pub(crate) fn prune(&self, engine: &Engine, served: &HashSet<String>) {
        if is_shared(&self.folder) {
            return;
        }
        let served = served
            .iter()
            .flat_map(|sha256| [file_name(engine, sha256), offer_name(engine, sha256)]);
        let pruned = prune(&self.folder, &served.collect(), SystemTime::now());
        if let Err(error) = pruned {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "compiled components that nobody serves cannot be removed");
        }
    }

    fn sealed(&self, name: &str, compiled: &[u8]) -> Vec<u8> {
        let mut file = Vec::with_capacity(TAG + compiled.len());
        file.extend_from_slice(self.tag(name, compiled).as_bytes());
        file.extend_from_slice(compiled);
        file
    }

    /// The component in a file's bytes, if this host sealed them under this name.
    fn trusted(&self, engine: &Engine, name: &str, file: &[u8]) -> wasmtime::Result<Component> {
        let Some(compiled) = self.content(name, file) else {
            wasmtime::bail!("compiled component was changed or comes from elsewhere");
        };
        // SAFETY: `deserialize` trusts its input to be wasmtime's own output. The tag, made with a
        // secret only this host has, proves that these bytes, already in memory, are what
        // `precompile_component` returned for this content and engine.
        #[expect(unsafe_code, reason = "wasmtime's API for precompiled code is unsafe")]
        unsafe {
            Component::deserialize(engine, compiled)
        }
    }

    /// What is in a file's bytes, if this host sealed them under this name.
    fn content<'a>(&self, name: &str, file: &'a [u8]) -> Option<&'a [u8]> {
        let (tag, content) = file.split_first_chunk::<TAG>()?;
        // Compared in constant time.
        (self.tag(name, content) == *tag).then_some(content)
    }

    fn tag(&self, name: &str, compiled: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(name.as_bytes());
        hasher.update(compiled);
        hasher.finalize()
    }
}

fn count(own: &AtomicU64, result: &'static str) {
    own.fetch_add(1, Ordering::Relaxed);
    metrics::counter!(COMPILE_CACHE, "result" => result).increment(1);
}

/// Threads for compiling: as many as the machine has processors. Beside requests one fewer, and with
/// a small claim on them.
fn threads(is_serving: bool) -> wasmtime::Result<rayon::ThreadPool> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = rayon::ThreadPoolBuilder::new().thread_name(|_| "sbd-compile".to_owned());
    let threads = match is_serving {
        true => threads
            .num_threads(processors.saturating_sub(1).max(1))
            .start_handler(|_| give_way())
            .build(),
        false => threads.num_threads(processors).build(),
    };
    Ok(threads?)
}

/// To a thread that answers requests this leaves nine tenths of a processor both want (sched(7)); at
/// the lowest priority, a busy machine would put a deployment off for minutes. Linux counts niceness
/// by thread; elsewhere it would be the whole server's.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "compiling with the priority of requests");
    }
}

fn offer_name(engine: &Engine, sha256: &str) -> String {
    file_name(engine, sha256).replace(".cwasm", ".offer")
}

fn file_name(engine: &Engine, sha256: &str) -> String {
    let mut compatibility = DefaultHasher::new();
    engine
        .precompile_compatibility_hash()
        .hash(&mut compatibility);
    format!("{sha256}-{:016x}.cwasm", compatibility.finish())
}

/// A reader sees the old file or the new one, never half of it. What could not be written leaves nothing.
fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // Half a file on a full disk would keep everybody else from writing.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// Whether others use the folder too: then nothing in it is this host's to remove.
fn is_shared(folder: &Path) -> bool {
    folder.is_symlink()
}

fn remove_partial(folder: &Path) -> std::io::Result<()> {
    if is_shared(folder) {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "partial") {
            std::fs::remove_file(&path)?;
            tracing::info!(file = %path.display(), "removed; it was never finished");
        }
    }
    Ok(())
}

/// The time of a file's last change is that of its last use.
fn note_use(path: &Path) {
    let noted = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = noted {
        tracing::debug!(%error, "the use of a compiled component is not noted");
    }
}

fn prune(folder: &Path, served: &HashSet<String>, now: SystemTime) -> std::io::Result<()> {
    let mut others = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name.ends_with(".cwasm") || name.ends_with(".offer");
        let file = entry.metadata()?;
        if is_ours && file.is_file() && !served.contains(&*name) {
            others.push((file.modified()?, file.len(), entry.path()));
        }
    }
    // The last used first.
    others.sort_by(|one, other| other.cmp(one));
    let mut bytes: u64 = 0;
    for (used, length, path) in others {
        bytes = bytes.saturating_add(length);
        let age = now.duration_since(used).unwrap_or_default();
        if age > KEPT || bytes > KEPT_BYTES {
            std::fs::remove_file(&path)?;
            tracing::debug!(file = %path.display(), "removed; nobody serves it any more");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// A file of so many bytes, which take no room, last used so long ago.
    fn file(folder: &Path, name: &str, bytes: u64, age: Duration) {
        let file = File::create(folder.join(name)).unwrap();
        file.set_len(bytes).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn what_nobody_serves_goes_by_age_and_by_size() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let served = HashSet::from(["served.cwasm".to_owned()]);
        file(folder, "served.cwasm", 400 << 20, 100 * DAY);
        file(folder, "old.cwasm", 1, 31 * DAY);
        file(folder, "old.offer", 1, 31 * DAY);
        file(folder, "a.cwasm", 300 << 20, 29 * DAY);
        file(folder, "b.cwasm", 300 << 20, DAY);
        file(folder, "c.cwasm", 200 << 20, Duration::ZERO);
        file(folder, "foreign.txt", 1, 100 * DAY);
        prune(folder, &served, SystemTime::now()).unwrap();
        let kept = ["b.cwasm", "c.cwasm", "foreign.txt", "served.cwasm"];
        assert_eq!(names(folder), kept);
    }

    #[test]
    fn what_could_not_be_written_leaves_nothing_and_what_was_left_goes() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.cwasm");
        // A folder in its place: the file is written and cannot be put there.
        std::fs::create_dir_all(place.join("x")).unwrap();
        write_atomically(&place, b"machine code").unwrap_err();
        assert_eq!(names(folder.path()), ["a.cwasm"]);

        file(folder.path(), "b.1234.partial", 5, Duration::ZERO);
        CompileCache::open(folder.path().to_owned(), &[0; 32]).unwrap();
        assert_eq!(names(folder.path()), ["a.cwasm"]);
        // What others share is not this host's.
        file(folder.path(), "b.1234.partial", 5, Duration::ZERO);
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("compiled");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        CompileCache::open(link, &[0; 32]).unwrap();
        assert_eq!(names(folder.path()), ["a.cwasm", "b.1234.partial"]);
    }
}
