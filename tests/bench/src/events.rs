//! What events cost: publishing in the transaction of a change against the change alone; and how many
//! come how soon, with one component that listens and with ten.

use crate::load::{self, Shot};
use crate::report::{self, Figure, Goal, Spread};
use crate::sbd::Sbd;
use crate::{Plan, process};
use anyhow::{Context as _, bail};
use sbd_documents::{Backend as _, CollectionDeclaration, Event, Operation, SqliteDocuments};
use sbd_storage::{Database, Options};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinSet;

const WRITERS: usize = 16;

const COMPONENT: &str = "bench";
const COLLECTION: &str = "families";

/// As long as a family; the `_id` is made by the capability.
const DOCUMENT: &str = r#"{"name":"The Lovelaces","description":"of London","created_by":"usr_019a2f3c8b7e7c2d9f00112233445566","member_count":1,"version":1}"#;

/// Events of one delivery that is timed, in batches over so many subjects.
const EVENTS: usize = 3000;
const BATCH: usize = 100;
const SUBJECTS: usize = 64;

/// Events a second while it is timed how soon each comes, so many at once.
const PACE: usize = 1000;
const AT_ONCE: usize = 10;

/// All have come after so long, or they never do.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server with one component that publishes, and some that listen.
struct Listening {
    sbd: Sbd,
    listeners: usize,
    _folder: TempDir,
}

/// Two figures.
pub(crate) fn run(plan: Plan) -> anyhow::Result<Vec<Figure>> {
    Ok(vec![publishing(plan)?, delivering(plan)?])
}

// === Publishing ===

fn publishing(plan: Plan) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir_in(report::folder()?)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let silent = open(&folder.path().join("silent.db")).await?;
        let telling = open(&folder.path().join("telling.db")).await?;
        let (mut alone, mut told) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            alone.push(change(&silent, false, plan.duration).await?);
            told.push(change(&telling, true, plan.duration).await?);
        }
        let figure = Figure::new(
            "events-publish",
            "changes/s",
            ("a change of two documents", &alone),
            ("the same that publishes an event", &told),
        );
        Ok(figure.goal(Goal::RatioAtLeast(0.8)))
    })
}

async fn open(path: &Path) -> anyhow::Result<Arc<SqliteDocuments>> {
    let documents = SqliteDocuments::new(Database::open(path, &Options::default())?);
    let declared = CollectionDeclaration {
        name: COLLECTION.to_owned(),
        indexes: Vec::new(),
    };
    documents.configure(COMPONENT, &[declared]).await?;
    Ok(Arc::new(documents))
}

/// Changes a second, by writers that each wait for their last change to be durable.
async fn change(
    documents: &Arc<SqliteDocuments>,
    tells: bool,
    duration: Duration,
) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..WRITERS {
        let documents = Arc::clone(documents);
        running.spawn(async move {
            let component: Arc<str> = COMPONENT.into();
            let insert = Operation::Insert {
                collection: COLLECTION.to_owned(),
                document: DOCUMENT.to_owned(),
            };
            let publish = Operation::Publish(Event {
                kind: "family.created".to_owned(),
                subject: Some("fam_019a2f3c8b7e7c2d9f00112233445566".to_owned()),
                data: r#"{"family_id":"fam_019a2f3c8b7e7c2d9f00112233445566"}"#.to_owned(),
                ..Event::default()
            });
            let mut steps = vec![insert.clone(), insert];
            steps.extend(tells.then_some(publish));
            let mut changes = 0_u32;
            while begun.elapsed() < duration {
                documents.transact(&component, steps.clone()).await?;
                changes += 1;
            }
            anyhow::Ok(changes)
        });
    }
    let mut changes = 0.0;
    while let Some(writer) = running.join_next().await {
        changes += f64::from(writer??);
    }
    Ok(changes / begun.elapsed().as_secs_f64())
}

// === Delivering ===

fn delivering(plan: Plan) -> anyhow::Result<Figure> {
    let (mut one, mut ten) = (Vec::new(), Vec::new());
    let (mut half, mut most) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        one.push(Listening::start(1)?.flood()?);
        ten.push(Listening::start(10)?.flood()?);
        let (p50, p99) = Listening::start(1)?.paced(plan.duration)?;
        half.push(p50);
        most.push(p99);
    }
    let figure = Figure::new(
        "events-deliver",
        "events/s",
        ("one component listens", &one),
        ("ten listen", &ten),
    );
    let (p50, p99) = (Spread::of(&half), Spread::of(&most));
    Ok(figure.note(format!(
        "at {PACE} events/s to one, published to taken: p50 {p50} ms, p99 {p99} ms"
    )))
}

