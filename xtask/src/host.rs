//! Building and running what runs natively.

use std::path::PathBuf;
use std::process::Command;

use crate::bundle;
use crate::process::{self, Steps};
use crate::workspace::{Member, Workspace};

/// The server.
pub(crate) const SERVER: &str = "sbd";

/// The measuring program.
pub(crate) const BENCH: &str = "sbd-bench";

/// A cargo call in the release profile over `members`, with the bundle named, and with no effort for what only tests
/// run natively: two calls that differ in any of it would compile things twice.
pub(crate) fn cargo(workspace: &Workspace, what: &str, members: &[&Member]) -> Command {
    let mut cargo = process::cargo();
    cargo.args([what, "--release"]);
    cargo.args(members.iter().flat_map(|member| ["-p", &member.id]));
    for member in workspace.sandboxed() {
        let lightly = format!("profile.release.package.\"{}\".opt-level=0", member.id);
        cargo.args(["--config", &lightly]);
    }
    cargo.env(bundle::VARIABLE, bundle::folder(workspace));
    cargo
}

/// Builds the named binaries and says where the first one is.
pub(crate) fn build(
    workspace: &Workspace,
    binaries: &[&str],
    steps: &mut Steps,
) -> Result<PathBuf, String> {
    if let Some(missing) = binaries.iter().find(|name| !workspace.has_binary(name)) {
        return Err(format!(
            "no member of this workspace builds `{missing}`; add it to the root Cargo.toml"
        ));
    }
    steps.next(&format!(
        "host: {} (release; the first build takes some minutes)",
        binaries.join(", ")
    ));
    let mut cargo = cargo(workspace, "build", &workspace.native());
    cargo.args(binaries.iter().flat_map(|name| ["--bin", name]));
    process::run(&mut cargo)?;
    let binary = workspace.release_binary(binaries.first().copied().unwrap_or(SERVER));
    eprintln!("built {}", binary.display());
    Ok(binary)
}

/// Becomes `command`, so that signals and the exit code are its own. Returns only if that failed.
#[cfg(unix)]
pub(crate) fn become_program(command: &mut Command) -> Result<std::process::ExitCode, String> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(format!(
        "{} could not be run: {error}",
        command.get_program().to_string_lossy()
    ))
}

/// Runs `command` and passes its exit code on.
#[cfg(not(unix))]
pub(crate) fn become_program(command: &mut Command) -> Result<std::process::ExitCode, String> {
    let status = command.status().map_err(|error| {
        format!(
            "{} could not be run: {error}",
            command.get_program().to_string_lossy()
        )
    })?;
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    Ok(std::process::ExitCode::from(code))
}
