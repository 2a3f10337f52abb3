//! Building the target's standard library once and putting it where rustup would have.

use std::path::{Path, PathBuf};

use crate::process;
use crate::wasm_target::NAME;
use crate::wasm_target::toolchain::Toolchain;

/// What the linker needs of wasi-libc.
const C_LIBRARY: [&str; 3] = ["libc.a", "crt1-command.o", "crt1-reactor.o"];

/// The crate that cargo is told to build, so that it builds the standard library for it.
const DUMMY: &str = "std-for-guests";

/// Refuses a toolchain that nothing can be added to.
pub(crate) fn check_writable(toolchain: &Toolchain) -> Result<(), String> {
    let folder = toolchain.sysroot()?.join("lib/rustlib");
    let probe = folder.join("written-by-xtask");
    std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe)).map_err(|error| {
        format!("the toolchain in {} cannot be added to ({error}); run this once as the user who owns it", folder.display())
    })
}

/// Builds the standard library for [`NAME`] and adds it to `toolchain`.
///
/// `unpacked` holds Debian's wasi-libc, and rust-src unless the toolchain has its sources already.
pub(crate) fn install(
    toolchain: &Toolchain,
    unpacked: &Path,
    scratch: &Path,
) -> Result<(), String> {
    let c_library = unpacked.join("usr/lib").join(NAME);
    let source = lend_source(toolchain, unpacked)?;
    let libraries = build(toolchain, &c_library, scratch)?;
    drop(source);

    let libdir = toolchain.target_libdir()?;
    let Some(home) = libdir.parent() else {
        return Err(format!("{} has no parent", libdir.display()));
    };
    // Filled beside its place and moved there at the end: half a library must not look like one.
    let filling = home.with_extension("filling");
    let failed = |error: std::io::Error| format!("{} cannot be filled: {error}", filling.display());
    let _ = std::fs::remove_dir_all(&filling);
    let self_contained = filling.join("lib/self-contained");
    std::fs::create_dir_all(&self_contained).map_err(failed)?;
    for library in libraries {
        let name = library.file_name().unwrap_or_default();
        std::fs::copy(&library, filling.join("lib").join(name)).map_err(failed)?;
    }
    for part in C_LIBRARY {
        std::fs::copy(c_library.join(part), self_contained.join(part)).map_err(failed)?;
    }
    let _ = std::fs::remove_dir_all(home);
    std::fs::rename(&filling, home)
        .map_err(|error| format!("{} cannot be made: {error}", home.display()))
}

/// A link to the sources, in the place where cargo looks for them, for as long as this lives.
struct LentSource(Option<PathBuf>);

impl Drop for LentSource {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            let _ = std::fs::remove_file(link);
        }
    }
}

fn lend_source(toolchain: &Toolchain, unpacked: &Path) -> Result<LentSource, String> {
    if toolchain.has_source()? {
        return Ok(LentSource(None));
    }
    let link = toolchain.source()?;
    let failed = |error: std::io::Error| format!("{} cannot be made: {error}", link.display());
    let source =
        std::fs::canonicalize(unpacked.join("usr/lib/rustlib/src/rust")).map_err(failed)?;
    if let Some(parent) = link.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    if link.is_symlink() {
        // Left by a run that was stopped half way.
        std::fs::remove_file(&link).map_err(failed)?;
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(source, &link).map_err(failed)?;
    #[cfg(not(unix))]
    return Err(format!(
        "{} has to be linked to {} by hand",
        link.display(),
        source.display()
    ));
    Ok(LentSource(Some(link)))
}

/// Returns the libraries that were built.
fn build(toolchain: &Toolchain, c_library: &Path, scratch: &Path) -> Result<Vec<PathBuf>, String> {
    let dummy = scratch.join(DUMMY);
    let failed = |error: std::io::Error| format!("{} cannot be used: {error}", dummy.display());
    std::fs::create_dir_all(dummy.join("src")).map_err(failed)?;
    std::fs::write(dummy.join("src/lib.rs"), "").map_err(failed)?;
    std::fs::write(
        dummy.join("Cargo.toml"),
        format!("[package]\nname = \"{DUMMY}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n"),
    )
    .map_err(failed)?;
    let target_dir = scratch.join("target");
    let mut cargo = process::cargo();
    cargo
        .args([
            "build",
            "--release",
            "-Zbuild-std=std,panic_abort,panic_unwind",
            "--target",
            NAME,
        ])
        .current_dir(&dummy)
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTFLAGS")
        // Without bitcode a guest with `lto = true` does not link. The separator is what allows blanks in a path.
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!(
                "-Cembed-bitcode=yes\u{1f}-L\u{1f}native={}",
                c_library.display()
            ),
        );
    toolchain.apply(&mut cargo);
    process::run(&mut cargo)?;

    let built = target_dir.join(NAME).join("release/deps");
    let own = format!("lib{}-", DUMMY.replace('-', "_"));
    let files = std::fs::read_dir(&built)
        .map_err(|error| format!("{} cannot be read: {error}", built.display()))?;
    Ok(files
        .flatten()
        .map(|file| file.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".rlib") && !name.starts_with(&own)
        })
        .collect())
}
