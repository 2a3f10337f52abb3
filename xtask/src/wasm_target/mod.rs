//! Getting the `wasm32-wasip2` target: its standard library and its C library.
//!
//! A ladder. Each rung says what it does; one that fails says why and how to do it by hand, and the next is tried.

mod debian;
mod standard_library;
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;
use crate::workspace::Workspace;
use debian::{PrivateApt, Suite};
use toolchain::Toolchain;

/// The target of every guest.
pub(crate) const NAME: &str = "wasm32-wasip2";

/// Debian's suites that carry several versions of rustc's sources, the richest first.
const SUITES: [&str; 4] = ["trixie-backports", "trixie", "forky", "sid"];

/// A way to compile guests.
#[derive(Debug)]
pub(crate) struct WasmTarget(Toolchain);

impl WasmTarget {
    /// Makes a cargo call use it.
    pub(crate) fn apply(&self, cargo: &mut Command) {
        self.0.apply(cargo);
    }

    /// Whether the toolchain that compiles the host holds the target too.
    pub(crate) fn is_in_toolchain(&self) -> bool {
        !self.0.is_unpacked()
    }
}

/// One way to get the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    Rustup,
    Debian,
    RustcWeb,
}

impl Rung {
    /// Every way, in the order in which they are tried.
    pub(crate) const ALL: [Self; 3] = [Self::Rustup, Self::Debian, Self::RustcWeb];

    /// What `--by` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rustup => "rustup",
            Self::Debian => "debian",
            Self::RustcWeb => "rustc-web",
        }
    }

    fn does(self) -> &'static str {
        match self {
            Self::Rustup => "rustup target add wasm32-wasip2",
            Self::Debian => {
                "building the standard library from Debian's rust-src and wasi-libc (about 50 MB, 1 minute)"
            }
            Self::RustcWeb => {
                "unpacking Debian's rustc-web for the guests alone (about 140 MB, 2 minutes)"
            }
        }
    }

    fn by_hand(self) -> &'static str {
        match self {
            Self::Rustup => "run `rustup target add wasm32-wasip2` where rustup can download",
            Self::Debian => {
                "make the folder that `rustc --print sysroot` names writable, and let apt reach a Debian mirror whose \
                 suite has rust-src in exactly the version of `rustc --version`; `cargo xtask target --by debian` goes on \
                 from there"
            }
            Self::RustcWeb => {
                "let apt reach a Debian mirror that has rustc-web, rust-web-src and wasi-libc; \
                 `cargo xtask target --by rustc-web` goes on from there"
            }
        }
    }

    fn climb(self, ladder: &Ladder) -> Result<Toolchain, String> {
        match self {
            Self::Rustup => ladder.rustup(),
            Self::Debian => ladder.debian(),
            Self::RustcWeb => ladder.rustc_web(),
        }
    }
}

/// The target, fetched if it is missing.
pub(crate) fn ensure(workspace: &Workspace) -> Result<WasmTarget, String> {
    ensure_by(workspace, &Rung::ALL)
}

/// The same, trying only `rungs`.
pub(crate) fn ensure_by(workspace: &Workspace, rungs: &[Rung]) -> Result<WasmTarget, String> {
    let ladder = Ladder {
        toolchain: Toolchain::installed(),
        beside: Toolchain::unpacked(workspace.target_dir.join("rustc-web")),
        scratch: workspace.target_dir.join("wasm-target-scratch"),
    };
    for toolchain in [&ladder.toolchain, &ladder.beside] {
        if toolchain.has_target() {
            say(&format!(
                "already in {}",
                toolchain.target_libdir()?.display()
            ));
            return Ok(WasmTarget(toolchain.clone()));
        }
    }
    for rung in rungs {
        say(rung.does());
        match rung.climb(&ladder) {
            Ok(toolchain) if toolchain.has_target() => {
                say(&format!(
                    "it is now in {}",
                    toolchain.target_libdir()?.display()
                ));
                return Ok(WasmTarget(toolchain));
            }
            Ok(_) => say("that failed: it went well, but the rustc in use does not see the target"),
            Err(reason) => say(&format!("that failed: {reason}")),
        }
        say(&format!("by hand: {}", rung.by_hand()));
    }
    Err("the wasm32-wasip2 target is missing and could not be fetched; do one of the things named \"by hand\" above and \
         try again"
        .into())
}

fn say(text: &str) {
    eprintln!("      {text}");
}

/// What all rungs need to know.
struct Ladder {
    /// The toolchain that compiles the host.
    toolchain: Toolchain,
    /// Where the last rung puts a compiler for the guests alone.
    beside: Toolchain,
    /// Emptied before and removed after use.
    scratch: PathBuf,
}

