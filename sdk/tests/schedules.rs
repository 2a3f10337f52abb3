//! Schedules that a component sets as it runs, in the harness for tests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_sdk::schedules::{self, Missed, New};
use sbd_sdk::tasks::Work;
use sbd_sdk::testing::App;
use sbd_sdk::{By, Caller, Component, Json, NoContent, Path, Result, operation, task};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
struct Wanted {
    cron: String,
    time_zone: Option<String>,
}

/// Reminds its caller again and again.
#[operation(put "/reminders/{name}")]
async fn remind_me(
    _: Caller,
    Path(name): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<NoContent> {
    let new = New::cron(&wanted.cron, "remind", &json!({"of": name}))?.for_user();
    let new = match wanted.time_zone {
        Some(zone) => new.time_zone(zone),
        None => new,
    };
    new.missed(Missed::All).set(name).await?;
    Ok(NoContent)
}

#[task("remind")]
async fn remind(by: By, work: Work<Value>) -> Result<Json<Value>> {
    let user = by.0.user.as_deref().map(str::to_owned);
    Ok(Json(json!({"of": work.data["of"], "user": user})))
}

fn app() -> App {
    App::new(
        Component::new()
            .operations("reminders", [remind_me()])
            .tasks([remind()]),
    )
}

#[test]
fn what_is_due_is_enqueued_as_time_passes() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let often = json!({"cron": "*/10 * * * * *", "time_zone": "Europe/Berlin"});
    ada.put("/reminders/tea", often).assert_status(204);
    app.run_tasks();
    assert!(app.enqueued().is_empty());
    app.advance(Duration::from_secs(20));
    app.run_tasks();
    let done = app.enqueued();
    assert_eq!(done.len(), 2);
    for task in &done {
        assert_eq!(task.user.as_deref(), Some("usr_1"));
        assert_eq!(task.result, Some(json!({"of": "tea", "user": "usr_1"})));
    }
    let known = app.run(schedules::list()).unwrap();
    assert_eq!((known.len(), known[0].name.as_str()), (1, "tea"));
    assert!(known[0].next_at > app.now());
    assert!(app.run(schedules::end("tea")).unwrap());
    assert!(!app.run(schedules::end("tea")).unwrap());
    app.advance(Duration::from_secs(100));
    app.run_tasks();
    assert_eq!(app.enqueued().len(), 2);
}

#[test]
fn once_is_once() {
    let app = app();
    let at = app.now() + Duration::from_secs(60);
    let set = || async {
        New::once(at, "remind", &json!({"of": "tea"}))?
            .set("tea")
            .await
    };
    app.run(set()).unwrap();
    app.run_tasks();
    assert!(app.enqueued().is_empty());
    app.advance(Duration::from_secs(60));
    app.run_tasks();
    app.run_tasks();
    assert_eq!(app.enqueued().len(), 1);
    assert!(app.run(schedules::list()).unwrap().is_empty());
    let passed = app.run(set()).unwrap_err();
    assert_eq!(passed.status(), 422);
}

#[test]
fn what_never_comes_is_refused_and_says_why() {
    let app = app();
    let ada = app.signed_in("usr_1");
    for (wanted, says) in [
        (json!({"cron": "0 0 30 2 *"}), "never comes"),
        (json!({"cron": "daily"}), "five fields"),
        (
            json!({"cron": "0 3 * * *", "time_zone": "Europe/Berln"}),
            "IANA",
        ),
    ] {
        let refused = ada.put("/reminders/tea", wanted);
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        assert!(refused.body().to_string().contains(says), "{refused:?}");
    }
}
