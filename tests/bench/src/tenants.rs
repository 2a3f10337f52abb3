//! What tenants cost: ten thousand that nobody asks for anything, and some that are at work.

use crate::Plan;
use crate::process::ask;
use crate::report::{Figure, Goal};
use crate::sbd::Sbd;
use anyhow::{Context as _, bail};
use sbd_registry::{NewTenant, Registry};
use std::path::Path;
use std::time::{Duration, Instant};

/// Tenants that exist.
const IDLE: usize = 10_000;

/// Tenants that have just answered a request each.
const WARM: usize = 50;

/// kB (10^3 bytes) a tenant.
const GOAL: Goal = Goal::CandidateAtMost(100.0);

/// A page of a component that every tenant answers, from its own keys.
const PAGE: &str = "/.well-known/jwks.json";

/// Three figures: an idle tenant's memory, a warm one's, and how long the first request takes.
pub(crate) fn run(_: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("sbd");
    // The first start compiles the components.
    drop(Sbd::start(&data_dir)?);
    let alone = settled(&Sbd::start(&data_dir)?)?;

    let begun = Instant::now();
    create(&data_dir)?;
    let created = begun.elapsed();
    let sbd = Sbd::start(&data_dir)?;
    let idle = settled(&sbd)?;

    let mut first = Vec::new();
    for n in 0..WARM {
        let headers = format!("x-sbd-tenant: {}\r\n", name(n));
        let begun = Instant::now();
        let status = ask(sbd.address, PAGE, &headers)?;
        if status != 200 {
            bail!("{PAGE} of {} is answered {status}", name(n));
        }
        first.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let warm = resident(&sbd)?;
    let again = again(&sbd)?;
    first.sort_by(f64::total_cmp);
    let each = |more: f64, count: usize| (more / 1e3 / count as f64).max(0.001);
    Ok(vec![
        Figure::new(
            "idle-tenant",
            "kB",
            ("the length of its name", &[0.008]),
            (
                "resident memory a tenant of 10000 that nobody asks",
                &[each(idle - alone, IDLE)],
            ),
        )
        .goal(GOAL)
        .note(format!(
            "made one after the other in {:.1} s, each durable before the next",
            created.as_secs_f64()
        )),
        Figure::new(
            "warm-tenant",
            "kB",
            ("an idle one", &[each(idle - alone, IDLE)]),
            (
                "resident memory a tenant with one warm component",
                &[each(warm - idle, WARM)],
            ),
        ),
        Figure::new(
            "first-request",
            "ms",
            ("a later request on a connection of its own", &[again]),
            (
                "a tenant's first request: file, keys and instance made",
                &first,
            ),
        )
        .note(format!(
            "p99 {:.1} ms",
            first.last().copied().unwrap_or_default()
        )),
    ])
}

fn name(n: usize) -> String {
    format!("t{n:05}")
}

fn create(data_dir: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let registry = Registry::open(data_dir).await?;
        for n in 0..IDLE {
            let new = NewTenant {
                name: name(n),
                ..NewTenant::default()
            };
            registry.tenants.create(new).await?;
        }
        Ok(())
    })
}

/// The median of some later requests in milliseconds.
fn again(sbd: &Sbd) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for n in 0..WARM {
        let headers = format!("x-sbd-tenant: {}\r\n", name(n));
        let begun = Instant::now();
        ask(sbd.address, PAGE, &headers)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times.get(WARM / 2).copied().context("nothing was measured")
}

fn settled(sbd: &Sbd) -> anyhow::Result<f64> {
    ask(sbd.address, PAGE, "")?;
    std::thread::sleep(Duration::from_secs(1));
    resident(sbd)
}

/// Bytes.
fn resident(sbd: &Sbd) -> anyhow::Result<f64> {
    let memory = sbd.process.memory();
    let memory =
        memory.context("this system does not say how much memory a process has (no /proc)")?;
    // Exact up to 2^53 bytes.
    Ok(memory.resident as f64)
}
