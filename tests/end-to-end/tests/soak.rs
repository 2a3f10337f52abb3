//! `kill -9` at random points under load, again and again, and what holds all the same. A few times as a
//! test; as often as `SBD_SOAK_ROUNDS` says by `cargo xtask soak`, which shows the table.
//!
//! What is soaked has a load, which goes on until the server is gone, and a row of the table, made at the
//! end when everything has come to rest. Whoever adds another kind of work adds a load and a row.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use sbd_tests::{Launch, Server, json};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Rounds, where nobody says how many.
const ROUNDS: u64 = 5;

/// Who publishes at once, each about a subject of its own.
const PUBLISHERS: usize = 8;

/// The server is killed after so long at most.
const LONGEST: u64 = 400;

/// The subjects are others after so many rounds, so that none has more events than can be listed.
const ROUNDS_A_SUBJECT: u64 = 5;

/// Everything has come to rest after so long, or it never does.
const PATIENCE: Duration = Duration::from_secs(120);

/// The components that listen.
const LISTENERS: [&str; 2] = ["subscriber", "publisher"];

/// What a load came to, for one row of the table.
#[derive(Debug, Default)]
struct Row {
    promise: &'static str,
    /// Answered as done.
    committed: usize,
    /// Not answered: done or not.
    uncertain: usize,
    /// Committed, and without its effect.
    lost: usize,
    /// With its effect more than once.
    twice: usize,
    /// With its effect before that of one before it.
    out_of_order: usize,
}

/// Events: every one that was committed has its effect at every listener, once, in the order of its
/// subject.
#[derive(Default)]
struct Events {
    subjects: BTreeMap<String, Subject>,
}

/// What was published about a subject.
#[derive(Clone, Debug, Default)]
struct Subject {
    next: u64,
    committed: BTreeSet<u64>,
    uncertain: BTreeSet<u64>,
}

fn random(below: u64) -> u64 {
    RandomState::new().hash_one(0) % below
}

// === impl Row ===

impl Row {
    fn is_kept(&self) -> bool {
        (self.lost, self.twice, self.out_of_order) == (0, 0, 0)
    }
}

fn print(rounds: u64, rows: &[Row]) {
    println!(
        "{:<52} {:>7} {:>10} {:>10} {:>6} {:>6} {:>13}",
        format!("after {rounds} kills"),
        "kept",
        "committed",
        "uncertain",
        "lost",
        "twice",
        "out of order"
    );
    for row in rows {
        println!(
            "{:<52} {:>7} {:>10} {:>10} {:>6} {:>6} {:>13}",
            row.promise,
            if row.is_kept() { "yes" } else { "NO" },
            row.committed,
            row.uncertain,
            row.lost,
            row.twice,
            row.out_of_order
        );
    }
}

// === impl Subject ===

impl Subject {
    /// Publishes about it until the server is gone.
    async fn publish(mut self, server: &Server, name: &str) -> Self {
        loop {
            let numbers: Vec<u64> = (0..=random(3)).map(|n| self.next + n).collect();
            self.next += numbers.len() as u64;
            let events = numbers.iter().map(|number| {
                // Some fail at first, so that the others of their subject wait for them.
                let fail = u64::from(random(50) == 0);
                let data = json!({"number": number, "fail": fail});
                json!({"type": "thing.happened", "subject": name, "data": data})
            });
            let events: Value = events.collect();
            let publish = server.client.post(server.at("/publisher/publish"));
            match publish.json(&events).send().await {
                Ok(answer) => {
                    assert_eq!(answer.status(), 204);
                    self.committed.extend(numbers);
                }
                Err(_) => {
                    self.uncertain.extend(numbers);
                    return self;
                }
            }
        }
    }
}

// === impl Events ===

impl Events {
    /// Publishes until the server is gone.
    async fn load(&mut self, server: &Server, round: u64) {
        let names = (0..PUBLISHERS).map(|n| format!("s{}_{n}", round / ROUNDS_A_SUBJECT));
        let publishing = names.map(|name| async {
            let subject = self.subjects.get(&name).cloned().unwrap_or_default();
            let subject = subject.publish(server, &name).await;
            (name, subject)
        });
        let published = join_all(publishing).await;
        self.subjects.extend(published);
    }

    /// Looks at all subjects once everything has come to rest.
    async fn row(&self, server: &Server) -> Row {
        let mut row = Row {
            promise: "events take effect at every listener, once, in order",
            ..Row::default()
        };
        for (name, subject) in &self.subjects {
            row.committed += subject.committed.len();
            row.uncertain += subject.uncertain.len();
            for listener in LISTENERS {
                let heard = settled(server, listener, name, &subject.committed).await;
                let distinct: BTreeSet<u64> = heard.iter().copied().collect();
                let known = |number| {
                    subject.committed.contains(number) || subject.uncertain.contains(number)
                };
                assert!(distinct.iter().all(known), "{name}: {distinct:?}");
                row.lost += subject.committed.difference(&distinct).count();
                row.twice += heard.len() - distinct.len();
                row.out_of_order += heard.windows(2).filter(|pair| pair[0] > pair[1]).count();
            }
        }
        row
    }
}

/// What a listener has heard about a subject, in the order in which it came, when all that was committed
/// has come or patience is at its end.
async fn settled(
    server: &Server,
    listener: &str,
    subject: &str,
    committed: &BTreeSet<u64>,
) -> Vec<u64> {
    let begun = std::time::Instant::now();
    loop {
        let path = format!("/{listener}/seen?subject={subject}");
        let seen = json(server.get(&path).await, 200).await;
        let seen = seen.as_array().unwrap().iter();
        let numbers: Vec<u64> = seen
            .map(|event| event["data"]["number"].as_u64().unwrap())
            .collect();
        let is_all = committed.iter().all(|number| numbers.contains(number));
        if is_all || begun.elapsed() > PATIENCE {
            return numbers;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_promised_holds_after_kills_at_random_points() {
    let rounds = std::env::var("SBD_SOAK_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let app = include_str!("apps/listener.toml");
    let mut server = Launch::app(app).start().await;
    let mut events = Events::default();
    for round in 0..rounds {
        let doomed = async {
            tokio::time::sleep(Duration::from_millis(random(LONGEST))).await;
            server.kill_now();
        };
        tokio::join!(events.load(&server, round), doomed);
        server = server.restart().await;
        if round % 10 == 9 {
            println!("{} of {rounds} kills", round + 1);
        }
    }
    let rows = [events.row(&server).await];
    print(rounds, &rows);
    assert!(rows.iter().all(Row::is_kept), "a promise was broken");
}
