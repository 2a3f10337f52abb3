//! A rustc with what lies beside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;
use crate::wasm_target::NAME;

/// A rustc: the installed one, or one that was unpacked into a folder and needs telling where its libraries are.
#[derive(Debug, Clone)]
pub(crate) struct Toolchain {
    folder: Option<PathBuf>,
}

impl Toolchain {
    /// The rustc that cargo uses.
    pub(crate) fn installed() -> Self {
        Self { folder: None }
    }

    /// Debian's rustc-web, unpacked into `folder` (there or not).
    pub(crate) fn unpacked(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
        }
    }

    /// Whether it is one that was unpacked beside the installed one.
    pub(crate) fn is_unpacked(&self) -> bool {
        self.folder.is_some()
    }

    /// Where it was unpacked to.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Makes a cargo call use this rustc.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        if let Some(folder) = &self.folder {
            cargo.env("RUSTC", folder.join("usr/bin/rustc"));
            cargo.env("LD_LIBRARY_PATH", library_path(folder));
        }
    }

    fn rustc(&self) -> Command {
        match &self.folder {
            Some(folder) => {
                let mut rustc = Command::new(folder.join("usr/bin/rustc"));
                rustc.env("LD_LIBRARY_PATH", library_path(folder));
                rustc
            }
            None => Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())),
        }
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        Ok(process::output(self.rustc().args(arguments))?
            .trim()
            .to_owned())
    }

    /// The folder of its own libraries and tools.
    pub(crate) fn sysroot(&self) -> Result<PathBuf, String> {
        self.ask(&["--print", "sysroot"]).map(PathBuf::from)
    }

    /// Where the target's standard library is, or would be.
    pub(crate) fn target_libdir(&self) -> Result<PathBuf, String> {
        self.ask(&["--print", "target-libdir", "--target", NAME])
            .map(PathBuf::from)
    }

    /// Whether the target's standard library is there.
    pub(crate) fn has_target(&self) -> bool {
        let Ok(files) = self
            .target_libdir()
            .and_then(|folder| std::fs::read_dir(folder).map_err(|e| e.to_string()))
        else {
            return false;
        };
        files.flatten().any(|file| {
            file.file_name()
                .to_str()
                .is_some_and(|name| name.starts_with("libstd-") && name.ends_with(".rlib"))
        })
    }

    /// Where the sources of the standard library are looked for.
    pub(crate) fn source(&self) -> Result<PathBuf, String> {
        Ok(self.sysroot()?.join("lib/rustlib/src/rust"))
    }

    /// Whether they are there.
    pub(crate) fn has_source(&self) -> Result<bool, String> {
        Ok(self.source()?.join("library/Cargo.lock").is_file())
    }

    /// Its version, as `1.95.0`.
    pub(crate) fn version(&self) -> Result<String, String> {
        self.verbose("release: ")
    }

    fn host(&self) -> Result<String, String> {
        self.verbose("host: ")
    }

    fn verbose(&self, key: &str) -> Result<String, String> {
        let said = self.ask(&["-vV"])?;
        said.lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::to_owned)
            .ok_or_else(|| format!("`rustc -vV` does not say its {key}"))
    }

    /// Copies the linkers of `other` (`rust-lld`, `wasm-component-ld`), which Debian packs elsewhere.
    pub(crate) fn borrow_linker(&self, other: &Self) -> Result<(), String> {
        let tools = Path::new("lib/rustlib").join(other.host()?).join("bin");
        copy_tree(
            &other.sysroot()?.join(&tools),
            &self.sysroot()?.join(&tools),
        )
    }
}

/// Where Debian puts shared libraries, under `folder`; the middle part is the machine's architecture.
fn library_path(folder: &Path) -> PathBuf {
    folder
        .join("usr/lib")
        .join(format!("{}-linux-gnu", std::env::consts::ARCH))
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} cannot be copied: {error}", from.display());
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let copy = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &copy)?;
        } else {
            std::fs::copy(entry.path(), copy).map_err(failed)?;
        }
    }
    Ok(())
}

/// `1.95.0` as numbers, to compare.
pub(crate) fn release(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

/// `1.95` of `1.95.0`.
pub(crate) fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

#[cfg(test)]
mod tests {
    use super::{minor, release};

    #[test]
    fn compares_releases_by_number() {
        assert!(release("1.100.0") > release("1.95.0"));
        assert!(release("1.96.0") > release("1.95.3"));
        assert_eq!(release("1.95.0"), [1, 95, 0]);
        assert_eq!(minor("1.96.0"), "1.96");
    }
}
