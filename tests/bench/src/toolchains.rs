//! What components of other toolchains cost here: a hello in JavaScript and in Python behind `sbd`
//! against the same file behind wasmtime alone, with a new instance for each request.

use crate::Plan;
use crate::load::Shot;
use crate::process::{self, Process};
use crate::report::{Figure, Goal};
use crate::rounds::{Contender, compare};
use crate::sbd::Sbd;
use anyhow::Context as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

const GOAL: Goal = Goal::RatioAtLeast(0.9);

/// Guests that `cargo xtask bench` builds, where node and python are.
const GUESTS: [(&str, &str); 2] = [
    ("javascript", "toolchains-javascript"),
    ("python02", "toolchains-python"),
];

/// A figure for each that is there.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let guests = process::build_folder()?.join("../wasm32-wasip2/guest");
    let mut figures = Vec::new();
    for (guest, name) in GUESTS {
        let file = guests.join(format!("{guest}.wasm"));
        if file.exists() {
            figures.push(measure(plan, name, &file)?);
        } else {
            println!(
                "{name}: {} is not there; it wants node or python",
                file.display()
            );
        }
    }
    Ok(figures)
}

fn measure(plan: Plan, name: &str, file: &Path) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir()?;
    let file = file.canonicalize()?;
    let file = file
        .to_str()
        .context("the build folder's name is not UTF-8")?;
    let flags = [
        "serve-bare",
        "--reuse-requests",
        "1",
        "--reuse-concurrent",
        "1",
    ];
    let flags = [flags.as_slice(), &["--component", file]].concat();
    let (bare, line) = Process::start_baseline(&flags, folder.path())?;
    let manifest = folder.path().join("spin.toml");
    std::fs::write(
        &manifest,
        format!(
            "spin_manifest_version = 2\n[application]\nname = \"hello\"\n\
             [application.tool.sbd]\nrate_limit = {{ per_second = 1000000, burst = 1000000 }}\n\
             [[trigger.http]]\nroute = \"/...\"\ncomponent = \"hello\"\n\
             [component.hello]\nsource = \"{file}\"\n"
        ),
    )?;
    let sbd = Sbd::start_app(&folder.path().join("sbd"), &manifest)?;
    let hello: Arc<[Shot]> = [Shot::get("/hello")].into();
    let address: SocketAddr = line.trim().parse()?;
    let figure = compare(
        plan,
        name,
        &Contender {
            label: "wasmtime + ProxyHandler, an instance a request",
            process: &bare,
            address,
            shots: Arc::clone(&hello),
        },
        &Contender {
            label: "sbd",
            process: &sbd.process,
            address: sbd.address,
            shots: hello,
        },
    )?;
    Ok(figure.goal(GOAL))
}