impl Ladder {
    fn rustup(&self) -> Result<Toolchain, String> {
        process::run(Command::new("rustup").args(["target", "add", NAME]))?;
        Ok(self.toolchain.clone())
    }

    fn debian(&self) -> Result<Toolchain, String> {
        standard_library::check_writable(&self.toolchain)?;
        let version = self.toolchain.version()?;
        self.with_scratch(|scratch| {
            let unpacked = scratch.join("unpacked");
            let packages: &[&str] = if self.toolchain.has_source()? {
                &["wasi-libc"]
            } else {
                &["rust-src", "wasi-libc"]
            };
            further(scratch, |apt| {
                let wanted = packages
                    .iter()
                    .map(|package| match *package {
                        "rust-src" => apt.exactly("rust-src", &version),
                        other => apt.newest(other),
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                apt.unpack(&wanted, &unpacked)
            })?;
            standard_library::install(&self.toolchain, &unpacked, scratch)
        })?;
        Ok(self.toolchain.clone())
    }

    fn rustc_web(&self) -> Result<Toolchain, String> {
        let oldest = self.toolchain.version()?;
        let Some(folder) = self.beside.folder() else {
            return Err("it has no folder to go to".into());
        };
        self.with_scratch(|scratch| {
            // Put together in the scratch folder and moved at the end: half a compiler must not look like one.
            let made = scratch.join("rustc-web");
            first_that_has(scratch, &debian::machine_suites()?, |apt| {
                let compiler = apt.newest("rustc-web")?;
                let version = compiler.upstream();
                if toolchain::release(version) < toolchain::release(&oldest) {
                    return Err(format!("its rustc-web is {version}, older than {oldest}"));
                }
                let library = format!("libstd-rust-web-{}", toolchain::minor(version));
                let library = apt.same(&library, &compiler)?;
                let llvm = apt.dependency(&library, "libllvm")?;
                let standard = apt.same("libstd-rust-web-dev", &compiler)?;
                let source = apt.same("rust-web-src", &compiler)?;
                apt.unpack(&[compiler, standard, library, source, llvm], &made)
            })?;
            let libc = scratch.join("libc");
            further(scratch, |apt| {
                apt.unpack(&[apt.newest("wasi-libc")?], &libc)
            })?;
            let compiler = Toolchain::unpacked(made.clone());
            compiler.borrow_linker(&self.toolchain)?;
            standard_library::install(&compiler, &libc, scratch)?;
            std::fs::rename(&made, folder)
                .map_err(|error| format!("{} cannot be made: {error}", folder.display()))
        })?;
        Ok(self.beside.clone())
    }

    /// Runs `work` with an empty folder that is gone afterwards.
    fn with_scratch(&self, work: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
        let _ = std::fs::remove_dir_all(&self.scratch);
        std::fs::create_dir_all(&self.scratch)
            .map_err(|error| format!("{} cannot be made: {error}", self.scratch.display()))?;
        let done = work(&self.scratch);
        let _ = std::fs::remove_dir_all(&self.scratch);
        done
    }
}

/// Runs `work` on the further suites of the machine's own mirrors.
fn further(scratch: &Path, work: impl Fn(&PrivateApt) -> Result<(), String>) -> Result<(), String> {
    let mut mirrors: Vec<String> = debian::machine_suites()?
        .into_iter()
        .map(|suite| suite.mirror)
        .collect();
    mirrors.sort_unstable();
    mirrors.dedup();
    let suites: Vec<Suite> = mirrors
        .iter()
        .flat_map(|mirror| {
            SUITES.map(|name| Suite {
                mirror: mirror.clone(),
                name: name.to_owned(),
            })
        })
        .collect();
    first_that_has(scratch, &suites, work)
}

/// Runs `work` on one suite after the other until it succeeds; fails with the reason of each.
fn first_that_has(
    scratch: &Path,
    suites: &[Suite],
    work: impl Fn(&PrivateApt) -> Result<(), String>,
) -> Result<(), String> {
    let mut reasons = Vec::new();
    for suite in suites {
        let apt = scratch.join("apt");
        let _ = std::fs::remove_dir_all(&apt);
        match PrivateApt::open(apt, suite).and_then(|apt| work(&apt)) {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(format!("{}: {reason}", suite.name)),
        }
    }
    if reasons.is_empty() {
        reasons.push("apt knows no archive on this machine".to_owned());
    }
    Err(reasons.join("; "))
}
