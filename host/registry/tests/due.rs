//! What is due in which tenants.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use sbd_registry::{DueTenant, Registry};
use std::time::Duration;

fn tenants(due: &[DueTenant]) -> Vec<&str> {
    due.iter().map(|due| due.tenant.as_str()).collect()
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
}

#[tokio::test]
async fn the_earliest_counts_and_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (soon, later) = (now(), now() + SignedDuration::from_hours(1));
    {
        let due = Registry::open(folder.path()).await.unwrap().due;
        due.at("acme", "tasks", soon).await.unwrap();
        due.at("acme", "tasks", later).await.unwrap();
        due.at("bello", "schedules", later).await.unwrap();
    }
    let due = Registry::open(folder.path()).await.unwrap().due;
    assert_eq!(tenants(&due.until(soon, 10).await.unwrap()), ["acme"]);
    assert_eq!(
        tenants(&due.until(later, 10).await.unwrap()),
        ["acme", "bello"]
    );
    assert_eq!(tenants(&due.until(later, 1).await.unwrap()), ["acme"]);
    due.forget("bello").await.unwrap();
    assert_eq!(tenants(&due.until(later, 10).await.unwrap()), ["acme"]);
}

#[tokio::test]
async fn who_waits_hears_of_what_is_due_earlier() {
    let folder = tempfile::tempdir().unwrap();
    let due = Registry::open(folder.path()).await.unwrap().due;
    due.at("late", "tasks", now() + SignedDuration::from_hours(9))
        .await
        .unwrap();
    due.at("busy", "events", now()).await.unwrap();
    let waiting = tokio::spawn({
        let due = due.clone();
        async move { due.next(10, |due| due.tenant == "busy").await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    due.at("acme", "events", now()).await.unwrap();
    assert_eq!(tenants(&waiting.await.unwrap()), ["acme"]);
}

#[tokio::test]
async fn who_sees_to_it_alone_says_when_the_next_is() {
    let folder = tempfile::tempdir().unwrap();
    let due = Registry::open(folder.path()).await.unwrap().due;
    let (at, later) = (now(), now() + SignedDuration::from_hours(1));
    due.at("acme", "events", at).await.unwrap();
    due.settle("acme", "events", Some(later)).await.unwrap();
    assert!(due.until(at, 10).await.unwrap().is_empty());
    assert_eq!(tenants(&due.until(later, 10).await.unwrap()), ["acme"]);
    due.settle("acme", "events", None).await.unwrap();
    assert!(due.until(later, 10).await.unwrap().is_empty());
}
