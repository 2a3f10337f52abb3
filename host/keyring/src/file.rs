//! Files that only their owner may read, written whole or not at all.

use crate::Error;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The file of a name in a folder.
pub(crate) fn path(folder: &Path, name: &str, extension: &str) -> Result<PathBuf, Error> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    match (1..=63).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(folder.join(format!("{name}{extension}"))),
        false => Err(Error::Name(name.to_owned())),
    }
}

/// What a file holds, unless there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(path)(error)),
    }
}

/// The files of a folder that end like this; temporary ones are none.
pub(crate) fn all(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let mut found = entries(folder)?;
    found.retain(|path| path.extension().is_some_and(|end| end == extension));
    Ok(found)
}

/// Removes the temporary files that processes that were killed have left in a folder.
pub(crate) fn tidy(folder: &Path) -> Result<(), Error> {
    let is_temporary = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_prefix('.');
        name.is_some_and(|name| uuid::Uuid::try_parse(name).is_ok())
    };
    let mut left = entries(folder)?.into_iter().filter(is_temporary);
    left.try_for_each(|path| std::fs::remove_file(&path).map_err(Error::file(&path)))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(folder)(error)),
    };
    let paths = entries.map(|entry| Ok(entry?.path()));
    paths
        .collect::<io::Result<_>>()
        .map_err(Error::file(folder))
}

/// Writes a file that is not there yet; says whether it did. Of two processes, one does.
pub(crate) fn create(path: &Path, content: &[u8]) -> Result<bool, Error> {
    let written = with_temporary(path, content, |temporary| {
        // Unlike a rename, a link does not replace what is there.
        match std::fs::hard_link(temporary, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    });
    written.map_err(Error::file(path))
}

/// Writes a file, in place of the one that is there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    with_temporary(path, content, |temporary| std::fs::rename(temporary, path))
        .map_err(Error::file(path))
}

/// Writes `content` durably beside `path`, lets `place` put it there, and leaves nothing behind.
fn with_temporary<R>(
    path: &Path,
    content: &[u8],
    place: impl FnOnce(&Path) -> io::Result<R>,
) -> io::Result<R> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let temporary = folder.join(format!(".{}", uuid::Uuid::now_v7().simple()));
    let placed = write(&temporary, content).and_then(|()| place(&temporary));
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let placed = placed?;
    File::open(folder)?.sync_all()?;
    Ok(placed)
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
