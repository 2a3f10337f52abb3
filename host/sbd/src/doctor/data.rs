//! The data directory: whose it is, whether it can be written, and how much room there is.

use super::Finding;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const DATA: &str = "data";
const DISK: &str = "disk";
/// Less room than this is soon none.
const LITTLE: u64 = 1 << 30;
/// Less room than this does not do for the compiled components of a start.
const NONE: u64 = 128 << 20;
/// Files that are looked at; whose the first ones are tells enough.
const LOOKED_AT: usize = 10_000;

pub(super) fn examine(data_dir: &Path) -> Vec<Finding> {
    let shown = data_dir.display();
    let there = match fs::metadata(data_dir) {
        Ok(folder) if folder.is_dir() => Some(folder),
        Ok(_) => {
            let text =
                format!("{shown} is no folder; move it away, or choose another with --data-dir");
            return vec![Finding::wrong(DATA, text)];
        }
        Err(_) => None,
    };
    let Some(folder) = nearest(data_dir) else {
        let text = format!("{shown} is nowhere; choose another with --data-dir");
        return vec![Finding::wrong(DATA, text)];
    };
    if let Err(error) = tempfile::Builder::new()
        .prefix(".sbd-doctor-")
        .tempfile_in(&folder)
    {
        let text = format!(
            "{} cannot be written: {error}; run sbd as its owner on a disk that can be written, or choose another with --data-dir",
            folder.display()
        );
        return vec![Finding::wrong(DATA, text)];
    }
    let data = match there {
        None => Finding::right(DATA, format!("{shown} is made by `sbd up`")),
        Some(metadata) => owned(data_dir, &metadata),
    };
    vec![data, room(&folder)]
}

/// The folder itself, or the nearest above it that is there.
fn nearest(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let mut above = absolute.ancestors();
    above.find(|folder| folder.is_dir()).map(Path::to_owned)
}

/// Whether the folder and all in it is this user's, and nobody else's.
fn owned(data_dir: &Path, metadata: &fs::Metadata) -> Finding {
    let shown = data_dir.display();
    let user = rustix::process::geteuid().as_raw();
    if let Some((path, owner)) = foreign(data_dir, user) {
        let path = path.display();
        let text = format!(
            "{path} belongs to user {owner}, and this is user {user}; run sbd as one user always, and give it all: chown -R USER {shown}"
        );
        return match user {
            // The superuser may open everything; others cannot open what it makes there.
            0 => Finding::doubtful(DATA, text),
            _ => Finding::wrong(DATA, text),
        };
    }
    if metadata.mode() & 0o077 != 0 {
        let text = format!("others may look into {shown}, where keys lie; chmod 700 {shown}");
        return Finding::doubtful(DATA, text);
    }
    Finding::right(
        DATA,
        format!("{shown} is this user's alone, and can be written"),
    )
}

/// The first file that is somebody else's.
fn foreign(data_dir: &Path, user: u32) -> Option<(PathBuf, u32)> {
    let mut folders = vec![data_dir.to_owned()];
    let mut left = LOOKED_AT;
    while let Some(folder) = folders.pop() {
        let owner = fs::metadata(&folder).ok().map(|metadata| metadata.uid());
        if let Some(owner) = owner.filter(|owner| *owner != user) {
            return Some((folder, owner));
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.uid() != user {
                return Some((entry.path(), metadata.uid()));
            }
            left = left.checked_sub(1)?;
        }
    }
    None
}

fn room(folder: &Path) -> Finding {
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        let text = format!("it cannot be told how much is free at {}", folder.display());
        return Finding::doubtful(DISK, text);
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let whole = |bytes: u64| bytes >> 20;
    let text = format!("{} MiB are free at {}", whole(free), folder.display());
    if free < NONE {
        let text = format!("{text}; make room for {} MiB at least", whole(LITTLE));
        return Finding::wrong(DISK, text);
    }
    if free < LITTLE {
        return Finding::doubtful(DISK, format!("{text}; make room soon"));
    }
    Finding::right(DISK, text)
}
