//! What tasks cost: how many that do nothing are done a second, and how soon after it was enqueued one
//! begins. Celery over Redis is what both are compared with, where both can be had; its queue is in memory,
//! and ours is durable before a task is answered for.

use crate::load::{self, Shot};
use crate::process;
use crate::report::{self, Figure, Spread};
use crate::sbd::Sbd;
use crate::{Plan, process::Process};
use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Tasks of one flood, in batches.
const TASKS: usize = 2000;
const BATCH: usize = 100;

/// Tasks a second while it is timed how soon each begins.
const PACE: u32 = 100;

/// All are done after so long, or they never are.
const PATIENCE: Duration = Duration::from_secs(300);

const PEER: &str = include_str!("celery.py");

/// What one side did in one round.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Done {
    /// Empty tasks a second.
    rate: f64,
    /// Milliseconds from enqueued to begun.
    p50: f64,
    p99: f64,
}

/// Celery, where it was got, and the Redis of this machine.
struct Celery {
    folder: PathBuf,
}

/// What one side did in all rounds.
#[derive(Default)]
struct All {
    rates: Vec<f64>,
    halves: Vec<f64>,
    mosts: Vec<f64>,
}

/// Two figures.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    let celery = Celery::find();
    let (mut ours, mut theirs) = (All::default(), All::default());
    for _ in 0..plan.rounds {
        ours.add(sbd(plan)?);
        if let Ok(celery) = &celery {
            theirs.add(celery.measure(plan)?);
        }
    }
    let against = match &celery {
        Ok(_) => "Celery over Redis".to_owned(),
        Err(missing) => format!("nothing, as {missing}"),
    };
    // Without a peer the figure stands alone.
    let base = |theirs: &[f64], ours: &[f64]| match theirs.is_empty() {
        true => ours.to_vec(),
        false => theirs.to_vec(),
    };
    let rates = Figure::new(
        "tasks-done",
        "tasks/s",
        (&against, &base(&theirs.rates, &ours.rates)),
        (
            "empty tasks, from the first enqueued to the last done",
            &ours.rates,
        ),
    );
    let begun = Figure::new(
        "tasks-begun",
        "ms",
        (&against, &base(&theirs.halves, &ours.halves)),
        ("p50 from enqueued to begun", &ours.halves),
    );
    let p99 = |all: &All| Spread::of(&all.mosts).to_string();
    let note = match celery {
        Ok(_) => format!("p99 {} ms against {}", p99(&ours), p99(&theirs)),
        Err(_) => format!("p99 {} ms", p99(&ours)),
    };
    Ok(vec![
        rates,
        begun.note(format!("at {PACE} tasks/s: {note}")),
    ])
}

fn sbd(plan: Plan) -> anyhow::Result<Done> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    let manifest = folder.path().join("spin.toml");
    std::fs::write(&manifest, worker()?)?;
    let sbd = Sbd::start_app(&folder.path().join("sbd"), &manifest)?;
    enqueue(&sbd, "nothing", &json!(null), 1)?;
    done(&sbd, 1)?;

    let begun = Instant::now();
    for _ in 0..TASKS / BATCH {
        enqueue(&sbd, "nothing", &json!(null), BATCH)?;
    }
    done(&sbd, 1 + TASKS)?;
    let rate = TASKS as f64 / begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let mut timed = 0;
    while begun.elapsed() < plan.duration {
        let now = jiff::Timestamp::now();
        enqueue(&sbd, "timed", &json!(format!("{now:.3}")), 1)?;
        timed += 1;
        let due = Duration::from_secs(1) / PACE * timed;
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    let timed = usize::try_from(timed)?;
    done(&sbd, 1 + TASKS + timed)?;
    let (p50, p99) = delays(&sbd)?;
    Ok(Done { rate, p50, p99 })
}

fn worker() -> anyhow::Result<String> {
    let guests = process::build_folder()?.join("../wasm32-wasip2/guest");
    let guests = guests.canonicalize().context("the guests are not built")?;
    let mut manifest = format!(
        "spin_manifest_version = 2\n[application]\nname = \"tasks\"\n\
         [application.tool.sbd]\nrate_limit = {{ per_second = 1000000, burst = 1000000 }}\n\
         [[trigger.http]]\nroute = \"/worker/...\"\ncomponent = \"worker\"\n\
         [component.worker]\nsource = \"{}/worker.wasm\"\n\
         [component.worker.tool.sbd]\ngrants = [\"documents\", \"tasks\"]\n",
        guests.display()
    );
    for collection in ["runs", "gone", "delays"] {
        manifest += &format!("[component.worker.tool.sbd.collections.{collection}]\n");
    }
    Ok(manifest)
}

