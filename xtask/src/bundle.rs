//! The folder that the binary embeds: `spin.toml` and the components it names, flat.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::manifest;
use crate::workspace::Workspace;

/// Tells the host's build script where the bundle is.
pub(crate) const VARIABLE: &str = "SBD_BUNDLE_DIR";

/// Where the bundle is.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target_dir.join("bundle")
}

/// Brings the bundle up to date. Files that did not change keep their time, so that cargo does not link again.
pub(crate) fn write(workspace: &Workspace) -> Result<(), String> {
    let folder = folder(workspace);
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    copy_if_changed(
        &workspace.root.join(manifest::FILE),
        &folder.join(manifest::FILE),
    )?;
    let mut kept = BTreeSet::from([manifest::FILE]);
    for wasm in workspace
        .components()
        .iter()
        .filter_map(|component| component.wasm())
    {
        copy_if_changed(&workspace.guest_dir().join(wasm), &folder.join(wasm))?;
        kept.insert(wasm);
    }
    remove_others(&folder, &kept)
}

fn copy_if_changed(from: &Path, to: &Path) -> Result<(), String> {
    let new = std::fs::read(from)
        .map_err(|error| format!("{} cannot be read: {error}", from.display()))?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    std::fs::write(to, new).map_err(|error| format!("{} cannot be written: {error}", to.display()))
}

/// A component that is gone must not stay in the binary.
fn remove_others(folder: &Path, kept: &BTreeSet<&str>) -> Result<(), String> {
    let unreadable = |error| format!("{} cannot be tidied: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry
            .file_name()
            .to_str()
            .is_some_and(|name| kept.contains(name))
        {
            std::fs::remove_file(entry.path()).map_err(unreadable)?;
        }
    }
    Ok(())
}
