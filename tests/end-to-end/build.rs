//! Lists the guests, so that one without a test does not compile: writes the macros
//! `foreach_guest!(check)` and `foreach_hostile_guest!(check)`, which call `check!(name)` for every
//! folder of a component in `components/` and `tests/guests/`, and of `tests/hostile/`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // Beside the components stand libraries that they have in common.
    let guests = [("components", "spin.toml"), ("tests/guests", "Cargo.toml")];
    write("foreach_guest", &guests)?;
    write("foreach_hostile_guest", &[("tests/hostile", "spin.toml")])
}

/// Writes a macro over the folders in which a file says that they are a guest's.
fn write(name: &str, folders: &[(&str, &str)]) -> io::Result<()> {
    let mut calls = String::new();
    for (folder, mark) in folders {
        let folder = Path::new("../..").join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.path().join(mark).exists() {
                let name = entry.file_name().to_string_lossy().replace('-', "_");
                calls.push_str(&format!("        $check!({name});\n"));
            }
        }
    }
    let text = format!("macro_rules! {name} {{\n    ($check:ident) => {{\n{calls}    }};\n}}\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    let out = out.ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(out.join(format!("{name}.rs")), text)
}
