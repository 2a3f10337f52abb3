//! Tasks of a component, enqueued and worked on in a test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_sdk::tasks::{self, New, State, Work};
use sbd_sdk::testing::App;
use sbd_sdk::{By, Component, Error, Json, Result, task};
use serde_json::{Value, json};
use std::time::Duration;

/// Says what it is about; fails until it has come as often as it is told.
#[task("echo")]
async fn echo(By(principal): By, work: Work<Value>) -> Result<Json<Value>> {
    if work.data["refuse"] == true {
        return Err(Error::validation("data", "it was to be refused"));
    }
    if u64::from(work.attempt) <= work.data["fail"].as_u64().unwrap_or(0) {
        return Err(Error::internal("it was to fail"));
    }
    assert!(work.report(0.5, "half").await?);
    Ok(Json(json!({"of": work.data, "for": principal.user})))
}

#[task("gather", queue = "workflow")]
async fn gather(work: Work<Value>) -> Result<Json<Vec<Value>>> {
    Ok(Json(work.results))
}

/// Enqueues one for the user.
async fn later(By(_): By) -> Result<String> {
    New::of("echo", &json!(1))?.for_user().enqueue().await
}

fn app() -> App {
    let component = Component::new()
        .tasks([echo(), gather()])
        .route("/later", axum::routing::post(later));
    App::new(component)
}

fn echoed(data: Value) -> New {
    New::of("echo", &data).unwrap()
}

fn states(app: &App) -> Vec<State> {
    app.enqueued().iter().map(|task| task.state).collect()
}

#[test]
fn the_last_of_a_chord_has_the_results_of_all() {
    let app = app();
    let last = New::of("gather", &json!({})).unwrap();
    let chord = tasks::chord([echoed(json!("a")), echoed(json!("b"))], last);
    let ids = app.run(chord.enqueue()).unwrap();
    app.run_tasks();
    assert_eq!(states(&app), [State::Succeeded; 3]);
    let last = app.run(tasks::get(&ids[2])).unwrap().unwrap();
    let of = |data: &str| json!({"of": data, "for": null});
    assert_eq!(last.result, Some(json!([of("a"), of("b")])));
    assert!(last.ended_at.is_some());
}

#[test]
fn a_chain_hands_on_and_breaks_where_one_is_refused() {
    let app = app();
    let gather = || New::of("gather", &json!({})).unwrap();
    let chain = tasks::chain([echoed(json!(1)), gather(), gather()]);
    app.run(chain.enqueue()).unwrap();
    app.run_tasks();
    let last = app.enqueued().pop().unwrap();
    assert_eq!(last.result, Some(json!([[{"of": 1, "for": null}]])));
    let broken = tasks::chain([echoed(json!({"refuse": true})), gather()]);
    app.run(broken.enqueue()).unwrap();
    app.run_tasks();
    assert_eq!(states(&app)[3..], [State::Failed, State::Failed]);
}

#[test]
fn what_fails_comes_again_later_and_not_for_ever() {
    let app = app();
    let twice = echoed(json!({"fail": 2})).retries(2);
    let ever = echoed(json!({"fail": 9})).retries(1);
    app.run(tasks::group([twice, ever]).enqueue()).unwrap();
    app.run_tasks();
    assert_eq!(states(&app), [State::Waiting, State::Waiting]);
    for _ in 0..3 {
        app.advance(Duration::from_secs(600));
        app.run_tasks();
    }
    assert_eq!(states(&app), [State::Succeeded, State::Failed]);
    let attempts: Vec<u32> = app.enqueued().iter().map(|task| task.attempts).collect();
    assert_eq!(attempts, [3, 2]);
}

#[test]
fn the_highest_priority_is_first_and_what_is_delayed_waits() {
    let app = app();
    let late = echoed(json!("late")).delay(Duration::from_secs(60));
    let dead = echoed(json!("dead"))
        .delay(Duration::from_secs(90))
        .deadline(Duration::from_secs(70));
    app.run(tasks::group([late, dead]).enqueue()).unwrap();
    app.run_tasks();
    assert_eq!(states(&app), [State::Waiting, State::Waiting]);
    app.advance(Duration::from_secs(100));
    app.run_tasks();
    assert_eq!(states(&app), [State::Succeeded, State::Failed]);
}

#[test]
fn one_of_a_key_is_enqueued_once_and_a_canceled_one_takes_its_followers_along() {
    let app = app();
    let one = || echoed(json!(1)).unique("k");
    let first = app.run(one().enqueue()).unwrap();
    assert_eq!(app.run(one().enqueue()).unwrap(), first);
    let chain = tasks::chain([one(), New::of("gather", &json!({})).unwrap()]);
    let ids = app.run(chain.enqueue()).unwrap();
    assert_eq!((app.enqueued().len(), &ids[0]), (2, &first));
    assert!(app.run(tasks::cancel(&first)).unwrap());
    assert!(!app.run(tasks::cancel(&first)).unwrap());
    assert_eq!(states(&app), [State::Canceled; 2]);
    assert_ne!(app.run(one().enqueue()).unwrap(), first);
}

#[test]
fn a_task_acts_for_its_user_or_for_the_component() {
    let app = app();
    app.signed_in("usr_1")
        .post("/later", json!(null))
        .assert_status(200);
    app.run_tasks();
    let task = app.enqueued().pop().unwrap();
    assert_eq!(task.user.as_deref(), Some("usr_1"));
    assert_eq!(task.result, Some(json!({"of": 1, "for": "usr_1"})));
    // Outside of a request there is no user.
    assert!(app.run(echoed(json!(1)).for_user().enqueue()).is_err());
}
