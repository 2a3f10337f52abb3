//! The data directory: that one process has it, that nobody copied it while it was served, and which
//! form it has.

use anyhow::{Context as _, bail};
use sbd_backup::{Backup, NewFile, RESTORING};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The file that whoever has the directory has locked. It says which file it is as long as somebody has it:
/// a copy of it is another file.
pub(crate) const LOCK: &str = "sbd.lock";
/// Where what is made on the way to something else lies, until its process ends.
const TEMPORARY: &str = "temporary";
/// Where a directory backs itself up to.
const BACKUPS: &str = "backups";
const HOST: &str = "host.db";
const FORMAT: &str = "format";

/// What brings a directory from the form of this number to the next. 0 is that of the versions that wrote
/// no number; what they stored is read as it is.
const MIGRATIONS: [fn(&Path) -> anyhow::Result<()>; 1] = [|_| Ok(())];
/// The form that this version reads and writes.
const CURRENT: usize = MIGRATIONS.len();

/// A data directory that is this process's alone, until it is dropped.
pub(crate) struct DataDir {
    path: PathBuf,
    lock: File,
    /// Whether whoever had it before did not end in good order, and this process has not done so either.
    left_open: bool,
}

/// How whoever had a directory before left it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Closed,
    Open,
    /// It was copied from one that somebody had.
    Copied,
}

// === impl DataDir ===

impl DataDir {
    /// Takes the directory for this process, making it if need be. One that was copied while it was
    /// served is taken only if somebody accepts it as it is.
    ///
    /// # Errors
    /// When another process has it; when it is a copy, damaged, or of a newer version.
    pub(crate) fn take(path: &Path, accept_copy: bool) -> anyhow::Result<Self> {
        let lock = lock(path)?;
        let left = left(&lock)?;
        if left == Left::Copied && !accept_copy {
            bail!(
                "the data directory {0} was copied while a server used it: what was written meanwhile can be missing or torn. Restore a backup instead (`sbd backup create --to FILE` makes one beside a running server, `sbd backup restore FILE` restores it); or, to serve what is there if it is sound: sbd up --accept-copy --data-dir {0}",
                path.display()
            );
        }
        if path.join(RESTORING).exists() {
            bail!(
                "a restore into the data directory {} was cut short; empty it and run `sbd backup restore` again",
                path.display()
            );
        }
        let mut taken = Self {
            path: path.to_owned(),
            lock,
            left_open: left != Left::Closed,
        };
        taken.tidy()?;
        match left {
            Left::Closed => {}
            Left::Open => taken.check(&[HOST.into()])?,
            Left::Copied => {
                taken.check(&taken.databases()?)?;
                tracing::warn!(data_dir = %path.display(), "a copy was accepted: every database in it is sound, and what was written last can be missing");
            }
        }
        taken.mark()?;
        taken.upgrade()?;
        Ok(taken)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was left in the middle of something, so that a look at its databases is due.
    pub(crate) fn was_left_open(&self) -> bool {
        self.left_open
    }

    /// Says that nothing of it is in use any more.
    pub(crate) fn close(mut self) {
        self.left_open = false;
    }

    /// Removes what processes that were killed have left.
    fn tidy(&self) -> anyhow::Result<()> {
        let temporary = self.path.join(TEMPORARY);
        let tidied = match std::fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => make(&temporary),
        };
        tidied.with_context(|| format!("cannot empty {}", temporary.display()))
    }

    /// Says on the disk that somebody has the directory.
    fn mark(&mut self) -> anyhow::Result<()> {
        let identity = identity(&self.lock)?;
        let marked = (|| {
            self.lock.set_len(0)?;
            self.lock.rewind()?;
            self.lock.write_all(identity.as_bytes())?;
            self.lock.sync_all()
        })();
        marked.with_context(|| format!("cannot write {}", self.path.join(LOCK).display()))
    }

    fn check(&self, databases: &[PathBuf]) -> anyhow::Result<()> {
        let databases = databases.iter().map(|database| self.path.join(database));
        for database in databases.filter(|database| database.exists()) {
            sbd_storage::check(&database)?;
        }
        Ok(())
    }

    fn databases(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut databases = vec![HOST.into()];
        let mut folders = vec![self.path.join("tenants")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten() {
                let path = entry?.path();
                match path.extension() {
                    _ if path.is_dir() => folders.push(path),
                    Some(extension) if extension == "db" => databases.push(path),
                    _ => {}
                }
            }
        }
        Ok(databases)
    }

