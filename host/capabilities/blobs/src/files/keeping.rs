//! The files as a whole, for whoever writes them down or removes them.

use super::index;
use crate::Error;
use sbd_storage::rusqlite::Connection;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Gives every file that a view of a tenant's database names a second name in `to`, an empty folder of the same
/// file system, so that none goes while it is read; answers the files that were there no more: their blobs were
/// deleted since.
///
/// # Errors
/// [`Error::Storage`], [`Error::Io`].
pub fn link(connection: &Connection, folder: &Path, to: &Path) -> Result<Vec<String>, Error> {
    let mut gone = Vec::new();
    for file in index::files(connection)? {
        match std::fs::hard_link(folder.join(&file), to.join(&file)) {
            Err(error) if error.kind() == ErrorKind::NotFound => gone.push(file),
            linked => linked?,
        }
    }
    Ok(gone)
}

/// As [`link`], for a copy of the database that is nobody else's: it forgets the blobs that were deleted while
/// it was made, so that it names none that is not there. Answers the files, in order.
///
/// # Errors
/// [`Error::Storage`], [`Error::Io`].
pub fn link_copied(copy: &Path, folder: &Path, to: &Path) -> Result<Vec<String>, Error> {
    let connection = Connection::open(copy)?;
    let gone = link(&connection, folder, to)?;
    for file in gone {
        index::forget(&connection, &file)?;
    }
    let mut files: Vec<_> = index::files(&connection)?.into_iter().collect();
    files.sort();
    Ok(files)
}

/// Removes every file of a tenant; answers which there were, with their sizes. `folder` is where they lie; it
/// need not be there.
///
/// # Errors
/// When one cannot be removed.
pub fn remove(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut removed = Vec::new();
    for entry in entries {
        let entry = entry?;
        removed.push((entry.path(), entry.metadata()?.len()));
        std::fs::remove_file(entry.path())?;
    }
    std::fs::remove_dir(folder)?;
    Ok(removed)
}
