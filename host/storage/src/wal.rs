//! The write-ahead log, kept short.
//!
//! SQLite begins its log anew only at a moment when nobody reads from it. Where reads overlap, no
//! such moment comes, and the log grows with every change, also of what is there already, which no
//! quota counts. So the writer makes that moment: it pauses until all who read from the log are
//! done, while new readers find everything in the main file.

use crate::{BUSY, Error};
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that a log may have, and that SQLite leaves of it when it begins anew: enough that pauses
/// are rare, little enough for the disk of many tenants.
pub(crate) const LARGE: u32 = 64 << 20;
/// Past so many bytes nothing more is written: somebody has been reading for a very long time, and
/// the disk belongs to others too.
const LARGEST: u64 = 1 << 30;
/// How long the writer pauses at most. A guest's operation reads for 5 s at most (`query_time` of
/// documents), and so may one that begins while those before it are waited for.
const PATIENCE: Duration = Duration::from_secs(12);
/// How often it looks during a pause.
const LOOK: Duration = Duration::from_millis(5);

/// Pages after which SQLite moves the log to the main file by itself, as it does unless told otherwise.
const MOVED: u32 = 1000;

/// Copies under way, by the logs that they read from.
static COPIES: Mutex<Option<HashMap<PathBuf, Arc<AtomicBool>>>> = Mutex::new(None);

/// A copy under way. Until it is dropped the writer leaves the log as it is: waiting for this reader, or
/// moving all that it kept from being moved, would stop whoever writes.
#[derive(Debug)]
pub(crate) struct Copying {
    log: PathBuf,
    in_the_way: Arc<AtomicBool>,
}

/// The log of a database, as its writer sees it.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    bounds: Bounds,
    /// It is cut once it is longer than this. A cut that failed is not tried again before the log
    /// has doubled, or one long reader would make the writer pause after every commit.
    next: u64,
    /// Whether it was left to a copy when last looked at.
    is_left: bool,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    large: u64,
    largest: u64,
    patience: Duration,
}

/// Where the log of a database lies.
pub(crate) fn path(database: &Path) -> PathBuf {
    let database = database
        .canonicalize()
        .unwrap_or_else(|_| database.to_owned());
    let mut path = database.into_os_string();
    path.push("-wal");
    path.into()
}

// === impl Copying ===

impl Copying {
    pub(crate) fn begin(database: &Path) -> Self {
        let (log, in_the_way) = (path(database), Arc::new(AtomicBool::new(false)));
        let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
        let copies = copies.get_or_insert_default();
        copies.insert(log.clone(), Arc::clone(&in_the_way));
        Self { log, in_the_way }
    }

    /// Whether so much has been written since that the log must be cut.
    pub(crate) fn is_in_the_way(&self) -> bool {
        self.in_the_way.load(Ordering::Relaxed)
    }

    fn of(log: &Path) -> Option<Arc<AtomicBool>> {
        let copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
        copies.as_ref()?.get(log).cloned()
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copies) = copies.as_mut() {
            copies.remove(&self.log);
        }
    }
}

// === impl Log ===

impl Log {
    pub(crate) fn of(database: &Path) -> Self {
        let bounds = Bounds {
            large: LARGE.into(),
            largest: LARGEST,
            patience: PATIENCE,
        };
        Self::bounded(database, bounds)
    }

    fn bounded(database: &Path, bounds: Bounds) -> Self {
        Self {
            path: path(database),
            bounds,
            next: bounds.large,
            is_left: false,
        }
    }

    /// Cuts the log if it has become too long. For use after a commit, when no transaction is open.
    ///
    /// # Errors
    /// [`Error::Full`] when it cannot be cut and is so long that nothing more may be written.
    pub(crate) fn keep_short(&mut self, connection: &Connection) -> Result<(), Error> {
        let Bounds { large, largest, .. } = self.bounds;
        let copying = Copying::of(&self.path);
        self.leave(connection, copying.is_some())?;
        let length = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if length <= large {
            self.next = large;
        }
        if length <= self.next {
            return Ok(());
        }
        if let Some(in_the_way) = copying {
            if length <= largest {
                return Ok(());
            }
            in_the_way.store(true, Ordering::Relaxed);
        }
        let failure = match self.cut(connection) {
            Ok(true) => {
                self.next = large;
                return Ok(());
            }
            Ok(false) => "somebody still reads from it".to_owned(),
            Err(error) => error.to_string(),
        };
        let log = self.path.display();
        tracing::warn!(%log, length, "the write-ahead log cannot be shortened: {failure}");
        self.next = length.saturating_mul(2).min(largest);
        if length > largest {
            return Err(Error::Full);
        }
        Ok(())
    }

    /// Leaves the log to a copy, or takes it back.
    fn leave(&mut self, connection: &Connection, is_left: bool) -> Result<(), Error> {
        if self.is_left != is_left {
            let pages = if is_left { 0 } else { MOVED };
            connection.pragma_update(None, "wal_autocheckpoint", pages)?;
            self.is_left = is_left;
        }
        Ok(())
    }

    /// Moves everything to the main file, waiting for readers; whether that was done.
    fn cut(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let give_up = Instant::now() + self.bounds.patience;
        // When SQLite waits by itself, it does so for one of five places that readers share, which
        // new ones can keep taken. Asked again, it sees that these are no hindrance.
        connection.busy_timeout(Duration::ZERO)?;
        let cut = loop {
            let asked = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, i64>("busy")
            });
            match asked {
                Ok(busy) if busy != 0 && Instant::now() < give_up => std::thread::sleep(LOOK),
                asked => break asked.map(|busy| busy == 0),
            }
        };
        connection.busy_timeout(BUSY)?;
        cut
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn nothing_more_is_written_past_the_largest_log_until_it_can_be_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES (0)",
            )
            .unwrap();
        let bounds = Bounds {
            large: 64 << 10,
            largest: 400 << 10,
            patience: Duration::from_millis(10),
        };
        let mut log = Log::bounded(&path, bounds);
        let length = || {
            std::fs::metadata(folder.path().join("a.db-wal"))
                .unwrap()
                .len()
        };
        let mut rewrite = || {
            let update = "UPDATE t SET v = randomblob(10000)";
            connection.execute(update, []).unwrap();
            let began = Instant::now();
            let kept = log.keep_short(&connection);
            (kept, began.elapsed() >= bounds.patience)
        };

        let reader = Connection::open(&path).unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM t")
            .unwrap();
        let mut pauses = 0;
        let refused = loop {
            let (kept, paused) = rewrite();
            pauses += u32::from(paused);
            if let Err(refused) = kept {
                break refused;
            }
            assert!(length() <= bounds.largest);
        };
        assert!(matches!(refused, Error::Full), "{refused:?}");
        assert!(length() > bounds.largest);
        // At 64, 128, 256 and 400 KiB.
        assert_eq!(pauses, 4);

        drop(reader);
        rewrite().0.unwrap();
        assert_eq!(length(), 0);
    }
}
