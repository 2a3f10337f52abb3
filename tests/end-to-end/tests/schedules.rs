//! Schedules are kept: each time comes once, in every tenant, whatever happens between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Client;
use sbd_tests::{Launch, Server, assert_error};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// One that declares schedules of every second, `skip`, `once` and `all` by what becomes of missed times,
/// and sets others.
const APP: &str = include_str!("apps/ticker.toml");

async fn start() -> Server {
    Launch::app(APP).start().await
}

/// What the component was called for.
async fn kept(server: &Server, client: &Client, of: &str) -> Vec<Value> {
    let address = server.at(&format!("/ticker/ticks/{of}"));
    let answer = client.get(address).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// The times of a schedule's ticks, in seconds of a day, in their order.
async fn dues(server: &Server, of: &str) -> Vec<u64> {
    dues_in(server, &Client::new(), of).await
}

async fn dues_in(server: &Server, client: &Client, of: &str) -> Vec<u64> {
    let kept = kept(server, client, of).await;
    let mut dues: Vec<_> = kept.iter().map(|tick| seconds(&tick["due"])).collect();
    dues.sort_unstable();
    dues
}

/// Seconds of a day in `2026-11-30T03:00:15.000Z`, and the day, so that midnight is no gap.
fn seconds(due: &Value) -> u64 {
    let due = due.as_str().unwrap();
    let number = |range: std::ops::Range<usize>| due.get(range).unwrap().parse::<u64>().unwrap();
    assert!(due.ends_with(".000Z"), "{due}");
    ((number(8..10) * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19)
}

/// Waits until there are so many ticks more than there are now.
async fn ticks(server: &Server, of: &str, more: usize) -> Vec<u64> {
    let before = dues(server, of).await.len();
    for _ in 0..600 {
        let dues = dues(server, of).await;
        if dues.len() >= before + more {
            return dues;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("`{of}` has not come {more} times");
}

/// Where a time follows another one by more than a second; no time is there twice.
fn gaps(dues: &[u64]) -> Vec<(u64, u64)> {
    let pairs = dues.windows(2).map(|pair| (pair[0], pair[1]));
    assert!(pairs.clone().all(|(a, b)| a < b), "{dues:?}");
    pairs.filter(|(a, b)| b - a > 1).collect()
}

async fn set(server: &Server, client: &Client, name: &str, wanted: &Value) -> reqwest::Response {
    let address = server.at(&format!("/ticker/schedules/{name}"));
    client.put(address).json(wanted).send().await.unwrap()
}

/// So many seconds from now, RFC 3339.
fn in_seconds(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let at = now.unwrap().as_secs() + seconds;
    jiff::Timestamp::from_second(i64::try_from(at).unwrap())
        .unwrap()
        .to_string()
}

#[tokio::test]
async fn what_is_declared_comes_again_and_again_each_time_once() {
    let server = start().await;
    for of in ["skip", "once", "all"] {
        let dues = ticks(&server, of, 4).await;
        assert!(gaps(&dues).is_empty(), "{of}: {dues:?}");
    }
    assert!(dues(&server, "yearly").await.is_empty());
    let outside = server.post("/ticker/-/schedules/skip", &json!({})).await;
    assert_eq!(outside.status(), 404);
}

#[tokio::test]
async fn what_was_missed_is_left_out_or_made_up_for_once_or_wholly() {
    let mut server = start().await;
    ticks(&server, "all", 2).await;
    server.stop().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let server = server.restart().await;
    ticks(&server, "all", 8).await;
    ticks(&server, "skip", 2).await;
    let (skip, once) = (dues(&server, "skip").await, dues(&server, "once").await);
    let all = dues(&server, "all").await;
    assert!(gaps(&all).is_empty(), "{all:?}");
    let (skip, once) = (gaps(&skip), gaps(&once));
    assert_eq!((skip.len(), once.len()), (1, 1), "{skip:?} {once:?}");
    assert!(skip[0].1 - skip[0].0 > 3, "{skip:?}");
    // The last one that was missed.
    assert_eq!(once[0].1, skip[0].1 - 1);
}

#[tokio::test]
async fn whenever_the_host_is_killed_no_time_comes_twice_and_none_is_lost() {
    let mut server = start().await;
    ticks(&server, "all", 1).await;
    for round in 0..5 {
        // At all places between two ticks.
        tokio::time::sleep(Duration::from_millis(700 + 170 * round)).await;
        let (launch, data) = server.kill();
        server = launch.start_in(data).await;
    }
    let all = ticks(&server, "all", 3).await;
    assert!(gaps(&all).is_empty(), "{all:?}");
    gaps(&dues(&server, "skip").await);
    gaps(&dues(&server, "once").await);
}

#[tokio::test]
async fn what_is_set_is_replaced_listed_and_ended() {
    let server = start().await;
    let client = Client::new();
    let reminders = || async { kept(&server, &client, "remind").await };
    let tea = json!({"cron": "* * * * * *", "data": {"of": "tea"}});
    assert_eq!(set(&server, &client, "a", &tea).await.status(), 204);
    while reminders().await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(reminders().await[0]["data"], json!({"of": "tea"}));
    let cake = json!({"cron": "* * * * * *", "data": {"of": "cake"}, "missed": "all"});
    assert_eq!(set(&server, &client, "a", &cake).await.status(), 204);
    let is_cake = |reminder: &Value| reminder["data"]["of"] == "cake";
    while !reminders().await.iter().any(is_cake) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let known: Value = server.get("/ticker/schedules").await.json().await.unwrap();
    assert_eq!(
        (known.as_array().unwrap().len(), &known[0]["name"]),
        (1, &json!("a"))
    );
    let address = server.at("/ticker/schedules/a");
    let ended = client.delete(&address).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    assert_eq!(client.delete(&address).send().await.unwrap().status(), 404);
    // One may be on its way.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let last = reminders().await.len();
    ticks(&server, "skip", 3).await;
    assert_eq!(reminders().await.len(), last);
    for (wrong, says) in [
        (json!({"cron": "0 0 30 2 *"}), "never comes"),
        (json!({"cron": "often"}), "five fields"),
        (
            json!({"cron": "0 3 * * *", "time_zone": "Mars/Base"}),
            "IANA",
        ),
        (json!({"once": "2020-01-01T00:00:00Z"}), "has passed"),
    ] {
        let refused = set(&server, &client, "b", &wrong).await;
        let refused = assert_error(refused, 422, "VALIDATION_ERROR").await;
        assert!(refused.to_string().contains(says), "{refused}");
    }
}

#[tokio::test]
async fn a_tenant_that_nobody_visits_is_woken_for_what_is_due() {
    let server = start().await;
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    let once = json!({"once": in_seconds(4), "data": "the dentist"});
    assert_eq!(set(&server, &acme, "dentist", &once).await.status(), 204);
    let (launch, data) = server.kill();
    let server = launch.start_in(data).await;
    server.wait_for_log("reminded of").await;
    // What is declared has come there since, too.
    server.done(&["tenant", "create", "bello"]);
    ticks(&server, "skip", 6).await;
    let bello = server.as_tenant("bello");
    let dues = dues_in(&server, &bello, "all").await;
    assert!(dues.len() > 1 && gaps(&dues).is_empty(), "{dues:?}");
    assert_eq!(kept(&server, &acme, "remind").await.len(), 1);
}

#[tokio::test]
async fn what_is_switched_off_is_not_called_and_makes_up_for_nothing() {
    let server = start().await;
    ticks(&server, "all", 1).await;
    server.done(&["feature", "set", "default", "ticker", "off"]);
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    // As long as others go on, it does not.
    let mut others = 0;
    while others < 8 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        others = dues_in(&server, &acme, "all").await.len();
    }
    server.done(&["feature", "set", "default", "ticker", "on"]);
    let all = ticks(&server, "all", 3).await;
    let gaps = gaps(&all);
    assert_eq!(gaps.len(), 1, "{all:?}");
    assert!(gaps[0].1 - gaps[0].0 > 3, "{all:?}");
}