/// The request that publishes some events.
fn publish(first: usize, many: usize) -> Shot {
    let events: Value = (first..first + many)
        .map(|number| {
            let subject = format!("s{}", number % SUBJECTS);
            json!({"type": "thing.happened", "subject": subject, "data": {"number": number}})
        })
        .collect();
    Shot::post("/herald/announce", &events).expecting(200)
}

// === impl Listening ===

impl Listening {
    fn start(listeners: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(report::folder()?)?;
        let guests = process::build_folder()?.join("../wasm32-wasip2/guest");
        let guests = guests.canonicalize().context("the guests are not built")?;
        let guests = guests.to_str().context("the folder's name is not UTF-8")?;
        let mut manifest = format!(
            "spin_manifest_version = 2\n[application]\nname = \"events\"\n\
             [application.tool.sbd]\nrate_limit = {{ per_second = 1000000, burst = 1000000 }}\n\
             [[trigger.http]]\nroute = \"/herald/...\"\ncomponent = \"herald\"\n\
             [component.herald]\nsource = \"{guests}/herald.wasm\"\n\
             [component.herald.tool.sbd]\ngrants = [\"events\"]\n"
        );
        for number in 0..listeners {
            let name = format!("listener{number}");
            write!(
                manifest,
                "[[trigger.http]]\nroute = \"/{name}/...\"\ncomponent = \"{name}\"\n\
                 [component.{name}]\nsource = \"{guests}/listener.wasm\"\n\
                 [component.{name}.tool.sbd]\ngrants = [\"documents\"]\n\
                 listens_to = [\"herald\"]\n"
            )?;
            for collection in ["seen", "failed", "handled"] {
                let table = format!("component.{name}.tool.sbd.collections.{collection}");
                writeln!(manifest, "[{table}]")?;
            }
        }
        let path = folder.path().join("spin.toml");
        std::fs::write(&path, manifest)?;
        let sbd = Sbd::start_app(&folder.path().join("sbd"), &path)?;
        let listening = Self {
            sbd,
            listeners,
            _folder: folder,
        };
        // Instances exist, and everybody has begun to listen.
        load::once(listening.sbd.address, &publish(0, AT_ONCE))?;
        listening.heard(AT_ONCE)?;
        Ok(listening)
    }

    /// Events a second from the first that is published to the last that the last has taken.
    fn flood(self) -> anyhow::Result<f64> {
        let begun = Instant::now();
        for first in (0..EVENTS).step_by(BATCH) {
            load::once(self.sbd.address, &publish(first, BATCH))?;
        }
        self.heard(AT_ONCE + EVENTS)?;
        Ok(EVENTS as f64 / begun.elapsed().as_secs_f64())
    }

    /// Publishes at a pace; half of the events, and 99 of 100, come within so many milliseconds.
    fn paced(self, duration: Duration) -> anyhow::Result<(f64, f64)> {
        let between = Duration::from_secs_f64(AT_ONCE as f64 / PACE as f64);
        let before = self.delays(0)?;
        let begun = Instant::now();
        let mut published = AT_ONCE;
        while begun.elapsed() < duration {
            load::once(self.sbd.address, &publish(published, AT_ONCE))?;
            let due = between * u32::try_from(published / AT_ONCE)?;
            published += AT_ONCE;
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        self.heard(published)?;
        let mut delays = self.delays(0)?;
        for (delay, count) in before {
            *delays.entry(delay).or_default() -= count;
        }
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

    /// Waits until every listener has taken so many events.
    fn heard(&self, events: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        for listener in 0..self.listeners {
            while self.delays(listener)?.values().sum::<u64>() < u64::try_from(events)? {
                if begun.elapsed() > PATIENCE {
                    bail!("listener{listener} has not taken {events} events");
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// How many events a listener has taken after how many milliseconds.
    fn delays(&self, listener: usize) -> anyhow::Result<BTreeMap<u64, u64>> {
        let path = format!("/listener{listener}/delays");
        let delays = load::once(self.sbd.address, &Shot::get(path))?;
        let delays: Vec<Value> = serde_json::from_slice(&delays)?;
        let number = |value: &Value| value.as_u64().context("a delay is no number");
        let delays = delays
            .iter()
            .map(|delay| Ok((number(&delay["_id"])?, number(&delay["count"])?)));
        delays.collect()
    }
}
