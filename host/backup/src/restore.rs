//! A backup in the place of a data directory.

use crate::{Error, HOST, Key, Manifest, extract, is_own_database};
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Where parts lie until all are there. A data directory with this folder in it is none yet.
pub const RESTORING: &str = ".restoring";
/// So many names are told.
const TOLD: usize = 10;

/// Fills an empty data directory, which nobody uses and of which `lock` is the one file that may be there,
/// with what is in a backup. Blocks.
///
/// # Errors
/// When something is there, which is left as it is; those of [`extract`]; a damaged database. Then the
/// directory is as empty as before.
pub fn restore(
    backup: &Path,
    key: Option<&Key>,
    data_dir: &Path,
    lock: &str,
) -> Result<Manifest, Error> {
    refuse_filled(data_dir, lock)?;
    let parts = data_dir.join(RESTORING);
    let cannot = |error: io::Error| Error::io("write to", data_dir, &error);
    remove(&parts).map_err(cannot)?;
    let mut folders = DirBuilder::new();
    folders.mode(0o700).create(&parts).map_err(cannot)?;
    let extracted = extract(backup, key, &parts);
    let whole = extracted.and_then(|manifest| {
        check_databases(&parts, &manifest)?;
        Ok(manifest)
    });
    match whole {
        Ok(manifest) => {
            move_up(&parts, data_dir).map_err(cannot)?;
            Ok(manifest)
        }
        Err(error) => {
            remove(&parts).map_err(cannot)?;
            Err(error)
        }
    }
}

/// Looks for damage in every database of the host's own among the parts of a backup. Blocks.
///
/// # Errors
/// The first that is damaged.
pub fn check_databases(folder: &Path, manifest: &Manifest) -> Result<(), Error> {
    let mut databases = manifest
        .parts
        .iter()
        .filter(|part| is_own_database(&part.path));
    databases.try_for_each(|part| {
        sbd_storage::check(&folder.join(&part.path)).map_err(|error| match error {
            sbd_storage::Error::Damaged { reason, .. } => {
                Error::damaged(format!("its database {} is damaged ({reason})", part.path))
            }
            error => error.into(),
        })
    })
}

fn refuse_filled(data_dir: &Path, lock: &str) -> Result<(), Error> {
    let names = names(data_dir).map_err(|error| Error::io("read", data_dir, &error))?;
    let is_here = |name: &str| names.iter().any(|other| other == name);
    let others = names
        .iter()
        .filter(|name| **name != lock && **name != RESTORING);
    let others: Vec<_> = others.map(|name| name.to_string_lossy()).collect();
    if others.is_empty() {
        return Ok(());
    }
    let data_dir = data_dir.display();
    if is_here(RESTORING) {
        return Err(Error::Io(format!(
            "an earlier restore into {data_dir} was cut short; empty it, or choose another with --data-dir"
        )));
    }
    let more = match others.len() {
        ..=TOLD => "",
        _ => ", and more",
    };
    Err(Error::Io(format!(
        "{data_dir} is not empty, and restoring would replace what is there: {}{more}; move it away, or choose another with --data-dir",
        others[..others.len().min(TOLD)].join(", ")
    )))
}

/// The host's database last: without it there is no data directory.
fn move_up(parts: &Path, data_dir: &Path) -> io::Result<()> {
    let mut names = names(parts)?;
    names.sort_by_key(|name| name == HOST);
    for name in names {
        std::fs::rename(parts.join(&name), data_dir.join(&name))?;
    }
    File::open(data_dir)?.sync_all()?;
    std::fs::remove_dir(parts)?;
    File::open(data_dir)?.sync_all()
}

fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let entries = std::fs::read_dir(folder)?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
