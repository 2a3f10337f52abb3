//! What clients notice while versions are deployed and features switched: nothing may fail, no answer
//! may be of two versions, and nobody should wait.

use crate::Plan;
use crate::load::{self, Shot};
use crate::process::{self, ask};
use crate::report::{Figure, Goal};
use crate::sbd::Sbd;
use anyhow::{Context as _, bail, ensure};
use http::HeaderMap;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Deployments, and as many times off and on.
const TIMES: u32 = 50;

/// Connections that ask all along.
const CONNECTIONS: usize = 4;

/// How long a piece of load lasts; the pieces follow each other until the changes are done.
const PIECE: Duration = Duration::from_millis(500);

const APP: &str = r#"spin_manifest_version = 2
[application]
name = "swaps"

[application.tool.sbd]
rate_limit = { per_second = 1000000, burst = 1000000 }

[[trigger.http]]
route = "/versioned/..."
component = "versioned"

[component.versioned]
source = "VERSIONED"

[[trigger.http]]
route = "/api/v1/switched/..."
component = "switched"

[component.switched]
source = "SWITCHED"

[component.switched.tool.sbd]
grants = ["features"]
"#;

/// The server, and what is deployed to it.
struct Bench {
    sbd: Sbd,
    folder: tempfile::TempDir,
    original: Vec<u8>,
}

/// Three figures: p99 during deployments and during switches against before, and how long a switch of
/// versions takes.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let bench = Bench::start()?;
    let shots: Arc<[Shot]> = [Shot::get("/versioned/version")].into();
    load::fire(bench.sbd.address, &shots, CONNECTIONS, plan.duration)?;
    let before: Vec<f64> = (0..plan.rounds)
        .map(|_| p99(&bench.sbd, &shots, plan.duration))
        .collect::<Result<_, _>>()?;

    let mut switched = Vec::new();
    let (deployed, answers) = bench.beside(&shots, || {
        for number in 1..=TIMES {
            switched.push(bench.deploy(number)?);
        }
        Ok(())
    })?;
    let (toggled, more_answers) = bench.beside(&shots, || {
        for _ in 0..TIMES {
            bench.switch("off", 404)?;
            bench.switch("on", 200)?;
        }
        Ok(())
    })?;
    let nothing = "no answer failed or was of two versions";
    Ok(vec![
        Figure::new(
            "p99-during-deployments",
            "ms",
            ("p99 before", &repeated(&before, deployed.len())),
            ("p99 during fifty deployments", &deployed),
        )
        .goal(Goal::RatioAtMost(2.0))
        .note(format!("{answers} answers; {nothing}")),
        Figure::new(
            "p99-during-switches",
            "ms",
            ("p99 before", &repeated(&before, toggled.len())),
            ("p99 while a feature goes off and on fifty times", &toggled),
        )
        .goal(Goal::RatioAtMost(2.0))
        .note(format!(
            "{more_answers} answers; {nothing}; each switch was in force when its command had ended"
        )),
        Figure::new(
            "swap",
            "ms",
            ("the p99 of a request", &repeated(&before, switched.len())),
            (
                "from the last check to the new version's first request",
                &switched,
            ),
        ),
    ])
}

// === impl Bench ===

impl Bench {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let guests = process::build_folder()?.join("../wasm32-wasip2/guest");
        let guest = |name: &str| guests.join(format!("{name}.wasm")).display().to_string();
        let manifest = folder.path().join("spin.toml");
        let text = APP
            .replace("VERSIONED", &guest("versioned"))
            .replace("SWITCHED", &guest("switched"));
        std::fs::write(&manifest, text)?;
        let original = std::fs::read(guest("versioned"))
            .context("the guests are not built; run this by `cargo xtask bench`")?;
        let sbd = Sbd::start_app(&folder.path().join("sbd"), &manifest)?;
        Ok(Self {
            sbd,
            folder,
            original,
        })
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("sbd")
    }

    /// Does something while clients ask; their p99 piece by piece, and how many answers they got.
    fn beside(
        &self,
        shots: &Arc<[Shot]>,
        change: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<(Vec<f64>, u64)> {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let load = scope.spawn(|| {
                let (mut p99s, mut answers) = (Vec::new(), 0);
                while !over.load(Ordering::Relaxed) {
                    let sample = load::fire_checked(
                        self.sbd.address,
                        shots,
                        CONNECTIONS,
                        PIECE,
                        is_of_one_version,
                    )?;
                    answers += sample.requests;
                    p99s.push(milliseconds(sample.latency.value_at_quantile(0.99)));
                }
                anyhow::Ok((p99s, answers))
            });
            let changed = change();
            over.store(true, Ordering::Relaxed);
            let measured = load
                .join()
                .map_err(|_| anyhow::anyhow!("a client panicked"))?;
            changed.and(measured)
        })
    }

    /// Deploys a version that says this number; milliseconds from the last check to the switch.
    fn deploy(&self, number: u32) -> anyhow::Result<f64> {
        let mark = b"version=0000";
        let mut bytes = self.original.clone();
        let at = bytes.windows(mark.len()).position(|bytes| bytes == mark);
        let at = at.context("the guest `versioned` has lost its mark")?;
        let new = format!("version={number:04}");
        bytes
            .get_mut(at..at + mark.len())
            .context("no room")?
            .copy_from_slice(new.as_bytes());
        let mut form = b"--b\r\ncontent-disposition: form-data; name=\"wasm\"\r\n\r\n".to_vec();
        form.append(&mut bytes);
        form.extend_from_slice(b"\r\n--b--\r\n");
        let deployed = Sbd::administer(
            &self.data_dir(),
            "POST /components/versioned/versions",
            "multipart/form-data; boundary=b",
            &form,
        )?;
        let time = deployed.get("switched_in_ms").and_then(Value::as_f64);
        time.context("no time was told")
    }

    /// Switches a component, which must be so at once.
    fn switch(&self, state: &str, expected: u16) -> anyhow::Result<()> {
        Sbd::administer(
            &self.data_dir(),
            "PUT /tenants/default/features/switched",
            "application/json",
            format!("{{\"state\":\"{state}\"}}").as_bytes(),
        )?;
        let status = ask(self.sbd.address, "/api/v1/switched/whole?ms=0", "")?;
        ensure!(status == expected, "switched {state}, it answers {status}");
        Ok(())
    }
}

/// Head and body name one version.
fn is_of_one_version(headers: &HeaderMap, body: &[u8]) -> anyhow::Result<()> {
    let version = headers.get("x-version").context("no version")?.to_str()?;
    let body = std::str::from_utf8(body)?;
    if body.lines().count() != 4 || body.lines().any(|line| line != version) {
        bail!("an answer of two versions: {version}, {body}");
    }
    Ok(())
}

fn p99(sbd: &Sbd, shots: &Arc<[Shot]>, duration: Duration) -> anyhow::Result<f64> {
    let sample = load::fire_checked(sbd.address, shots, CONNECTIONS, duration, is_of_one_version)?;
    Ok(milliseconds(sample.latency.value_at_quantile(0.99)))
}

fn milliseconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64() * 1e3
}

/// The median, as often as there is something to compare it with.
fn repeated(values: &[f64], times: usize) -> Vec<f64> {
    vec![crate::report::Spread::of(values).median; times]
}
