//! Tasks: each ends once, as it should; those of a chain begin in their order; and the last one of a chord
//! has the results of all others.

use crate::row::Row;
use crate::{PATIENCE, random};
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use sbd_tests::{Server, json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Who enqueues at once.
const CLIENTS: u64 = 3;

/// What is looked at at once in the end.
const LOOKS: usize = 16;

/// A task that was lost with the host has been tried. It may be so often.
const RETRIES: u32 = 100;

/// What was enqueued.
#[derive(Default)]
pub(crate) struct Tasks {
    batches: Vec<Batch>,
    /// How tasks had ended when they were looked at.
    ended: BTreeMap<String, Value>,
    twice: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Chain,
    Group,
    Chord,
}

/// Tasks that were enqueued together.
#[derive(Clone, Debug)]
struct Batch {
    name: String,
    how: How,
    /// How many of them work; then one gathers their results, but in a group.
    works: usize,
    /// Which one is refused.
    refused: Option<usize>,
    /// Where the answer came.
    ids: Option<Vec<String>>,
    /// Whether the first one was to be canceled, and what the answer was.
    canceled: Option<Option<bool>>,
}

/// What one client has done until the server was gone.
#[derive(Default)]
struct Done {
    batches: Vec<Batch>,
    seen: Vec<(String, Value)>,
}

// === impl Tasks ===

impl Tasks {
    /// Enqueues, and looks at what became of it, until the server is gone.
    pub(crate) async fn load(&mut self, server: &Server, round: u64) {
        let clients = (0..CLIENTS).map(|client| Done::until_gone(server, round, client));
        for done in join_all(clients).await {
            self.batches.extend(done.batches);
            for (id, task) in done.seen {
                self.see(id, task);
            }
        }
    }

    /// A task that has ended stays as it is.
    fn see(&mut self, id: String, task: Value) {
        if is_over(&task) {
            let before = self.ended.entry(id).or_insert_with(|| task.clone());
            self.twice += usize::from(*before != task);
        }
    }

    /// Looks at all of them once they have come to rest.
    pub(crate) async fn rows(&mut self, server: &Server) -> [Row; 2] {
        self.settle(server).await;
        let mut tasks = Row {
            promise: "tasks end once, as they should, in their order",
            twice: self.twice,
            ..Row::default()
        };
        let mut chords = Row {
            promise: "a chord's last one succeeds once, with all results",
            ..Row::default()
        };
        let (mut runs, mut begun) = (0, 0);
        for batch in &self.batches {
            let ran = batch.runs(server).await;
            runs += ran.len();
            begun += (0..batch.len()).filter(|place| ran.contains(place)).count();
            let Some(ids) = &batch.ids else {
                // All of it was enqueued, or nothing.
                tasks.uncertain += batch.len();
                chords.uncertain += usize::from(batch.how == How::Chord);
                let is_whole = ran.is_empty() || batch.has_begun(&ran);
                tasks.lost += if is_whole { 0 } else { batch.len() };
                continue;
            };
            tasks.committed += ids.len();
            tasks.out_of_order += batch.out_of_order(&ran);
            for (place, id) in ids.iter().enumerate() {
                let is_right = self
                    .ended
                    .get(id)
                    .is_some_and(|task| batch.is_right(place, task));
                tasks.lost += usize::from(!is_right);
                if !is_right {
                    println!("{batch:?}: {place} is {:?}", self.ended.get(id));
                }
                if batch.how == How::Chord && place == batch.works {
                    chords.committed += 1;
                    chords.lost += usize::from(!is_right);
                }
            }
        }
        tasks.note = format!("begun {runs} times, {} of them again", runs - begun);
        [tasks, chords]
    }

    /// Waits until all have ended, or none ends any more.
    async fn settle(&mut self, server: &Server) {
        let batches = self.batches.clone();
        let ids = batches.iter().filter_map(|batch| batch.ids.as_ref());
        let mut open: Vec<String> = ids.flatten().cloned().collect();
        let mut moved = Instant::now();
        let mut is_first = true;
        while !open.is_empty() && moved.elapsed() < PATIENCE {
            let looks = open.iter().map(|id| look(server, id));
            let seen: Vec<_> = stream::iter(looks).buffered(LOOKS).collect().await;
            let before = open.len();
            let seen = open.drain(..).zip(seen).collect::<Vec<_>>();
            for (id, task) in seen {
                let task = task.expect("a server that is there");
                if !is_over(&task) {
                    open.push(id.clone());
                }
                self.see(id, task);
            }
            if open.len() < before || is_first {
                moved = Instant::now();
            }
            is_first = false;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Those of which nothing is known but what has begun.
        for batch in batches.iter().filter(|batch| batch.ids.is_none()) {
            let begun = Instant::now();
            loop {
                let ran = batch.runs(server).await;
                if ran.is_empty() || batch.has_begun(&ran) || begun.elapsed() > PATIENCE {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

// === impl Done ===

impl Done {
    async fn until_gone(server: &Server, round: u64, client: u64) -> Self {
        let mut done = Self::default();
        for number in 0.. {
            let mut batch = Batch::new(format!("b{round}_{client}_{number}"));
            batch.ids = batch.enqueue(server).await;
            done.batches.push(batch);
            if done.go_on(server).await.is_none() {
                break;
            }
        }
        done
    }

    /// Cancels one of the last batch, and looks at the one before; `None`: the server is gone.
    async fn go_on(&mut self, server: &Server) -> Option<()> {
        let (last, before) = self.batches.split_last_mut()?;
        let first = last.ids.as_ref()?.first()?;
        if last.how == How::Group && random(4) == 0 {
            let address = server.at(&format!("/worker/tasks/{first}"));
            last.canceled = Some(None);
            let canceled = server.client.delete(address).send().await.ok()?;
            last.canceled = Some(Some(canceled.json().await.ok()?));
        }
        let before = before.last().and_then(|batch| batch.ids.as_ref());
        for id in before.into_iter().flatten() {
            let task = look(server, id).await?;
            self.seen.push((id.clone(), task));
        }
        Some(())
    }
}

// === impl Batch ===

impl Batch {
    fn new(name: String) -> Self {
        let how = [How::Chain, How::Group, How::Chord][usize::try_from(random(3)).unwrap()];
        let works = 2 + usize::try_from(random(4)).unwrap();
        let refused = (random(6) == 0).then(|| usize::try_from(random(works as u64)).unwrap());
        Self {
            name,
            how,
            works,
            refused,
            ids: None,
            canceled: None,
        }
    }

    /// How many there are, with the one that gathers.
    fn len(&self) -> usize {
        self.works + usize::from(self.how != How::Group)
    }

    fn data(&self, place: usize) -> Value {
        json!({"batch": self.name, "place": place, "refuse": self.refused == Some(place)})
    }

    /// The ids; `None`: the server is gone, and nobody knows.
    async fn enqueue(&self, server: &Server) -> Option<Vec<String>> {
        let tasks = (0..self.len()).map(|place| {
            let name = if place < self.works { "work" } else { "gather" };
            let mut data = self.data(place);
            // Some fail at first.
            data["fail"] = json!(u64::from(random(20) == 0));
            json!({"name": name, "data": data, "retries": RETRIES})
        });
        let tasks: Value = tasks.collect();
        let how = match self.how {
            How::Chain => "chain",
            How::Group => "group",
            How::Chord => "chord",
        };
        let address = server.at(&format!("/worker/enqueue/{how}"));
        let answer = server.client.post(address).json(&tasks).send().await.ok()?;
        assert_eq!(answer.status(), 200);
        answer.json().await.ok()
    }

    /// Which of it were begun, in the order in which they were, as often as they were.
    async fn runs(&self, server: &Server) -> Vec<usize> {
        let path = format!("/worker/runs?batch={}", self.name);
        let runs = json(server.get(&path).await, 200).await;
        let runs = runs.as_array().unwrap().iter();
        runs.map(|run| usize::try_from(run["data"]["place"].as_u64().unwrap()).unwrap())
            .collect()
    }

    /// The first that ends otherwise than by success, where those after it end with it.
    fn broken(&self) -> Option<usize> {
        self.refused.filter(|_| self.how != How::Group)
    }

    /// Whether all have begun that should.
    fn has_begun(&self, runs: &[usize]) -> bool {
        let should = match (self.how, self.broken()) {
            (How::Chain, Some(broken)) => broken + 1,
            (How::Chord, Some(_)) => self.works,
            _ => self.len(),
        };
        (0..should).all(|place| runs.contains(&place))
    }

    /// How many were begun before one that they come after.
    fn out_of_order(&self, runs: &[usize]) -> usize {
        let first = |place: usize| runs.iter().position(|begun| *begun == place);
        let is_early = |place: usize| {
            let before = match self.how {
                How::Group => 0..0,
                How::Chord if place < self.works => 0..0,
                How::Chain | How::Chord => 0..place,
            };
            let is_late = |before, begun| first(before).is_none_or(|before| before > begun);
            first(place).is_some_and(|begun| before.into_iter().any(|one| is_late(one, begun)))
        };
        (0..self.len()).filter(|place| is_early(*place)).count()
    }

    /// Whether a task of it has ended as it should.
    fn is_right(&self, place: usize, task: &Value) -> bool {
        if place == 0 {
            match self.canceled {
                Some(Some(true)) => return task["state"] == "canceled",
                Some(None) if task["state"] == "canceled" => return true,
                _ => {}
            }
        }
        let is_behind = match (self.how, self.broken()) {
            (How::Chain, Some(broken)) => place > broken,
            (How::Chord, Some(_)) => place == self.works,
            _ => false,
        };
        if self.refused == Some(place) || is_behind {
            return task["state"] == "failed";
        }
        let result = match (self.how, place == self.works) {
            (_, false) => self.data(place),
            (How::Chord, true) => (0..self.works).map(|place| self.data(place)).collect(),
            (_, true) => json!([self.data(place - 1)]),
        };
        task["state"] == "succeeded" && without_fail(&task["result"]) == result
    }
}

/// A result, without how often it was to fail.
fn without_fail(result: &Value) -> Value {
    let mut result = result.clone();
    match &mut result {
        Value::Array(all) => all.iter_mut().for_each(|one| *one = without_fail(one)),
        Value::Object(fields) => _ = fields.remove("fail"),
        _ => {}
    }
    result
}

fn is_over(task: &Value) -> bool {
    ["succeeded", "failed", "canceled"].map(|over| task["state"] == over) != [false; 3]
}

/// A task; `None`: the server is gone.
async fn look(server: &Server, id: &str) -> Option<Value> {
    let address = server.at(&format!("/worker/tasks/{id}"));
    let answer = server.client.get(address).send().await.ok()?;
    assert_eq!(answer.status(), 200, "{id} is not known any more");
    answer.json().await.ok()
}
