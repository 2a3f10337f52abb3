//! Programs of others that `cargo xtask test` gets.

use std::io::Write as _;
use std::path::PathBuf;

/// What was got for a peer, a Python environment; `None`, and said, where it was not.
pub fn peer(name: &str) -> Option<PathBuf> {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("peers").join(name);
    if folder.join("complete").exists() {
        return Some(folder);
    }
    let lacks = std::fs::read_to_string(folder.with_extension("missing"));
    let lacks = lacks.unwrap_or_else(|_| "run `cargo xtask test`, which gets it".to_owned());
    // libtest keeps back what `println!` prints in a test that passes.
    let mut shown = std::io::stdout();
    writeln!(shown, "SKIPPED-PEER: {name}: {}", lacks.trim()).unwrap();
    None
}
