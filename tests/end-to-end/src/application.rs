//! Built guests, and applications made of them.

use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A manifest in a folder of its own, which goes when this is dropped.
#[derive(Debug)]
pub struct Application {
    folder: TempDir,
}

/// The built component of a guest crate, or of a folder of hostile guests that holds one as text.
pub fn guest(name: &str) -> PathBuf {
    let text =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../hostile/{name}/component.wat"));
    if text.exists() {
        return encoded(name, &text);
    }
    let file = format!("wasm32-wasip2/guest/{}.wasm", name.replace('-', "_"));
    let path = crate::launch::target().join(file);
    assert!(
        path.exists(),
        "{} is missing; run `cargo xtask test`, which builds it",
        path.display()
    );
    path
}

fn encoded(name: &str, text: &Path) -> PathBuf {
    let folder = crate::launch::target().join("tmp/sbd-tests/encoded");
    std::fs::create_dir_all(&folder).unwrap();
    let partial = tempfile::NamedTempFile::new_in(&folder).unwrap();
    std::fs::write(partial.path(), wat::parse_file(text).unwrap()).unwrap();
    let path = folder.join(format!("{name}.wasm"));
    // Other tests may be reading it.
    partial.persist(&path).unwrap();
    path
}

// === impl Application ===

impl Application {
    /// An application of these lines behind a common head. `{guest:NAME}` stands for the path of a
    /// built guest.
    pub fn new(manifest: &str) -> Self {
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
        std::fs::write(folder.path().join("spin.toml"), text).unwrap();
        Self { folder }
    }

    /// The manifest.
    pub fn manifest(&self) -> PathBuf {
        self.folder.path().join("spin.toml")
    }

    /// The folder that relative sources start from.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
