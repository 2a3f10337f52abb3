//! Making a backup.

use crate::footer::Hashing;
use crate::{
    BLOBS, Error, FILES, FOLDERS, HOST, Manifest, Part, is_ours, is_own_database, manifest,
};
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

/// A backup under way.
///
/// Its parts are of these moments: the host's database and the deployed files of that at which it was
/// begun, so that the first names all of the second; each tenant's of its own, later one, so that the
/// host's database names every tenant in it; the keys last, so that none is missing that signed
/// something. Who makes it sees to it that no component is deployed while it begins, and no tenant
/// deleted until it is finished.
pub struct Backup<W: Write> {
    tar: Builder<Hashing<BufWriter<W>>>,
    data_dir: PathBuf,
    /// Where copies lie until they are in the archive.
    copies: TempDir,
    /// Deployed files, which may go under their names meanwhile.
    deployed: Vec<(String, File)>,
    manifest: Manifest,
}

// === impl Backup ===

impl<W: Write> Backup<W> {
    /// Begins a backup of a data directory. Copies are made in `temporary`. Blocks.
    ///
    /// # Errors
    /// Whatever keeps something from being read or written.
    pub fn begin(data_dir: &Path, temporary: &Path, version: &str, out: W) -> Result<Self, Error> {
        let copies = tempfile::tempdir_in(temporary)
            .map_err(|error| Error::io("write to", temporary, &error))?;
        let mut backup = Self {
            tar: Builder::new(Hashing::new(BufWriter::new(out))),
            data_dir: data_dir.to_owned(),
            copies,
            deployed: Vec::new(),
            manifest: Manifest {
                format: manifest::FORMAT,
                version: version.to_owned(),
                created_at: format!("{:.3}", Timestamp::now()),
                tenants: Vec::new(),
                parts: Vec::new(),
            },
        };
        let copy = backup.copy(HOST)?;
        let tenants = sbd_registry::tenant_names(&copy)?;
        backup.manifest.tenants = tenants.iter().map(ToString::to_string).collect();
        for path in backup.found("components")? {
            let file = backup.open(&path)?;
            backup.deployed.extend(file.map(|file| (path, file)));
        }
        backup.add_copy(HOST, &copy)?;
        Ok(backup)
    }

    /// Takes the rest; answers what it was written to, and what is in it. Blocks.
    ///
    /// # Errors
    /// Whatever keeps something from being read or written.
    pub fn finish(mut self) -> Result<(W, Manifest), Error> {
        for path in FILES {
            self.add(path)?;
        }
        for (path, file) in std::mem::take(&mut self.deployed) {
            self.add_file(&path, file)?;
        }
        for folder in FOLDERS.into_iter().filter(|folder| *folder != "components") {
            for path in self.found(folder)? {
                match folder {
                    "tenants" if !self.is_named(&path) => {}
                    "tenants" if is_own_database(&path) => self.add_tenant(&path)?,
                    _ => self.add(&path)?,
                }
            }
        }
        let manifest = serde_json::to_vec_pretty(&self.manifest).map_err(io::Error::from)?;
        let length = manifest.len() as u64;
        append(&mut self.tar, manifest::NAME, length, &manifest[..])?;
        let written = self.tar.into_inner()?.close()?;
        let out = written
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok((out, self.manifest))
    }

    /// Whether a file belongs to a tenant that there was: it is named like `NAME.db`, or lies in a
    /// folder of that name.
    fn is_named(&self, path: &str) -> bool {
        let name = path.split('/').nth(1).unwrap_or_default();
        let name = name.split('.').next().unwrap_or_default();
        self.manifest.tenants.iter().any(|tenant| tenant == name)
    }

    fn add(&mut self, path: &str) -> Result<(), Error> {
        if path.ends_with(".db") {
            let copy = self.copy(path)?;
            return self.add_copy(path, &copy);
        }
        match self.open(path)? {
            Some(file) => self.add_file(path, file),
            // Nothing says that it must be there.
            None => Ok(()),
        }
    }

    /// A tenant's database, and the blobs that it names: both as of one moment.
    fn add_tenant(&mut self, path: &str) -> Result<(), Error> {
        let copy = self.copy(path)?;
        let blobs = format!("{}{BLOBS}", path.trim_end_matches(".db"));
        let links = tempfile::tempdir_in(self.copies.path())?;
        let files = sbd_blobs::link_copied(&copy, &self.data_dir.join(&blobs), links.path())
            .map_err(|error| Error::Io(format!("{blobs} cannot be read: {error}")))?;
        self.add_copy(path, &copy)?;
        for file in files {
            let content = File::open(links.path().join(&file))?;
            self.add_file(&format!("{blobs}/{file}"), content)?;
        }
        Ok(())
    }

    fn copy(&self, path: &str) -> Result<PathBuf, Error> {
        let copy = self.copies.path().join("copy.db");
        let from = self.data_dir.join(path);
        match is_own_database(path) {
            true => sbd_storage::copy_sound(&from, &copy)?,
            false => sbd_storage::copy(&from, &copy)?,
        }
        Ok(copy)
    }

    fn add_copy(&mut self, path: &str, copy: &Path) -> Result<(), Error> {
        let file = File::open(copy).map_err(|error| Error::io("read", copy, &error))?;
        self.add_file(path, file)?;
        std::fs::remove_file(copy).map_err(|error| Error::io("remove", copy, &error))
    }

    fn add_file(&mut self, path: &str, file: File) -> Result<(), Error> {
        let length = file.metadata()?.len();
        let mut content = Hashing::new(file);
        append(&mut self.tar, path, length, (&mut content).take(length))?;
        if content.bytes != length {
            return Err(Error::Io(format!("{path} changed while it was read")));
        }
        self.manifest.parts.push(Part {
            path: path.to_owned(),
            bytes: length,
            sha256: content.sha256(),
        });
        Ok(())
    }

    fn open(&self, path: &str) -> Result<Option<File>, Error> {
        let path = self.data_dir.join(path);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path, &error)),
        }
    }

    /// The files below a folder that are a backup's, in order: neither temporary ones nor the logs of
    /// databases, which copies have in them, nor blobs, which go with the database that names them.
    fn found(&self, folder: &str) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let path = self.data_dir.join(&folder);
            let entries = match std::fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("read", &path, &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| Error::io("read", &path, &error))?;
                let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                let is_passing = [".db-wal", ".db-shm", ".db-journal", ".partial"];
                if !is_ours(&name) || is_passing.iter().any(|end| name.ends_with(end)) {
                    continue;
                }
                match entry.file_type()?.is_dir() {
                    true if folder == "tenants" && name.ends_with(BLOBS) => {}
                    true => folders.push(name),
                    false => found.push(name),
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

fn append<W: Write>(
    tar: &mut Builder<W>,
    path: &str,
    length: u64,
    content: impl Read,
) -> Result<(), Error> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_size(length);
    Ok(tar.append_data(&mut header, path, content)?)
}
