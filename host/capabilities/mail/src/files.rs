//! Mails as files, `mail/TENANT/....eml` in the data directory, where there is no mail server: any mail
//! program opens them.

use crate::{Composed, Error, Transport};
use futures::future::BoxFuture;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How many of a tenant's mails are kept; nobody comes to fetch them.
const KEPT: usize = 1000;

/// How a mail's file ends.
const EML: &str = "eml";

/// Mails as files, a folder for each tenant.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

// === impl Files ===

impl Files {
    /// Files below `folder`, which is made when the first mail is.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Transport for Files {
    fn take<'a>(&'a self, tenant: &'a str, mail: Composed) -> BoxFuture<'a, Result<(), Error>> {
        let folder = self.folder.join(tenant);
        Box::pin(async move {
            let writing = move || {
                // In the order in which they were sent.
                let name = format!("{}.{EML}", uuid::Uuid::now_v7().simple());
                let path = folder.join(name);
                write(&path, &mail.bytes)
                    .and_then(|()| forget_oldest(&folder))
                    .map_err(|error| Error::file(&path, &error))
            };
            blocking(writing).await?
        })
    }
}

/// Runs what waits for the disk.
pub(crate) async fn blocking<R: Send + 'static>(
    job: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Error> {
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|error| Error::Unavailable(error.to_string()))
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let temporary = folder.join(format!(".{}", uuid::Uuid::now_v7().simple()));
    let written = (|| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // What cannot be written may not be there to remove.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn forget_oldest(folder: &Path) -> io::Result<()> {
    let mut mails = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == EML) {
            mails.push(path);
        }
    }
    mails.sort();
    let too_many = mails.len().saturating_sub(KEPT);
    mails
        .iter()
        .take(too_many)
        .try_for_each(std::fs::remove_file)
}

/// Removes a folder with all that is in it; answers the files there were, with their sizes.
pub(crate) fn remove(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut removed = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let (path, about) = (entry.path(), entry.metadata()?);
        if about.is_dir() {
            removed.extend(remove(&path)?);
        } else {
            std::fs::remove_file(&path)?;
            removed.push((path, about.len()));
        }
    }
    std::fs::remove_dir(folder)?;
    Ok(removed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_oldest_go_and_only_the_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let mails = folder.path().join("acme");
        for n in 0..KEPT + 3 {
            let path = mails.join(format!("{n:05}.eml"));
            match n < KEPT {
                true => {
                    std::fs::create_dir_all(&mails).unwrap();
                    std::fs::write(path, "").unwrap();
                }
                false => write(&path, b"mail").unwrap(),
            }
        }
        std::fs::write(mails.join("a.txt"), "").unwrap();
        forget_oldest(&mails).unwrap();
        let there = |n: usize| mails.join(format!("{n:05}.eml")).exists();
        assert!(!there(0) && !there(2) && there(3) && there(KEPT + 2));
        assert!(mails.join("a.txt").exists());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&mails.join(format!("{KEPT:05}.eml"))), 0o600);
        let removed = remove(&mails).unwrap();
        assert_eq!(removed.len(), KEPT + 1);
        assert_eq!(removed.iter().map(|(_, bytes)| bytes).sum::<u64>(), 12);
        assert!(!mails.exists() && remove(&mails).unwrap().is_empty());
    }
}
