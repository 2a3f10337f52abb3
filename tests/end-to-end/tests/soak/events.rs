//! Events: every one that was committed has its effect at every listener, once, in the order of its
//! subject.

use crate::row::Row;
use crate::{PATIENCE, random};
use futures::future::join_all;
use sbd_tests::{Server, json};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Who publishes at once, each about a subject of its own.
const PUBLISHERS: usize = 8;

/// The subjects are others after so many rounds, so that none has more events than can be listed.
const ROUNDS_A_SUBJECT: u64 = 5;

/// The components that listen.
const LISTENERS: [&str; 2] = ["subscriber", "publisher"];

/// What was published.
#[derive(Default)]
pub(crate) struct Events {
    subjects: BTreeMap<String, Subject>,
}

/// What was published about a subject.
#[derive(Clone, Debug, Default)]
struct Subject {
    next: u64,
    committed: BTreeSet<u64>,
    uncertain: BTreeSet<u64>,
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
    pub(crate) async fn load(&mut self, server: &Server, round: u64) {
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
    pub(crate) async fn row(&self, server: &Server) -> Row {
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
    let begun = Instant::now();
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
