//! What a tenant notices of another one's hostile guest: how long its slow requests take while the
//! guest is attacked with, against without.
//!
//! The server is as it ships: an address may ask 200 times a second, and the attackers do not ask more
//! often than that, as what a guest does to the machine is the question here, not what a flood of
//! requests does. The neighbour comes from ever new addresses.
//!
//! Two rows are no attacks, but what the others have to be compared with: ordinary requests at the same
//! rate, and another process of the machine that keeps one thread busy.

use crate::Plan;
use crate::load::{self, Shot};
use crate::process::{self, ask};
use crate::report::{Figure, Goal};
use crate::sbd::Sbd;
use anyhow::Context as _;
use sbd_registry::{NewTenant, Registry};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const GOAL: Goal = Goal::RatioAtMost(1.1);

/// Connections of the neighbour: it works, and leaves the machine room.
const NEIGHBOURS: usize = 2;

/// Connections of whoever attacks.
const ATTACKERS: usize = 4;

/// The tenant that attacks; the neighbour is the default one.
const ATTACKER: &str = "attacker";

/// The shortest time from one attack to the next on a connection.
const PACE: Duration = Duration::from_millis(20);

/// The neighbour's own guest.
const ORDINARY: &str = "probe";

/// No guest at all, but a busy thread outside the server.
const ELSEWHERE: &str = "busy-process";

/// A guest and the path by which it attacks.
const ATTACKS: [(&str, &str); 19] = [
    (ELSEWHERE, ""),
    (ORDINARY, "whoami"),
    ("endless-loop", "run"),
    ("endless-start", "ok"),
    ("memory-bomb", "run"),
    ("deep-recursion", "run"),
    ("trap-storm", "trap"),
    ("never-answers", "run"),
    ("stalls", "run"),
    ("endless-body", "run"),
    ("giant-chunk", "run?bytes=30000000"),
    ("log-flood", "run"),
    ("handle-leak", "run"),
    ("borrower", "bodies"),
    ("calls-itself", "run"),
    ("parallel-calls", "run?n=10000"),
    ("query-bomb", "run"),
    ("huge-document", "run?bytes=50000000"),
    ("hoarder", "large"),
];

const NEIGHBOUR: &str = r#"spin_manifest_version = 2
[application]
name = "neighbours"

[[trigger.http]]
route = "/probe/..."
component = "neighbour"

[component.neighbour]
source = "{guest:probe}"
allowed_outbound_hosts = ["http://nobody.spin.internal"]
"#;

/// A figure for each guest.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let attacks = ATTACKS.iter();
    attacks
        .map(|(guest, path)| beside(guest, path, plan).with_context(|| format!("beside {guest}")))
        .collect()
}

fn beside(guest: &str, path: &str, plan: Plan) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("sbd");
    let manifest = folder.path().join("spin.toml");
    std::fs::write(&manifest, application(guest)?)?;
    create_attacker(&data_dir)?;
    let sbd = Sbd::start_app(&data_dir, &manifest)?;
    let shots: Arc<[Shot]> = [Shot::get("/probe/whoami")].into();
    load::fire(sbd.address, &shots, NEIGHBOURS, Duration::from_secs(1))?;

    let (attacking, over) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let attacked = Arc::new(AtomicU64::new(0));
    let attack = Attack {
        address: sbd.address,
        path: format!("/{guest}/{path}"),
        attacking: Arc::clone(&attacking),
        over: Arc::clone(&over),
        done: Arc::clone(&attacked),
    };
    let attackers: Vec<_> = match guest {
        ELSEWHERE => vec![std::thread::spawn(move || attack.spin())],
        _ => (0..ATTACKERS)
            .map(|_| {
                let attack = attack.clone();
                std::thread::spawn(move || attack.ask())
            })
            .collect(),
    };
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        attacking.store(false, Ordering::Relaxed);
        // What was begun ends first.
        std::thread::sleep(Duration::from_millis(500));
        alone.push(p99(&sbd, &shots, plan.duration)?);
        attacking.store(true, Ordering::Relaxed);
        beside.push(p99(&sbd, &shots, plan.duration)?);
    }
    over.store(true, Ordering::Relaxed);
    drop(sbd);
    for attacker in attackers {
        let _ = attacker.join();
    }
    let attacked = attacked.load(Ordering::Relaxed);
    Ok(Figure::new(
        &format!("beside-{guest}"),
        "ms",
        ("the neighbour's p99 alone", &alone),
        ("its p99 during the attack", &beside),
    )
    .goal(GOAL)
    .note(format!("{attacked} attacks from {ATTACKERS} connections")))
}

/// What an attacker does, while it is told to, until it is over.
#[derive(Clone)]
struct Attack {
    address: SocketAddr,
    path: String,
    attacking: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

// === impl Attack ===

impl Attack {
    fn ask(&self) {
        let headers = format!("x-sbd-tenant: {ATTACKER}\r\n");
        self.repeat(|| {
            let begun = Instant::now();
            // What it is answered, if at all, is its own affair.
            if ask(self.address, &self.path, &headers).is_ok() {
                self.done.fetch_add(1, Ordering::Relaxed);
            }
            std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
        });
    }

    fn spin(&self) {
        self.repeat(std::hint::spin_loop);
    }

    fn repeat(&self, attack: impl Fn()) {
        while !self.over.load(Ordering::Relaxed) {
            match self.attacking.load(Ordering::Relaxed) {
                true => attack(),
                false => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

fn p99(sbd: &Sbd, shots: &Arc<[Shot]>, duration: Duration) -> anyhow::Result<f64> {
    let sample = load::fire(sbd.address, shots, NEIGHBOURS, duration)?;
    let micros = sample.latency.value_at_quantile(0.99);
    Ok(Duration::from_micros(micros).as_secs_f64() * 1e3)
}

/// The neighbour and one hostile guest, as its folder describes it.
fn application(guest: &str) -> anyhow::Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hostile");
    let hostile = match guest {
        ELSEWHERE | ORDINARY => String::new(),
        guest => std::fs::read_to_string(folder.join(guest).join("spin.toml"))?,
    };
    let guests = process::build_folder()?.join("../wasm32-wasip2/guest");
    let guests = guests
        .canonicalize()
        .context("the guests are not built; run this by `cargo xtask bench`")?;
    let mut text = format!("{NEIGHBOUR}{hostile}");
    while let Some((before, rest)) = text.split_once("{guest:") {
        let (name, after) = rest.split_once('}').context("a brace is open")?;
        let file = guests.join(format!("{}.wasm", name.replace('-', "_")));
        text = format!("{before}{}{after}", file.display());
    }
    Ok(text)
}

fn create_attacker(data_dir: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let new = NewTenant {
            name: ATTACKER.to_owned(),
            ..NewTenant::default()
        };
        let registry = Registry::open(data_dir).await?;
        registry.tenants.create(new).await?;
        Ok(())
    })
}
