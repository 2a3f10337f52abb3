//! The databases of a tenant as files, for whoever writes them down or removes them.

use crate::limits::BUSY_TIME;
use sbd_storage::rusqlite::backup::{Backup, StepResult};
use sbd_storage::rusqlite::config::DbConfig;
use sbd_storage::rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
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

/// Writes a database as it is at one moment to another file, which is empty. Page by page: nothing that
/// the component has written into its schema is evaluated.
///
/// # Errors
/// When it cannot be read, or a component keeps it locked for long.
pub fn copy(database: &Path, to: &Path) -> Result<()> {
    copy_pages(database, to).map_err(Error::other)
}

fn copy_pages(database: &Path, to: &Path) -> std::result::Result<(), crate::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = Connection::open_with_flags(database, flags)?;
    from.busy_timeout(BUSY_TIME)?;
    let mut to = Connection::open_with_flags(to, flags)?;
    match Backup::new(&from, &mut to)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(crate::Error::Busy),
    }
}

/// Takes in a database from elsewhere, in the place of one that is not there yet: as large as `most` at
/// most, and whole.
///
/// # Errors
/// When it is no database, is damaged or too large, has a name that none has here, or cannot be written.
pub fn place(
    databases: &Path,
    component: &str,
    label: &str,
    mut from: impl Read,
    most: Option<u64>,
) -> Result<()> {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !is_name(component) || !is_name(label) {
        return Err(Error::other("no database has such a name"));
    }
    let folder = databases.join(component);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{label}.db"));
    let mut file = File::create_new(&path)?;
    let most = most.unwrap_or(u64::MAX);
    if std::io::copy(&mut from.by_ref().take(most), &mut file)? == most && from.read(&mut [0])? > 0
    {
        return Err(Error::other(format!(
            "it has more than {most} bytes; raise `stored_bytes` of its component"
        )));
    }
    file.sync_all()?;
    // Nothing of it runs: what its schema says is only read.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let check = Connection::open_with_flags(&path, flags).and_then(|connection| {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    });
    match check {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => Err(Error::other(format!("it is damaged: {said}"))),
        Err(error) => Err(Error::other(format!("it is no SQLite database: {error}"))),
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_database_from_elsewhere_is_looked_at_before_it_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source.db");
        let filled = Connection::open(&source).unwrap();
        filled
            .execute_batch("CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(20000));")
            .unwrap();
        drop(filled);
        let whole = std::fs::read(&source).unwrap();
        let databases = folder.path().join("databases");
        let refused = |component: &str, label: &str, bytes: &[u8], most| {
            let placed = place(&databases, component, label, bytes, most);
            placed.unwrap_err().to_string()
        };
        for name in ["..", "a/b", "", ".db", "a.b", "\u{fc}"] {
            assert!(refused("notes", name, &whole, None).contains("such a name"));
            assert!(refused(name, "default", &whole, None).contains("such a name"));
        }
        let large = refused("notes", "large", &whole, Some(whole.len() as u64 - 1));
        assert!(large.contains("stored_bytes"), "{large}");
        assert!(refused("notes", "text", b"hello", None).contains("no SQLite database"));
        let cut = whole.get(..whole.len() - 8192).unwrap();
        let cut = refused("notes", "cut", cut, None);
        assert!(
            cut.contains("no SQLite database") || cut.contains("damaged"),
            "{cut}"
        );
        place(
            &databases,
            "notes",
            "default",
            &whole[..],
            Some(whole.len() as u64),
        )
        .unwrap();
        let stored: Vec<String> = stored(&databases)
            .unwrap()
            .into_iter()
            .map(|one| one.label)
            .collect();
        assert!(stored.contains(&"default".to_owned()), "{stored:?}");
        // Not over one that is there.
        assert!(place(&databases, "notes", "default", &whole[..], None).is_err());
    }
}
