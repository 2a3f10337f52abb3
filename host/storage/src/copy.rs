//! A copy of a database as it was at one moment, taken beside its writers.
//!
//! SQLite's online backup copies pages, here under a read transaction that is held from the first to
//! the last: the copy is of the moment at which that began, and with a write-ahead log no reader stops
//! a writer. `VACUUM INTO` would leave out free pages, but it builds every index anew and takes disk
//! and processor as fast as it can; this goes in steps, each on the disk before the next.

use crate::wal::Copying;
use crate::{Error, check, create_private, prepare};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Pages of a step: a megabyte with the usual 4 KiB. More at once would be in the way of the `fsync` of
/// whoever writes meanwhile.
const PAGES: i32 = 256;
/// How often a writer in another process is asked to let go.
const AGAIN: Duration = Duration::from_millis(5);

/// Copies the database, which may be in use, to a file that is not there yet, and looks for damage in
/// the copy. Blocks.
///
/// # Errors
/// Those of [`copy`], for any damage there is.
pub fn copy_sound(from: &Path, to: &Path) -> Result<(), Error> {
    copy(from, to)?;
    let copied = Connection::open(to)?;
    check::look(&copied, from, None)
}

/// Copies the database, which may be in use, to a file that is not there yet. Blocks.
///
/// # Errors
/// [`Error::Damaged`], where that shows on the way; [`Error::Outrun`]; [`Error::Full`]; whatever keeps it
/// from being read.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let damaged = |error| Error::at(from, error);
    let copying = Copying::begin(from);
    let source = open(from)?;
    create_private(to)?;
    let mut target = Connection::open(to)?;
    // It is nobody's yet, and left behind by nobody: whoever asked for it throws it away.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    let copied = pages(&source, &mut target, &File::open(to)?, &copying);
    // What was written meanwhile goes to the main file here, not on the writer's thread.
    if let Err(error) = source.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::debug!(%error, "the log stays as it is after a copy");
    }
    drop(copying);
    copied.map_err(damaged)?;
    // A file that needs no other beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    Ok(target.close().map_err(|(_, error)| error)?)
}

fn open(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).map_err(Error::from);
    let ready = opened.and_then(|mut connection| prepare(&mut connection).map(|()| connection));
    ready.map_err(|error| Error::at(path, error))
}

fn pages(
    source: &Connection,
    target: &mut Connection,
    written: &File,
    copying: &Copying,
) -> Result<(), Error> {
    let moment = source.unchecked_transaction()?;
    // A transaction begins with its first look.
    moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let backup = Backup::new(&moment, target)?;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::More => written.sync_data()?,
            _ => std::thread::sleep(AGAIN),
        }
        if copying.is_in_the_way() {
            return Err(Error::Outrun);
        }
    }
}
