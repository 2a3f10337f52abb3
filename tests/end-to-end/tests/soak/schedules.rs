//! Schedules of every second: no time comes twice, and none is lost but what is left out where the host was
//! away, by what becomes of missed times.

use crate::PATIENCE;
use crate::row::Row;
use jiff::Timestamp;
use sbd_tests::{Server, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The schedules, by what becomes of their missed times.
const MISSED: [(&str, &str); 3] = [
    ("all", "every second comes once, and all are made up for"),
    ("once", "every second comes once, those missed by one"),
    ("skip", "every second comes once, those missed not at all"),
];

/// As many ticks as one answer has.
const PAGE: usize = 1000;

/// A time in which the host was not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away {
    /// Just before it was killed.
    pub(crate) killed: Timestamp,
    /// From then to `begun` there certainly was no host.
    pub(crate) dead: Timestamp,
    pub(crate) begun: Timestamp,
    /// When it was ready again.
    pub(crate) back: Timestamp,
}

/// When the host was away.
#[derive(Default)]
pub(crate) struct Schedules {
    away: Vec<Away>,
    /// Those after which it had time to make up for what was missed.
    rested: Vec<Away>,
}

// === impl Schedules ===

impl Schedules {
    pub(crate) fn was(&mut self, away: Away) {
        self.away.push(away);
    }

    /// Waits until the host has seen to all schedules.
    pub(crate) async fn rested(&mut self, server: &Server, away: Away) {
        let begun = Instant::now();
        for (of, _) in MISSED {
            while ticks(server, of, away.back).await.is_empty() {
                assert!(begun.elapsed() < PATIENCE, "`{of}` does not come again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        self.away.push(away);
        self.rested.push(away);
    }

    /// Looks at all of them once everything has come to rest: the last ticks come side by side.
    pub(crate) async fn rows(&self, server: &Server) -> Vec<Row> {
        let mut rows = Vec::new();
        for (of, promise) in MISSED {
            let begun = Instant::now();
            loop {
                let row = self.row(server, of, promise).await;
                if row.is_kept() || begun.elapsed() > PATIENCE {
                    rows.push(row);
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        rows
    }

    async fn row(&self, server: &Server, of: &str, promise: &'static str) -> Row {
        let ticks = all_ticks(server, of).await;
        let times: BTreeSet<i64> = ticks.iter().copied().collect();
        let mut row = Row {
            promise,
            committed: times.len(),
            twice: ticks.len() - times.len(),
            ..Row::default()
        };
        let mut left_out = 0;
        for (a, b) in times.iter().zip(times.iter().skip(1)) {
            let missing = usize::try_from(b - a - 1).unwrap();
            match of != "all" && self.away.iter().any(|away| away.is_between(*a, *b)) {
                true => left_out += missing,
                false => row.lost += missing,
            }
        }
        for away in &self.away {
            let made_up = times.range(away.nobody()).count();
            match of {
                "skip" => row.twice += made_up,
                "once" => row.twice += made_up.saturating_sub(1),
                _ => {}
            }
        }
        for away in &self.rested {
            let missed = away.nobody().count();
            let made_up = times.range(away.nobody().start..=away.back.as_second());
            if of == "once" && missed > 0 && made_up.count() == 0 {
                row.lost += 1;
            }
        }
        row.note = format!("{left_out} left out while the host was away");
        row
    }
}

// === impl Away ===

impl Away {
    /// The seconds that began while there was no host.
    fn nobody(&self) -> std::ops::Range<i64> {
        self.dead.as_second() + 1..self.begun.as_second() + 1
    }

    /// Whether the host was away after a time had come and before another one came. That which makes up for
    /// others can be the last one before the kill.
    fn is_between(&self, a: i64, b: i64) -> bool {
        self.back.as_second() >= a && self.killed.as_second() <= b
    }
}

/// The times that a schedule was called for, in seconds, a page of them.
async fn ticks(server: &Server, of: &str, since: Timestamp) -> Vec<i64> {
    let path = format!("/ticker/ticks/{of}?since={since:.3}");
    let ticks = json(server.get(&path).await, 200).await;
    let ticks = ticks.as_array().unwrap().iter();
    let due = ticks.map(|tick| tick["due"].as_str().unwrap().parse::<Timestamp>());
    due.map(|due| due.unwrap().as_second()).collect()
}

/// All of them, in their order.
async fn all_ticks(server: &Server, of: &str) -> Vec<i64> {
    let mut all = Vec::new();
    let mut since = Timestamp::UNIX_EPOCH;
    loop {
        let page = ticks(server, of, since).await;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return all;
        }
        // What has the last one's time is on the next page again.
        let last = *all.last().unwrap();
        all.retain(|time| *time < last);
        since = Timestamp::from_second(last).unwrap();
    }
}
