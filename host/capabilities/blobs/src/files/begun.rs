//! What is being put: in files that have no name yet, counted as if they had.

use super::delete_file;
use super::index::Room;
use crate::Error;
use crate::limits::MAX_BEGUN;
use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// Where there are too many, one that has been left alone for so long makes room.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// What a tenant's components are putting, by id.
#[derive(Default)]
pub(super) struct Begun {
    puts: Mutex<HashMap<String, Arc<Put>>>,
}

/// A blob that is being put. The file goes with it, unless it has got another name.
pub(super) struct Put {
    component: Arc<str>,
    pub(super) name: String,
    pub(super) content_type: String,
    /// Bytes that there are, and those that are being added.
    bytes: AtomicU64,
    touched: AtomicI64,
    /// Whoever has it adds a piece, or ends it. None when it was ended.
    pub(super) writing: Arc<tokio::sync::Mutex<Option<Writing>>>,
    partial: PathBuf,
}

/// The file, and what is known of it so far.
pub(super) struct Writing {
    partial: PathBuf,
    hash: Context,
    bytes: u64,
}

// === impl Begun ===

impl Begun {
    /// One more. Where there are too many, the one that was left alone longest may go for it.
    pub(super) fn add(&self, id: String, put: Put) -> Result<(), Error> {
        let mut puts = self.lock();
        let own = || {
            puts.iter()
                .filter(|(_, other)| other.component == put.component)
        };
        if own().count() >= MAX_BEGUN {
            let oldest = own().min_by_key(|(_, other)| other.touched());
            let oldest = oldest.filter(|(_, other)| other.is_idle(Timestamp::now(), LEFT_ALONE));
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                return Err(Error::TooMany(MAX_BEGUN));
            };
            puts.remove(&oldest);
        }
        puts.insert(id, Arc::new(put));
        Ok(())
    }

    /// What a component is putting.
    pub(super) fn get(&self, component: &Arc<str>, id: &str) -> Result<Arc<Put>, Error> {
        let puts = self.lock();
        let put = puts.get(id).filter(|put| put.component == *component);
        put.cloned().ok_or(Error::NotBegun)
    }

    /// Counts bytes that are about to be added, if there is room for them and all that others add.
    pub(super) fn reserve(&self, put: &Put, bytes: u64, room: Room) -> Result<(), Error> {
        let puts = self.lock();
        let sum = |own: bool| {
            let counted = puts
                .values()
                .filter(|other| !own || other.component == put.component);
            let counted = counted.map(|other| other.bytes.load(Ordering::Relaxed));
            counted.fold(bytes, u64::saturating_add)
        };
        if sum(true) > room.component {
            return Err(sbd_storage::Error::Quota("stored_bytes").into());
        }
        if sum(false) > room.tenant {
            return Err(Error::Full);
        }
        put.bytes.fetch_add(bytes, Ordering::Relaxed);
        put.touch();
        Ok(())
    }

    /// Forgets one. Its file goes when nobody writes to it any more.
    pub(super) fn forget(&self, id: &str) {
        let gone = self.lock().remove(id);
        drop(gone);
    }

    /// Forgets those that have been left alone for so long; answers how many.
    pub(super) fn forget_idle(&self, now: Timestamp, patience: Duration) -> u64 {
        let mut gone = Vec::new();
        self.lock().retain(|_, put| {
            let goes = put.is_idle(now, patience);
            if goes {
                gone.push(Arc::clone(put));
            }
            !goes
        });
        gone.len() as u64
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Put>>> {
        self.puts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Put ===

impl Put {
    pub(super) fn new(
        component: Arc<str>,
        name: String,
        content_type: String,
        partial: PathBuf,
    ) -> Self {
        let writing = Writing {
            partial: partial.clone(),
            hash: Context::new(&SHA256),
            bytes: 0,
        };
        Self {
            component,
            name,
            content_type,
            bytes: AtomicU64::new(0),
            touched: AtomicI64::new(Timestamp::now().as_millisecond()),
            writing: Arc::new(tokio::sync::Mutex::new(Some(writing))),
            partial,
        }
    }

    fn touch(&self) {
        let now = Timestamp::now().as_millisecond();
        self.touched.store(now, Ordering::Relaxed);
    }

    fn touched(&self) -> i64 {
        self.touched.load(Ordering::Relaxed)
    }

    fn is_idle(&self, now: Timestamp, patience: Duration) -> bool {
        let idle = now.as_millisecond().saturating_sub(self.touched());
        u128::try_from(idle).is_ok_and(|idle| idle >= patience.as_millis())
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        delete_file(&self.partial);
    }
}

/// Makes the file that a blob is written to, and the folder if need be.
pub(super) fn make(folder: &Path, partial: &Path) -> Result<(), Error> {
    if !folder.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        if let Some(parent) = folder.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(partial)?;
    Ok(())
}

/// Adds a piece; answers how many bytes there are now. What failed half-way is ended.
pub(super) fn append(
    mut writing: OwnedMutexGuard<Option<Writing>>,
    piece: &[u8],
) -> Result<u64, Error> {
    let Some(mut begun) = writing.take() else {
        return Err(Error::NotBegun);
    };
    // Opened anew each time: those that are begun and left alone keep no file open.
    let file = OpenOptions::new().append(true).open(&begun.partial);
    file?.write_all(piece)?;
    begun.hash.update(piece);
    begun.bytes += piece.len() as u64;
    let bytes = begun.bytes;
    *writing = Some(begun);
    Ok(bytes)
}

/// Puts a file that is whole where it stays, durably; answers its size and SHA-256.
pub(super) fn place(
    mut writing: OwnedMutexGuard<Option<Writing>>,
    whole: &Path,
) -> Result<(u64, String), Error> {
    let Some(begun) = writing.take() else {
        return Err(Error::NotBegun);
    };
    File::open(&begun.partial)?.sync_all()?;
    std::fs::rename(&begun.partial, whole)?;
    if let Some(folder) = whole.parent() {
        File::open(folder)?.sync_all()?;
    }
    let hash = begun.hash.finish();
    let sha256 = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
    Ok((begun.bytes, sha256.collect()))
}