    /// Brings the directory to the present form, after a backup of itself.
    fn upgrade(&self) -> anyhow::Result<()> {
        let path = self.path.join(FORMAT);
        let is_new = !self.path.join(HOST).exists();
        let format: usize = match std::fs::read_to_string(&path) {
            Ok(text) => text
                .trim()
                .parse()
                .with_context(|| format!("{} is damaged; restore a backup", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match is_new {
                true => CURRENT,
                false => 0,
            },
            Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
        };
        if format > CURRENT {
            bail!(
                "the data directory {} was written by a newer sbd (its format is {format}, this one knows {CURRENT}); use that version, or restore a backup that was made before",
                self.path.display()
            );
        }
        if format < CURRENT {
            let backup = self.back_up(format)?;
            for migrate in &MIGRATIONS[format..] {
                migrate(&self.path)?;
            }
            tracing::info!(from = format, to = CURRENT, backup = %backup.display(), "the data directory was upgraded");
        } else if !is_new && path.exists() {
            return Ok(());
        }
        let written = tempfile::NamedTempFile::new_in(self.temporary()).and_then(|mut file| {
            writeln!(file, "{CURRENT}")?;
            file.as_file().sync_all()?;
            Ok(file.persist(&path)?)
        });
        written.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }

    fn back_up(&self, format: usize) -> anyhow::Result<PathBuf> {
        let folder = self.path.join(BACKUPS);
        let path = (1..)
            .map(|n| folder.join(format!("before-format-{CURRENT}-{n}.backup")))
            .find(|path| !path.exists())
            .context("no name is free for a backup")?;
        let backed_up = make(&folder).map_err(anyhow::Error::from).and_then(|()| {
            let file = NewFile::begin(&path, None)?;
            let version = format!("an older version (format {format})");
            let backup = Backup::begin(&self.path, &self.temporary(), &version, file)?;
            Ok(backup.finish()?.0.finish()?)
        });
        backed_up.with_context(|| {
            let file = self.path.join(FORMAT);
            format!(
                "the data directory cannot be backed up before it is upgraded; mend that, or keep a copy of it yourself and write {CURRENT} into {}",
                file.display()
            )
        })?;
        Ok(path)
    }

    fn temporary(&self) -> PathBuf {
        temporary(&self.path)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if !self.left_open && !std::thread::panicking() {
            // The next one is careful where this fails.
            let _ = self.lock.set_len(0).and_then(|()| self.lock.sync_all());
        }
    }
}

/// Where what is made on the way to something else lies.
pub(crate) fn temporary(data_dir: &Path) -> PathBuf {
    data_dir.join(TEMPORARY)
}

/// Makes the directory, if need be, and locks it; of two processes, one does.
///
/// # Errors
/// When another process has it, or it cannot be made.
pub(crate) fn lock(path: &Path) -> anyhow::Result<File> {
    make(path).with_context(|| {
        format!(
            "cannot make the data directory {}; choose another with --data-dir",
            path.display()
        )
    })?;
    let file = path.join(LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let lock = options.mode(0o600).open(&file);
    let lock = lock.with_context(|| {
        format!(
            "cannot write {}; run sbd as the owner of the data directory, on a disk that can be written, or choose another with --data-dir",
            file.display()
        )
    })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => bail!(
            "another sbd uses the data directory {}; stop it, or choose another with --data-dir",
            path.display()
        ),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", file.display()))
        }
    }
}

/// Makes a folder that is its owner's alone.
fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn left(mut lock: &File) -> anyhow::Result<Left> {
    let mut mark = String::new();
    lock.rewind()?;
    // A mark that was torn is one, too.
    let read = lock.take(1000).read_to_string(&mut mark);
    Ok(match mark {
        mark if mark.is_empty() && read.is_ok() => Left::Closed,
        mark if mark == identity(lock)? => Left::Open,
        _ => Left::Copied,
    })
}

/// What tells a file from every copy of it: its number and, as numbers are given again, when it was made,
/// where the file system knows.
fn identity(file: &File) -> io::Result<String> {
    let file = file.metadata()?;
    let made = file.created().ok();
    let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let made = made.unwrap_or_default().as_nanos();
    Ok(format!("in use; file {} of {made}\n", file.ino()))
}
