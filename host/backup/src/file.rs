//! A backup's file on its way: whole under its name, or not there.

use crate::seal::Sealing;
use crate::{Error, Key, Paced};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A new file, its owner's alone, which takes its name when it is finished. Dropped before that,
/// nothing is left; what a process that was killed left is written over by the next that makes the same.
pub struct NewFile {
    path: PathBuf,
    partial: PathBuf,
    out: Option<Out>,
}

enum Out {
    Plain(Paced),
    Sealed(Box<Sealing<Paced>>),
}

// === impl NewFile ===

impl NewFile {
    /// Begins a file at this path, where none may be yet; sealed, if there is a key.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(path: &Path, key: Option<&Key>) -> Result<Self, Error> {
        refuse_present(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.partial"));
        let cannot = |error: io::Error| Error::io("write", path, &error);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&partial).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Io(format!(
                    "another process is writing {}; wait for it",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        let mut new = Self {
            path: path.to_owned(),
            partial,
            out: None,
        };
        file.set_len(0).map_err(cannot)?;
        let file = Paced::new(file);
        new.out = Some(match key {
            Some(key) => Out::Sealed(Box::new(Sealing::begin(file, key).map_err(cannot)?)),
            None => Out::Plain(file),
        });
        Ok(new)
    }

    /// Puts it under its name, durably; answers its length.
    ///
    /// # Errors
    /// [`Error::Io`]; then nothing is left.
    pub fn finish(mut self) -> Result<u64, Error> {
        let cannot = |error: io::Error| Error::io("write", &self.path, &error);
        let file = match self.out.take() {
            Some(Out::Sealed(sealing)) => sealing.finish().map_err(cannot)?,
            Some(Out::Plain(file)) => file,
            None => return Err(Error::Io("the file was given up".to_owned())),
        };
        let file = file.into_inner();
        file.sync_all().map_err(cannot)?;
        let bytes = file.metadata().map_err(cannot)?.len();
        refuse_present(&self.path)?;
        std::fs::rename(&self.partial, &self.path).map_err(cannot)?;
        let folder = self.path.parent().filter(|folder| *folder != Path::new(""));
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(cannot)?;
        folder.sync_all().map_err(cannot)?;
        Ok(bytes)
    }
}

fn refuse_present(path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(_) => Err(Error::Io(format!(
            "cannot write {}: it is there already; choose another name, or remove it first",
            path.display()
        ))),
        Err(_) => Ok(()),
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Some(Out::Plain(file)) => file.write(bytes),
            Some(Out::Sealed(sealing)) => sealing.write(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Some(Out::Plain(file)) => file.flush(),
            Some(Out::Sealed(sealing)) => sealing.flush(),
            None => Ok(()),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // It is gone where it was finished.
        let _ = std::fs::remove_file(&self.partial);
    }
}
