//! How much memory a server holds that has nothing to do.

use crate::Plan;
use crate::load;
use crate::native::Ready;
use crate::process::{Memory, Process};
use crate::report::{Figure, Goal};
use crate::rounds::CONNECTIONS;
use crate::sbd::{self, Sbd};
use anyhow::Context as _;
use std::time::Duration;

/// MB (10^6 bytes).
const GOAL: Goal = Goal::CandidateAtMost(100.0);

/// Longer than an idle instance is kept.
const SETTLE: Duration = Duration::from_secs(12);

const REQUESTS: u64 = 10_000;

/// Three figures: after one request, after many, and when the instances of the many are gone.
pub(crate) fn run(_: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let (native, line) = Process::start_baseline(&["serve-native", "--users", "1"], folder.path())?;
    let ready: Ready = serde_json::from_str(&line)?;
    load::once(ready.address, ready.shots.first().context("no request")?)?;

    let data_dir = folder.path().join("sbd");
    let families = Sbd::start(&data_dir)?.families(sbd::USERS)?;
    // Started anew: the first start compiled the components.
    let sbd = Sbd::start(&data_dir)?;
    let shots = sbd::shots(&families);
    load::once(sbd.address, shots.first().context("no request")?)?;
    std::thread::sleep(Duration::from_secs(1));
    let one = resident(&sbd.process)?;

    let mut sent = 0;
    while sent < REQUESTS {
        sent += load::fire(sbd.address, &shots, CONNECTIONS, Duration::from_secs(1))?.requests;
    }
    let many = resident(&sbd.process)?;
    std::thread::sleep(SETTLE);
    let settled = resident(&sbd.process)?;

    let base = megabytes(resident(&native)?.resident);
    let figure = |name, label: &str, memory: Memory| {
        let anonymous = megabytes(memory.anonymous);
        let baseline = ("the native server after one request", [base]);
        Figure::new(
            name,
            "MB",
            (baseline.0, &baseline.1),
            (label, &[megabytes(memory.resident)]),
        )
        .note(format!(
            "of it anonymous: {anonymous:.1} MB; the rest is the binary and other mapped files"
        ))
    };
    Ok(vec![
        figure("idle-memory", "sbd after start and one request", one).goal(GOAL),
        figure(
            "memory-after-10k",
            &format!("sbd right after {sent} requests at {CONNECTIONS} connections"),
            many,
        ),
        figure(
            "memory-settled",
            &format!("the same {} s later", SETTLE.as_secs()),
            settled,
        )
        .goal(GOAL),
    ])
}

fn resident(process: &Process) -> anyhow::Result<Memory> {
    process
        .memory()
        .context("this system does not say how much memory a process has (no /proc)")
}

fn megabytes(bytes: u64) -> f64 {
    // Exact up to 2^53 bytes.
    bytes as f64 / 1e6
}
