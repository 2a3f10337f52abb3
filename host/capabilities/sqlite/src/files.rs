//! The databases of a tenant as files, for whoever writes them down or removes them.

use sbd_storage::rusqlite::{Connection, OpenFlags};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// A database that a component of a tenant has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// Whose it is.
    pub component: String,
    /// Its label.
    pub label: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// Every database of a tenant, in order. `databases` is where they lie; it need not be there.
///
/// # Errors
/// When the folder cannot be read.
pub fn stored(databases: &Path) -> Result<Vec<Stored>> {
    let mut stored = Vec::new();
    for component in names(databases)? {
        let folder = databases.join(&component);
        for name in names(&folder)? {
            // What SQLite keeps beside a database is no database.
            if let Some(label) = name.strip_suffix(".db") {
                stored.push(Stored {
                    component: component.clone(),
                    label: label.to_owned(),
                    path: folder.join(&name),
                });
            }
        }
    }
    stored.sort();
    Ok(stored)
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let name = |entry: Result<std::fs::DirEntry>| Ok(entry?.file_name().into_string().ok());
    let names: Result<Vec<Option<String>>> = entries.map(name).collect();
    Ok(names?.into_iter().flatten().collect())
}

/// Writes a database as it is at one moment to another file, which is empty.
///
/// # Errors
/// When it cannot be read, or a component keeps it locked for long.
pub fn copy(database: &Path, to: &Path) -> Result<()> {
    let to = to.to_str().ok_or(ErrorKind::InvalidFilename)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copied = Connection::open_with_flags(database, flags).and_then(|connection| {
        connection.busy_timeout(crate::limits::BUSY_TIME)?;
        connection.execute("VACUUM INTO ?1", [to])
    });
    copied.map(drop).map_err(Error::other)
}

/// Removes every database of a tenant; answers the files there were, with their sizes.
///
/// # Errors
/// When one cannot be removed.
pub fn remove(databases: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut removed = Vec::new();
    for component in names(databases)? {
        let folder = databases.join(component);
        for name in names(&folder)? {
            let path = folder.join(name);
            removed.push((path.clone(), std::fs::metadata(&path)?.len()));
            std::fs::remove_file(path)?;
        }
        std::fs::remove_dir(folder)?;
    }
    match std::fs::remove_dir(databases) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(removed),
    }
}
