//! Tests, formatting, lints and documentation.

use crate::guests;
use crate::host;
use crate::peers;
use crate::process::{self, Steps};
use crate::summary::Summary;
use crate::wasm_target::WasmTarget;
use crate::workspace::Workspace;

/// How many steps [`test()`] announces.
pub(crate) const TEST_STEPS: usize = 3;

/// How many steps [`read_only`] announces.
pub(crate) const READ_ONLY_STEPS: usize = 4;

/// Runs a test program so that it says its name and how long each test took. Stable libtest keeps the times back, unless
/// the environment of the run has this word; what is compiled does not see it.
const TIMED: &str = r#"target."cfg(all())".runner = ["sh", "-c", """
    echo "program ${0##*/}"
    RUSTC_BOOTSTRAP=1 exec "$0" "$@" -Z unstable-options --report-time
"""]"#;

/// What a test run came to.
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    pub(crate) summary: Summary,
}

/// Every test there is, or those whose name contains `filter`. The components are built already.
pub(crate) fn test(
    workspace: &Workspace,
    target: &WasmTarget,
    filter: Option<&str>,
    steps: &mut Steps,
) -> Result<Outcome, String> {
    guests::test_guests(workspace, target, steps)?;
    peers::get_all(workspace, &peers::TESTED)?;
    // The end-to-end tests run the server itself, which `cargo test` does not build: it is another
    // package's binary.
    host::build(workspace, &[host::SERVER], steps)?;
    steps.next("tests");
    let mut everything = host::cargo(workspace, "test", &workspace.native());
    // Models multiply on threads that spin for each other: where other tests want the cores, one is faster.
    everything.env("CANDLE_NUM_THREADS", "1");
    // This tool is compiled in the dev profile already, by the alias that started it.
    let mut own = process::cargo();
    own.args(["test", "-p", "xtask"]);
    let mut outcome = Outcome {
        succeeded: true,
        summary: Summary::default(),
    };
    for call in [&mut everything, &mut own] {
        call.args(["--no-fail-fast", "--config", TIMED])
            .args(filter);
        outcome.succeeded &= process::run_reading(call, |line| outcome.summary.read_line(line))?;
    }
    Ok(outcome)
}

/// What needs no run: formatting, clippy on both sides of the sandbox, documentation.
pub(crate) fn read_only(
    workspace: &Workspace,
    target: &WasmTarget,
    steps: &mut Steps,
) -> Result<(), String> {
    steps.next("formatting");
    process::run(process::cargo().args(["fmt", "--all", "--check"]))?;

    steps.next("clippy: host");
    let everyone = workspace.native_and_xtask();
    process::run(host::cargo(workspace, "clippy", &everyone).args([
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;

    steps.next("clippy: guests");
    // Clippy is tied to the toolchain's own rustc: a target that lives beside it is out of its reach.
    if target.is_in_toolchain() {
        guests::clippy(target, &workspace.components())?;
        guests::clippy(target, &workspace.portable())?;
        if !workspace.test_guests().is_empty() {
            guests::clippy(target, &workspace.test_guests())?;
        }
    } else {
        return Err("clippy cannot read the guests, because the wasm32-wasip2 target is not in the toolchain itself; \
                    get it there by `rustup target add wasm32-wasip2`"
            .into());
    }

    steps.next("documentation");
    process::run(
        host::cargo(workspace, "doc", &everyone)
            .arg("--no-deps")
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}
