//! What gateway and runtime cost: the family component behind `sbd` against the same component
//! behind wasmtime alone.

use crate::Plan;
use crate::load::Shot;
use crate::process::{self, Process};
use crate::report::{Figure, Goal};
use crate::rounds::{Contender, compare};
use crate::sbd::{self, Sbd, USERS};
use anyhow::Context as _;
use sbd_contract::Principal;
use std::net::SocketAddr;
use std::sync::Arc;

const GOAL: Goal = Goal::RatioAtLeast(0.85);

/// Two figures: a read with two `documents` calls, and a refusal without any.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let component = process::build_folder()?.join("../bundle/family.wasm");
    let component = component
        .to_str()
        .context("the build folder's name is not UTF-8")?;
    let (bare, line) =
        Process::start_baseline(&["serve-bare", "--component", component], folder.path())?;
    let bare_address: SocketAddr = line.trim().parse()?;
    let sbd = Sbd::start_for_load(&folder.path().join("sbd"))?;

    let contender = |label, process, address, shots| Contender {
        label,
        process,
        address,
        shots,
    };
    let read = compare(
        plan,
        "family-vs-bare",
        &contender(
            "wasmtime + ProxyHandler",
            &bare,
            bare_address,
            bare_reads(bare_address)?,
        ),
        &contender(
            "sbd, token checked",
            &sbd.process,
            sbd.address,
            sbd::shots(&sbd.families(USERS)?),
        ),
    )?;
    // Nobody is signed in: the component refuses without asking any capability.
    let refused: Arc<[Shot]> = [Shot::get("/api/v1/families").expecting(401)].into();
    let refusal = compare(
        plan,
        "family-vs-bare-401",
        &contender(
            "wasmtime + ProxyHandler",
            &bare,
            bare_address,
            Arc::clone(&refused),
        ),
        &contender("sbd", &sbd.process, sbd.address, refused),
    )?;
    Ok(vec![read.goal(GOAL), refusal.goal(GOAL)])
}

/// As many users as `sbd` has, with a family each. Who asks is said as the host says it to a
/// guest; the guest leaves the seal behind the dot to the host.
fn bare_reads(address: SocketAddr) -> anyhow::Result<Arc<[Shot]>> {
    let read = |number| {
        let user = Principal::user("default", format!("usr_{number:032x}"))
            .in_session(format!("ses_{number:032x}"))
            .named(format!("bench{number}"))
            .with_roles(["user"])
            .until(jiff::Timestamp::now().as_second() + 24 * 3600);
        let claims = user.claims().context("a principal is JSON")?;
        let caller = format!("{claims}.{}", "A".repeat(43));
        let path = sbd::created(address, &sbd::create().header("sbd-caller", &caller))?;
        let shot = Shot::get(path).header("sbd-caller", caller);
        Ok(shot
            .header("sbd-tenant", "default")
            .header("sbd-request-id", format!("req_{number:032x}")))
    };
    (0..USERS).map(read).collect()
}
