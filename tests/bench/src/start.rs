//! From `exec` to the first answer. The compile cache is warm: a first start has filled it.

use crate::Plan;
use crate::report::{Figure, Goal};
use crate::sbd::Sbd;
use anyhow::Context as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// Starts measured, whatever the number of rounds: each takes a fraction of a second.
const STARTS: usize = 10;

/// Milliseconds.
const GOAL: Goal = Goal::CandidateAtMost(300.0);

/// Two figures: the host's own answer, and a component's, which needs the auth component as well.
pub(crate) fn run(_: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("sbd");
    let families = Sbd::start(&data_dir)?.families(1)?;
    let family = families.first().context("no family")?;
    let header = format!("authorization: {}\r\n", family.authorization);

    let (mut nothing, mut host, mut component) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        nothing.push(milliseconds(spawn_nothing()?));
        let mut sbd = Sbd::start(&data_dir)?;
        host.push(milliseconds(sbd.started_in));
        component.push(milliseconds(sbd.process.wait_for(
            sbd.address,
            &family.path,
            &header,
        )?));
    }
    let baseline = ("/bin/true, spawned and ended", nothing.as_slice());
    Ok(vec![
        Figure::new(
            "start",
            "ms",
            baseline,
            ("sbd up to 200 on /healthz", &host),
        )
        .goal(GOAL),
        Figure::new(
            "start-component",
            "ms",
            baseline,
            ("sbd up to 200 on an authenticated read", &component),
        )
        .goal(GOAL),
    ])
}

fn spawn_nothing() -> anyhow::Result<Duration> {
    let begun = Instant::now();
    Command::new("/bin/true")
        .status()
        .context("cannot start /bin/true")?;
    Ok(begun.elapsed())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
