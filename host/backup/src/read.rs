//! Reading a backup.

use crate::footer::{Footed, Hashing};
use crate::seal::{MAGIC, Opening};
use crate::{Error, Key, Manifest, Part, is_ours, manifest};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use tar::{Archive, EntryType};

/// Largest manifest: some hundred thousand parts.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// Writes the parts of a backup to an empty folder, durably, and finds out whether the backup is what was
/// written: not a bit of it may be another. Blocks.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Key`], [`Error::Newer`], [`Error::Io`].
pub fn extract(backup: &Path, key: Option<&Key>, into: &Path) -> Result<Manifest, Error> {
    let mut footed = Footed::new(opened(backup, key)?);
    let read = take_parts(&mut footed, into);
    // What was read may be what somebody else wrote: first whether it is ours.
    let is_whole = footed.is_whole();
    match (read, is_whole) {
        (Ok(manifest), Ok(true)) => Ok(manifest),
        (Ok(_), Ok(false)) => Err(Error::damaged("it was changed, or is not whole")),
        (Err(error), _) => Err(error),
        (_, Err(error)) => Err(unreadable(&error)),
    }
}

/// What a backup that is not sealed says is in it. Not checked: only looked up.
///
/// # Errors
/// [`Error::Key`] of one that is sealed; [`Error::Damaged`], [`Error::Io`].
pub fn contents(backup: &Path) -> Result<Manifest, Error> {
    let mut file = File::open(backup).map_err(|error| Error::io("read", backup, &error))?;
    if is_sealed(&mut file)? {
        return Err(needs_key());
    }
    file.rewind()?;
    let mut archive = Archive::new(file);
    for entry in archive.entries_with_seek().map_err(|e| unreadable(&e))? {
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        if entry.path_bytes() == manifest::NAME.as_bytes() {
            return read_manifest(&mut entry);
        }
    }
    Err(Error::damaged("it has no manifest"))
}

fn opened(backup: &Path, key: Option<&Key>) -> Result<Box<dyn Read>, Error> {
    let mut file = File::open(backup).map_err(|error| Error::io("read", backup, &error))?;
    match (is_sealed(&mut file)?, key) {
        (true, None) => Err(needs_key()),
        (true, Some(key)) => {
            let opening = Opening::begin(BufReader::new(file), key);
            Ok(Box::new(opening.map_err(|error| unreadable(&error))?))
        }
        (false, Some(_)) => Err(Error::Key(
            "this backup is not sealed, and whoever can write it can alter it; to read it all the same, leave out the key"
                .to_owned(),
        )),
        (false, None) => {
            file.rewind()?;
            Ok(Box::new(BufReader::new(file)))
        }
    }
}

fn needs_key() -> Error {
    Error::Key("this backup is sealed; name the file of its key with --key-file".to_owned())
}

/// Leaves the file behind the magic bytes of a sealed backup.
fn is_sealed(file: &mut File) -> Result<bool, Error> {
    let mut magic = Vec::with_capacity(MAGIC.len());
    let mut start = file.take(MAGIC.len() as u64);
    start.read_to_end(&mut magic)?;
    Ok(magic == MAGIC)
}

fn take_parts(backup: &mut impl Read, into: &Path) -> Result<Manifest, Error> {
    let mut archive = Archive::new(backup);
    let (mut parts, mut manifest) = (Vec::new(), None);
    for entry in archive.entries().map_err(|error| unreadable(&error))? {
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type() != EntryType::Regular || manifest.is_some() {
            return Err(Error::damaged(format!(
                "`{}` has no place in a backup",
                shown(&path)
            )));
        }
        if path == manifest::NAME {
            manifest = Some(read_manifest(&mut entry)?);
        } else {
            parts.push(take_part(path, entry, into)?);
        }
    }
    let manifest = manifest.ok_or_else(|| Error::damaged("it has no manifest"))?;
    if manifest.parts != parts {
        return Err(Error::damaged("its parts are not those that it names"));
    }
    Ok(manifest)
}

fn take_part(path: String, entry: impl Read, into: &Path) -> Result<Part, Error> {
    if !is_ours(&path) {
        return Err(Error::damaged(format!(
            "`{}` has no place in a data directory",
            shown(&path)
        )));
    }
    let place = into.join(&path);
    let cannot = |error: io::Error| Error::io("write", &place, &error);
    if let Some(folder) = place.parent() {
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o700);
        folders.create(folder).map_err(cannot)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&place).map_err(cannot)?;
    let mut content = Hashing::new(entry);
    let mut block = vec![0; 64 << 10];
    loop {
        let read = content.read(&mut block).map_err(|e| unreadable(&e))?;
        if read == 0 {
            break;
        }
        file.write_all(&block[..read]).map_err(cannot)?;
    }
    file.sync_all().map_err(cannot)?;
    Ok(Part {
        path,
        bytes: content.bytes,
        sha256: content.sha256(),
    })
}

fn read_manifest(entry: &mut impl Read) -> Result<Manifest, Error> {
    let mut text = Vec::new();
    let mut most = entry.take(LARGEST_MANIFEST);
    most.read_to_end(&mut text)
        .map_err(|error| unreadable(&error))?;
    // First the form: of a newer one the rest may be another.
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
        version: String,
    }
    let no_manifest = |error| Error::damaged(format!("its manifest cannot be read ({error})"));
    let head: Head = serde_json::from_slice(&text).map_err(no_manifest)?;
    if head.format > manifest::FORMAT {
        return Err(Error::Newer(head.version));
    }
    serde_json::from_slice(&text).map_err(no_manifest)
}

fn unreadable(error: &io::Error) -> Error {
    Error::damaged(format!("it cannot be read ({error})"))
}

fn shown(path: &str) -> String {
    path.escape_debug().take(100).collect()
}