fn enqueue(sbd: &Sbd, name: &str, data: &Value, many: usize) -> anyhow::Result<()> {
    let tasks = vec![json!({"name": name, "data": data}); many];
    let enqueue = Shot::post("/worker/enqueue/group", &json!(tasks)).expecting(200);
    load::once(sbd.address, &enqueue)?;
    Ok(())
}

/// Waits until so many are done.
fn done(sbd: &Sbd, many: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    while sbd.metric("sbd_tasks_total", "outcome=\"succeeded\"")? < many as f64 {
        if begun.elapsed() > PATIENCE {
            bail!("{many} tasks are not done");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Half of the timed tasks, and 99 of 100, began within so many milliseconds.
fn delays(sbd: &Sbd) -> anyhow::Result<(f64, f64)> {
    let delays = load::once(sbd.address, &Shot::get("/worker/delays"))?;
    let delays: Vec<Value> = serde_json::from_slice(&delays)?;
    let number = |value: &Value| value.as_u64().context("a delay is no number");
    let delays: BTreeMap<u64, u64> = delays
        .iter()
        .map(|delay| Ok((number(&delay["_id"])?, number(&delay["count"])?)))
        .collect::<anyhow::Result<_>>()?;
    let all: u64 = delays.values().sum();
    let within = |share: u64| {
        let mut counted = 0;
        let delay = delays.iter().find(|(_, count)| {
            counted += **count;
            counted * 100 >= all * share
        });
        delay.map_or(0.0, |(delay, _)| *delay as f64)
    };
    Ok((within(50), within(99)))
}

// === impl All ===

impl All {
    fn add(&mut self, done: Done) {
        self.rates.push(done.rate);
        self.halves.push(done.p50);
        self.mosts.push(done.p99);
    }
}

// === impl Celery ===

impl Celery {
    /// # Errors
    /// What this machine lacks.
    fn find() -> Result<Self, String> {
        let peers = process::build_folder().map(|folder| folder.join("../peers"));
        let peers = peers.map_err(|error| error.to_string())?;
        if let Ok(missing) = std::fs::read_to_string(peers.join("celery.missing")) {
            return Err(format!("there is no Celery here ({})", missing.trim()));
        }
        let folder = peers.join("celery");
        if !folder.join("complete").exists() {
            return Err("Celery was not got; `cargo xtask bench` gets it".to_owned());
        }
        let redis = Command::new(redis_server()).arg("--version").output();
        redis.map_err(|_| {
            "there is no `redis-server` here; install it, or name one by REDIS_SERVER".to_owned()
        })?;
        Ok(Self { folder })
    }

    fn measure(&self, plan: Plan) -> anyhow::Result<Done> {
        let folder = tempfile::tempdir_in(report::folder()?)?;
        std::fs::write(folder.path().join("peer.py"), PEER)?;
        let address = process::free_address()?;
        let _redis = self.redis(address, folder.path())?;
        let mut worker = self.python(address, folder.path());
        // As many as this machine has threads, which is what Celery does by itself.
        worker.args([
            "-m",
            "celery",
            "-A",
            "peer",
            "worker",
            "--loglevel",
            "ERROR",
        ]);
        let _worker = Process::start(worker.stdout(Stdio::null()), folder.path().join("log"))?;
        let mut measure = self.python(address, folder.path());
        let seconds = plan.duration.as_secs_f64().to_string();
        measure.args(["peer.py", &TASKS.to_string(), &PACE.to_string(), &seconds]);
        let measured = measure.stderr(Stdio::inherit()).output()?;
        serde_json::from_slice(&measured.stdout).context("Celery could not be measured")
    }

    fn redis(&self, address: SocketAddr, folder: &Path) -> anyhow::Result<Process> {
        let mut redis = Command::new(redis_server());
        redis.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"]);
        redis
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(folder);
        let redis = Process::start(redis.stdout(Stdio::null()), folder.join("redis.log"))?;
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            if begun.elapsed() > PATIENCE {
                bail!("Redis does not start");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(redis)
    }

    fn python(&self, address: SocketAddr, folder: &Path) -> Command {
        let mut python = Command::new(self.folder.join("bin/python"));
        python
            .current_dir(folder)
            .env("PEER_REDIS", format!("redis://{address}/0"));
        python
    }
}

fn redis_server() -> String {
    std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}
