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

mod events;
mod row;
mod schedules;
mod tasks;

use events::Events;
use jiff::Timestamp;
use sbd_tests::Launch;
use schedules::{Away, Schedules};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;
use tasks::Tasks;

/// Rounds, where nobody says how many.
const ROUNDS: u64 = 5;

/// The server is killed after so long at most.
const LONGEST: u64 = 400;

/// Every so many rounds the server is away for a while, and has time to make up for it.
const ROUNDS_A_REST: u64 = 5;

/// How long it is away then: some ticks.
const REST: Duration = Duration::from_millis(2500);

/// Something goes on within so long, or all has come to rest.
const PATIENCE: Duration = Duration::from_secs(120);

fn random(below: u64) -> u64 {
    RandomState::new().hash_one(0) % below
}

/// An application of all that is soaked.
fn app() -> String {
    let head = "[application.tool.sbd]\nrate_limit = { per_second = 100000, burst = 100000 }\n";
    let apps = [
        include_str!("../apps/listener.toml"),
        include_str!("../apps/worker.toml"),
        include_str!("../apps/ticker.toml"),
    ];
    let components = apps.map(|app| &app[app.find("[[trigger.http]]").unwrap()..]);
    head.to_owned() + &components.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_promised_holds_after_kills_at_random_points() {
    let rounds = std::env::var("SBD_SOAK_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut server = Launch::app(&app()).start().await;
    let mut events = Events::default();
    let mut tasks = Tasks::default();
    let mut schedules = Schedules::default();
    for round in 0..rounds {
        let doomed = async {
            tokio::time::sleep(Duration::from_millis(random(LONGEST))).await;
            let killed = Timestamp::now();
            server.kill_now();
            killed
        };
        let ((), (), killed) = tokio::join!(
            events.load(&server, round),
            tasks.load(&server, round),
            doomed
        );
        let (launch, data) = server.kill();
        let dead = Timestamp::now();
        let rests = round % ROUNDS_A_REST == ROUNDS_A_REST - 1;
        if rests {
            tokio::time::sleep(REST).await;
        }
        let begun = Timestamp::now();
        server = launch.start_in(data).await;
        let away = Away {
            killed,
            dead,
            begun,
            back: Timestamp::now(),
        };
        match rests {
            true => schedules.rested(&server, away).await,
            false => schedules.was(away),
        }
        if round % 10 == 9 {
            println!("{} of {rounds} kills", round + 1);
        }
    }
    let mut rows = vec![events.row(&server).await];
    rows.extend(tasks.rows(&server).await);
    rows.extend(schedules.rows(&server).await);
    row::print(rounds, &rows);
    assert!(rows.iter().all(row::Row::is_kept), "a promise was broken");
}
