//! Building what runs in the sandbox.

use std::process::Command;

use crate::bundle;
use crate::manifest;
use crate::process::{self, Steps};
use crate::toolchains;
use crate::wasm_target::{self, WasmTarget};
use crate::workspace::{Member, Workspace};

/// The profile of every guest (root `Cargo.toml`).
pub(crate) const PROFILE: &str = "guest";

/// Guests that only tests load are compiled with less effort: nothing waits for them but tests. Nothing else of their
/// profile may differ, or cargo compiles all macros once more.
const LIGHT: [&str; 2] = ["--config", "profile.guest.opt-level=1"];

/// How many steps [`components`] announces.
pub(crate) const STEPS: usize = 2;

/// The target, the components, their manifest, and the bundle made of them.
pub(crate) fn components(workspace: &Workspace, steps: &mut Steps) -> Result<WasmTarget, String> {
    steps.next("the wasm32-wasip2 target");
    let target = wasm_target::ensure(workspace)?;
    let components = workspace.components();
    steps.next(&format!("components: {}", names(&components)));
    build(&target, &components, &[])?;
    manifest::write(workspace)?;
    bundle::write(workspace)?;
    Ok(target)
}

/// The guests that only tests load, those of other toolchains last. They are built in a call of their own: their features must not change what ships.
pub(crate) fn test_guests(
    workspace: &Workspace,
    target: &WasmTarget,
    steps: &mut Steps,
) -> Result<(), String> {
    let guests = workspace.test_guests();
    if guests.is_empty() {
        steps.next("test guests: this workspace has none");
        return Ok(());
    }
    steps.next(&format!("test guests: {}", names(&guests)));
    build(target, &guests, &LIGHT)?;
    toolchains::guests(workspace)
}

fn build(target: &WasmTarget, guests: &[&Member], settings: &[&str]) -> Result<(), String> {
    if let Some(guest) = guests.iter().find(|guest| guest.wasm().is_none()) {
        return Err(format!(
            "the guest `{}` builds no module; put `crate-type = [\"cdylib\"]` under `[lib]` in its Cargo.toml",
            guest.name
        ));
    }
    process::run(cargo(target, "build", guests).args(settings))
}

/// Checks guests and all that they are made of with clippy, as wasm.
pub(crate) fn clippy(target: &WasmTarget, guests: &[&Member]) -> Result<(), String> {
    process::run(cargo(target, "clippy", guests).args(["--", "-D", "warnings"]))
}

fn cargo(target: &WasmTarget, what: &str, guests: &[&Member]) -> Command {
    let mut cargo = process::cargo();
    cargo.args([what, "--profile", PROFILE, "--target", wasm_target::NAME]);
    cargo.args(guests.iter().flat_map(|guest| ["-p", &guest.id]));
    target.apply(&mut cargo);
    cargo
}

fn names(members: &[&Member]) -> String {
    members
        .iter()
        .map(|member| member.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
