//! Built guests, and applications made of them.

use std::path::PathBuf;
use tempfile::TempDir;

/// The built component of a guest crate.
pub fn guest(name: &str) -> PathBuf {
    let file = format!("wasm32-wasip2/guest/{}.wasm", name.replace('-', "_"));
    let path = crate::server::target().join(file);
    assert!(path.exists(), "{} is missing; run `cargo xtask test`, which builds it", path.display());
    path
}

/// A manifest of these lines in a folder of its own. `{guest:NAME}` stands for a built guest.
pub fn application(manifest: &str) -> (TempDir, PathBuf) {
    let mut text = String::from("spin_manifest_version = 2\n[application]\nname = \"test\"\n");
    let mut rest = manifest;
    while let Some((before, after)) = rest.split_once("{guest:") {
        let (name, after) = after.split_once('}').unwrap();
        text.push_str(before);
        text.push_str(&guest(name).display().to_string());
        rest = after;
    }
    text.push_str(rest);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spin.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}
