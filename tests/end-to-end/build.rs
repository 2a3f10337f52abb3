//! Lists the guests, so that one without a test does not compile: writes a macro
//! `foreach_guest!(check)` that calls `check!(name)` for every folder of `components/` and
//! `tests/guests/`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new("../..");
    let mut calls = String::new();
    for folder in ["components", "tests/guests"] {
        let folder = root.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").exists() {
                let name = entry.file_name().to_string_lossy().replace('-', "_");
                calls.push_str(&format!("        $check!({name});\n"));
            }
        }
    }
    let text =
        format!("macro_rules! foreach_guest {{\n    ($check:ident) => {{\n{calls}    }};\n}}\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    let out = out.ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(out.join("every_guest.rs"), text)
}
