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
    built(name).unwrap_or_else(|missing| panic!("{missing}"))
}

/// The same of a guest that not every machine can build.
///
/// # Errors
/// What this one lacks.
pub fn built(name: &str) -> Result<PathBuf, String> {
    let file = format!("wasm32-wasip2/guest/{}.wasm", name.replace('-', "_"));
    let path = crate::launch::target().join(file);
    if path.exists() {
        return Ok(path);
    }
    let lacks = std::fs::read_to_string(path.with_extension("missing"));
    Err(lacks.unwrap_or_else(|_| {
        let path = path.display();
        format!("{path} is missing; run `cargo xtask test`, which builds it")
    }))
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

/// The manifest of a component, which names the file that was built for the tests.
fn own_manifest(component: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components");
    let text = std::fs::read_to_string(folder.join(component).join("spin.toml")).unwrap();
    let is_source = |line: &&str| line.starts_with("source = ");
    let source = text.lines().find(is_source).unwrap();
    text.replace(
        source,
        &format!("source = \"{}\"", guest(component).display()),
    )
}

/// A text in which something stands for every `OPEN..NAME}`.
fn filled(text: &str, open: &str, with: impl Fn(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        let (name, after) = after.split_once('}').unwrap();
        filled.push_str(before);
        filled.push_str(&with(name));
        rest = after;
    }
    filled + rest
}

// === impl Application ===

impl Application {
    /// An application of these lines behind a common head. `{guest:NAME}` stands for the path of a
    /// built guest, `{component:NAME}` for what the manifest of one of ours says of it.
    pub fn new(manifest: &str) -> Self {
        let head = "spin_manifest_version = 2\n[application]\nname = \"test\"\n";
        let lines = filled(manifest, "{component:", |name| {
            let own = own_manifest(name);
            let first = ["[variables.", "[[trigger.http]]"];
            let begin = first.iter().filter_map(|table| own.find(table)).min();
            own[begin.unwrap()..].to_owned()
        });
        let lines = filled(&lines, "{guest:", |name| guest(name).display().to_string());
        Self::of(&format!("{head}{lines}"))
    }

    /// A component of ours alone, as its manifest declares it.
    pub fn alone(component: &str) -> Self {
        Self::of(&own_manifest(component))
    }

    fn of(manifest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spin.toml"), manifest).unwrap();
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
