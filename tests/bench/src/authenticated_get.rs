//! What the sandbox costs: an authenticated read through `sbd` against the same handler written
//! natively.

use crate::Plan;
use crate::native::Ready;
use crate::process::Process;
use crate::report::{Figure, Goal};
use crate::rounds::{Contender, compare};
use crate::sbd::{self, Sbd, USERS};

pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let arguments = ["serve-native", "--users", &USERS.to_string()];
    let (native, line) = Process::start_baseline(&arguments, folder.path())?;
    let Ready { address, shots } = serde_json::from_str(&line)?;
    let sbd = Sbd::start_for_load(&folder.path().join("sbd"))?;
    let families = sbd.families(USERS)?;
    let figure = compare(
        plan,
        "authenticated-get",
        &Contender {
            label: "axum + rusqlite, token by SHA-256",
            process: &native,
            address,
            shots: shots.into(),
        },
        &Contender {
            label: "sbd, token by SHA-256",
            process: &sbd.process,
            address: sbd.address,
            shots: sbd::shots(&families),
        },
    )?;
    Ok(vec![figure.goal(Goal::RatioAtLeast(0.5))])
}
