//! Any tasks in any order, beside a model of them: each ends once, and those behind as they should.

use crate::suite::{at, new};
use sbd_tasks::{Backend, Claimed, Finish, NewTask, State};
use std::collections::HashMap;

/// Courses that are tried.
pub(crate) const SEEDS: u64 = 40;
const TASKS: usize = 30;

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
}

pub(crate) async fn whatever_the_order(backend: impl Backend, seed: u64) {
    let mut dice = Dice(seed);
    let mut tasks = Vec::new();
    for place in 0..TASKS {
        let firsts = if place == 0 { 0 } else { dice.roll(4) };
        tasks.push(NewTask {
            after: (0..firsts).map(|_| dice.roll(place)).collect(),
            priority: u8::try_from(dice.roll(10)).unwrap(),
            retries: u32::try_from(dice.roll(3)).unwrap(),
            deadline: (dice.roll(6) == 0).then(|| at(i64::try_from(dice.roll(200)).unwrap())),
            ..new(&place.to_string())
        });
    }
    let after: Vec<Vec<usize>> = tasks.iter().map(|task| task.after.clone()).collect();
    let ids = backend.enqueue(tasks, at(0)).await.unwrap();
    let place_of: HashMap<&String, usize> = ids.iter().zip(0..).collect();
    let mut ended: HashMap<usize, State> = HashMap::new();
    let mut at_work: Vec<Claimed> = Vec::new();
    let mut changes = backend.changes();
    let mut heard: HashMap<String, u32> = HashMap::new();
    let mut now = 0;
    while ended.len() < TASKS {
        now += 1;
        assert!(now < 100_000, "seed {seed}: it does not come to an end");
        match dice.roll(12) {
            0..=3 => {
                if let Some(claimed) = crate::suite::claim(&backend, now).await {
                    let place = place_of[&claimed.task.id];
                    let firsts = after[place].iter();
                    let results: Vec<String> = firsts.map(usize::to_string).collect();
                    assert_eq!(claimed.results, results, "seed {seed}");
                    for first in &after[place] {
                        assert_eq!(ended.get(first), Some(&State::Succeeded), "seed {seed}");
                    }
                    at_work.push(claimed);
                }
            }
            4..=8 if !at_work.is_empty() => {
                let claimed = at_work.swap_remove(dice.roll(at_work.len()));
                let place = place_of[&claimed.task.id];
                let finish = match dice.roll(8) {
                    0 => Finish::Failed {
                        reason: "no".to_owned(),
                    },
                    1 => Finish::Again {
                        at: at(now + 3),
                        reason: "later".to_owned(),
                    },
                    2 => Finish::NotBegun { at: at(now + 2) },
                    _ => Finish::Succeeded {
                        result: place.to_string(),
                    },
                };
                let attempt = claimed.task.attempts;
                let finished = backend.finish(&claimed.task.id, attempt, finish, at(now));
                if finished.await.unwrap().is_some() {
                    assert!(
                        !ended.contains_key(&place),
                        "seed {seed}: {place} ended twice"
                    );
                }
                // Whoever says so once more is late.
                let late = Finish::Succeeded {
                    result: "late".to_owned(),
                };
                let late = backend
                    .finish(&claimed.task.id, attempt, late, at(now))
                    .await;
                assert_eq!(late.unwrap(), None, "seed {seed}");
            }
            9 => {
                let place = dice.roll(TASKS);
                if dice.roll(8) == 0 {
                    let canceled = backend.cancel(&ids[place], at(now)).await.unwrap();
                    assert_eq!(canceled, !ended.contains_key(&place), "seed {seed}");
                }
            }
            10 => while backend.tend(at(now)).await.unwrap() {},
            _ => {
                if let Some(claimed) = at_work.last() {
                    let attempt = claimed.task.attempts;
                    let renewed = backend.renew(&claimed.task.id, attempt, at(now + 30)).await;
                    renewed.unwrap();
                }
            }
        }
        while let Ok(change) = changes.try_recv() {
            if change.is_ended {
                *heard.entry(change.id.to_string()).or_default() += 1;
            }
        }
        for (place, id) in ids.iter().enumerate() {
            let Some(task) = backend.get(id).await.unwrap() else {
                // It was forgotten; what it was is known.
                assert!(ended.contains_key(&place), "seed {seed}");
                continue;
            };
            if let Some(known) = ended.get(&place) {
                assert_eq!(
                    task.state, *known,
                    "seed {seed}: {place} changed after its end"
                );
            } else if task.state.is_ended() {
                ended.insert(place, task.state);
            }
        }
        follows(&ended, &after, seed);
    }
    for id in &ids {
        assert_eq!(
            heard.get(id),
            Some(&1),
            "seed {seed}: each end is told once"
        );
    }
}

/// Whoever comes after one that did not succeed has ended with it.
fn follows(ended: &HashMap<usize, State>, after: &[Vec<usize>], seed: u64) {
    for (place, firsts) in after.iter().enumerate() {
        for first in firsts {
            match ended.get(first) {
                Some(State::Failed | State::Canceled) => {
                    let state = ended.get(&place);
                    assert!(
                        matches!(state, Some(State::Failed | State::Canceled)),
                        "seed {seed}: {place} goes on after {first}"
                    );
                }
                Some(_) => {}
                None => assert_ne!(ended.get(&place), Some(&State::Succeeded), "seed {seed}"),
            }
        }
    }
}
