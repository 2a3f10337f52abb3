//! Embeds the application: the manifest and the built components of the folder that
//! `SBD_BUNDLE_DIR` names. `cargo xtask build` sets it. Without it the binary is built empty and
//! says so when it is asked to serve without `--app`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=SBD_BUNDLE_DIR");
    let mut files = Vec::new();
    if let Some(folder) = env::var_os("SBD_BUNDLE_DIR").map(PathBuf::from) {
        println!("cargo::rerun-if-changed={}", folder.display());
        files = list(&folder)?;
    }
    let mut source = String::from("pub(super) static FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in &files {
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(
            source,
            "    ({name:?}, include_bytes!({:?})),",
            path.display().to_string()
        )
        .map_err(io::Error::other)?;
    }
    source.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("bundle.rs"), source)
}

fn list(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && path.is_file()
        {
            files.push((name.to_owned(), path.canonicalize()?));
        }
    }
    files.sort();
    Ok(files)
}
