//! Queued work is done once, in the order that was asked for, whatever happens between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::{Method, StatusCode};
use sbd_tests::{Launch, Server, assert_error};
use serde_json::{Value, json};
use std::time::Duration;

/// One component that enqueues tasks, works on them as their data says, and says who is who.
const APP: &str = include_str!("apps/worker.toml");

/// One task at a time.
const ONE_BY_ONE: &str = "default=1, workflow=1";

async fn start() -> Server {
    Launch::app(APP).start().await
}

/// Somebody who is signed in: a token of this application is its user's name.
async fn send(server: &Server, user: &str, method: Method, path: &str) -> reqwest::Response {
    let request = server.as_tenant("default").request(method, server.at(path));
    request.bearer_auth(user).send().await.unwrap()
}

async fn read(server: &Server, user: &str, path: &str) -> Value {
    let answer = send(server, user, Method::GET, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

/// Enqueues tasks; answers their ids.
async fn enqueue(server: &Server, user: &str, how: &str, tasks: &Value) -> Vec<String> {
    let client = server.as_tenant("default");
    let request = client.post(server.at(&format!("/worker/enqueue/{how}")));
    let answer = request.bearer_auth(user).json(tasks).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    answer.json().await.unwrap()
}

async fn look(server: &Server, id: &str) -> Value {
    read(server, "ada", &format!("/worker/tasks/{id}")).await
}

/// The task, once it is in a state.
async fn once(server: &Server, id: &str, state: &str) -> Value {
    for _ in 0..600 {
        let task = look(server, id).await;
        if task["state"] == state {
            return task;
        }
        let is_over = ["succeeded", "failed", "canceled"].map(|over| task["state"] == over);
        assert!(!is_over.contains(&true), "{task}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{id} is not {state}: {}", look(server, id).await);
}

/// What the component was begun with.
async fn runs(server: &Server) -> Vec<Value> {
    let runs = read(server, "ada", "/worker/runs").await;
    runs.as_array().unwrap().clone()
}

async fn runs_of(server: &Server, id: &str) -> Vec<Value> {
    let runs = runs(server).await.into_iter();
    runs.filter(|run| run["id"] == id).collect()
}

#[tokio::test]
async fn a_task_runs_and_its_answer_is_its_result() {
    let server = start().await;
    let work = json!([{"name": "work", "data": {"n": 9_007_199_254_740_993_u64}}]);
    let ids = enqueue(&server, "ada", "group", &work).await;
    let task = once(&server, &ids[0], "succeeded").await;
    assert_eq!(task["result"]["n"], 9_007_199_254_740_993_u64);
    assert_eq!(
        (&task["attempts"], &task["ended"]),
        (&json!(1), &json!(true))
    );
    let runs = runs_of(&server, &ids[0]).await;
    assert_eq!((runs.len(), &runs[0]["user"]), (1, &Value::Null));
    let outside = server.post("/worker/-/tasks/work", &json!({})).await;
    assert_eq!(outside.status(), 404);
    let done = server
        .metric("sbd_tasks_total", "outcome=\"succeeded\"")
        .await;
    assert!(done >= 1.0);
}

#[tokio::test]
async fn what_fails_comes_again_and_what_is_refused_does_not() {
    let server = start().await;
    let tasks = json!([
        {"name": "work", "data": {"fail": 2}},
        {"name": "work", "data": {"refuse": true}},
        {"name": "work", "data": {"fail": 9}, "retries": 1},
        {"name": "elsewhere"},
    ]);
    let ids = enqueue(&server, "ada", "group", &tasks).await;
    assert_eq!(once(&server, &ids[0], "succeeded").await["attempts"], 3);
    let refused = once(&server, &ids[1], "failed").await;
    assert_eq!(refused["attempts"], 1);
    assert!(refused["reason"].as_str().unwrap().starts_with("422"));
    let failed = once(&server, &ids[2], "failed").await;
    assert_eq!(failed["attempts"], 2);
    assert!(failed["reason"].as_str().unwrap().starts_with("500"));
    // Its queue is not there: it takes a place of the default, and the log says so.
    assert_eq!(
        once(&server, &ids[3], "succeeded").await["result"],
        Value::Null
    );
    assert!(server.log().contains("nowhere"));
    let unknown = json!([{"name": "paint"}]);
    let unknown = server.post("/worker/enqueue/group", &unknown).await;
    assert_eq!(unknown.status(), 500);
    server
        .wait_for_log("it offers elsewhere, gather, nothing, timed, work")
        .await;
}

#[tokio::test]
async fn the_highest_priority_is_first_what_is_delayed_waits_and_a_key_is_taken() {
    let server = Launch::app(APP).env("SBD_QUEUES", ONE_BY_ONE).start().await;
    // While the first one runs, the others gather.
    let first = json!([{"name": "work", "data": {"ms": 500}}]);
    enqueue(&server, "ada", "group", &first).await;
    let tasks = json!([
        {"name": "work", "data": {"is": "low"}},
        {"name": "work", "data": {"is": "high"}, "priority": 9},
        {"name": "work", "data": {"is": "late"}, "priority": 9, "delay_ms": 1500},
        {"name": "work", "data": {"is": "keyed"}, "unique": "k"},
        {"name": "work", "data": {"is": "keyed again"}, "unique": "k"},
        {"name": "work", "data": {"is": "dead"}, "delay_ms": 60_000, "deadline_ms": 700},
    ]);
    let ids = enqueue(&server, "ada", "group", &tasks).await;
    assert_eq!(ids[3], ids[4]);
    once(&server, &ids[2], "succeeded").await;
    let order: Vec<Value> = runs(&server)
        .await
        .iter()
        .map(|run| run["data"]["is"].clone())
        .collect();
    assert_eq!(json!(order), json!([null, "high", "low", "keyed", "late"]));
    let dead = once(&server, &ids[5], "failed").await;
    assert!(dead["reason"].as_str().unwrap().contains("deadline"));
}

#[tokio::test]
async fn chains_and_chords_hand_their_results_on() {
    let server = start().await;
    let n = |n: u32| json!({"name": "work", "data": n});
    let gather = || json!({"name": "gather"});
    let chain = enqueue(&server, "ada", "chain", &json!([n(1), gather(), gather()])).await;
    let chord: Vec<Value> = (0..20).map(n).chain([gather()]).collect();
    let chord = enqueue(&server, "ada", "chord", &json!(chord)).await;
    assert_eq!(
        once(&server, &chain[2], "succeeded").await["result"],
        json!([[1]])
    );
    let all: Vec<u32> = (0..20).collect();
    assert_eq!(
        once(&server, &chord[20], "succeeded").await["result"],
        json!(all)
    );
    assert_eq!(runs_of(&server, &chord[20]).await.len(), 1);
    let broken = json!([n(1), {"name": "work", "data": {"refuse": true}}, gather()]);
    let broken = enqueue(&server, "ada", "chord", &broken).await;
    let last = once(&server, &broken[2], "failed").await;
    assert!(last["reason"].as_str().unwrap().contains(&broken[1]));
    assert!(runs_of(&server, &broken[2]).await.is_empty());
}

#[tokio::test]
async fn a_task_that_runs_is_cut_off_when_it_is_canceled() {
    let server = start().await;
    let slow = json!([{"name": "work", "data": {"ms": 60_000}}, {"name": "gather"}]);
    let ids = enqueue(&server, "ada", "chain", &slow).await;
    once(&server, &ids[0], "running").await;
    let path = format!("/worker/tasks/{}", ids[0]);
    let canceled = send(&server, "ada", Method::DELETE, &path).await;
    assert!(canceled.json::<bool>().await.unwrap());
    for id in &ids {
        assert_eq!(look(&server, id).await["state"], "canceled");
    }
    let again = send(&server, "ada", Method::DELETE, &path).await;
    assert!(!again.json::<bool>().await.unwrap());
    // Its place is free at once, and it never came to its end.
    for _ in 0..100 {
        if server
            .metric("sbd_tasks_running", "queue=\"default\"")
            .await
            == 0.0
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        server
            .metric("sbd_tasks_running", "queue=\"default\"")
            .await,
        0.0
    );
    let runs = runs_of(&server, &ids[0]).await;
    assert_eq!((runs.len(), &runs[0]["over"]), (1, &json!(false)));
}

#[tokio::test]
async fn users_see_their_own_tasks_follow_them_and_cancel_them() {
    let server = start().await;
    let slow = |ms: u64| json!([{"name": "work", "data": {"ms": ms}, "for_user": true}]);
    let own = enqueue(&server, "ada", "group", &slow(700)).await.remove(0);
    let other = enqueue(&server, "bob", "group", &slow(60_000))
        .await
        .remove(0);
    let waits = json!([{"name": "work", "delay_ms": 60_000}]);
    let waits = enqueue(&server, "ada", "group", &waits).await.remove(0);

    let path = format!("/api/v1/tasks/{own}/stream");
    let mut stream = send(&server, "ada", Method::GET, &path).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while let Some(part) = stream.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&part).unwrap());
    }
    let messages = text.split("\n\n").filter(|message| !message.is_empty());
    let messages: Vec<Value> = messages
        .map(|message| serde_json::from_str(message.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    let kinds: Vec<&str> = messages
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[..2], ["stream.ready", "task.progress"]);
    assert_eq!(kinds[kinds.len() - 2..], ["task.ended", "stream.end"]);
    let said = messages
        .iter()
        .filter_map(|one| one["data"]["progress"]["fraction"].as_f64());
    let said: Vec<f64> = said.collect();
    assert!(said.len() > 2 && said.is_sorted(), "{said:?}");
    assert_eq!(messages[messages.len() - 2]["data"]["state"], "succeeded");
    assert_eq!(messages[messages.len() - 1]["data"]["code"], "done");
    assert_eq!(runs_of(&server, &own).await[0]["user"], "ada");

    let listed = read(&server, "ada", "/api/v1/tasks").await;
    assert_eq!(
        (&listed["total"], &listed["items"][0]["id"]),
        (&json!(1), &json!(own))
    );
    let running = read(&server, "ada", "/api/v1/tasks?state=running&per_page=1").await;
    assert_eq!(
        (&running["total"], &running["pages"]),
        (&json!(0), &json!(0))
    );
    let task = read(&server, "ada", &format!("/api/v1/tasks/{own}")).await;
    assert_eq!(task["result"], json!({"ms": 700}));

    // Those of others are not there.
    for (method, rest) in [
        (Method::GET, ""),
        (Method::GET, "/stream"),
        (Method::POST, "/cancel"),
    ] {
        let path = format!("/api/v1/tasks/{other}{rest}");
        assert_error(send(&server, "ada", method, &path).await, 404, "NOT_FOUND").await;
    }
    assert_error(server.get("/api/v1/tasks").await, 401, "UNAUTHENTICATED").await;
    let wrong = send(&server, "ada", Method::GET, "/api/v1/tasks?state=asleep").await;
    assert_error(wrong, 422, "VALIDATION_ERROR").await;
    let wrong = send(&server, "ada", Method::DELETE, "/api/v1/tasks").await;
    assert_error(wrong, 405, "METHOD_NOT_ALLOWED").await;

    // An operator sees them all.
    let listed = server.done(&["tasks", "list", "default", "--state", "running"]);
    assert!(
        listed.contains(&other) && !listed.contains(&own),
        "{listed}"
    );
    let shown = server.done(&["tasks", "show", "default", &other]);
    assert!(shown.contains("\"user\": \"bob\""), "{shown}");
    server.done(&["tasks", "cancel", "default", &waits]);
    let refused = server.refused(&["tasks", "cancel", "default", &waits]);
    assert!(refused.contains("ended already"), "{refused}");
    let refused = server.refused(&["tasks", "show", "default", "tsk_0"]);
    assert!(refused.contains("no task"), "{refused}");

    let path = format!("/api/v1/tasks/{other}/cancel");
    let canceled = send(&server, "bob", Method::POST, &path).await;
    assert_eq!(canceled.status(), StatusCode::OK);
    assert_eq!(canceled.json::<Value>().await.unwrap()["state"], "canceled");
    assert_error(
        send(&server, "bob", Method::POST, &path).await,
        409,
        "CONFLICT",
    )
    .await;
}

#[tokio::test]
async fn a_task_for_a_user_who_is_gone_fails_for_good() {
    let server = start().await;
    let later = json!([{"name": "work", "for_user": true, "delay_ms": 1000}]);
    let ids = enqueue(&server, "ada", "group", &later).await;
    let left = server.post("/worker/leave/ada", &json!(null)).await;
    assert_eq!(left.status(), 204);
    for _ in 0..200 {
        let task = read(&server, "bob", &format!("/worker/tasks/{}", ids[0])).await;
        if task["state"] == "failed" {
            assert!(
                task["reason"]
                    .as_str()
                    .unwrap()
                    .contains("may not act any more")
            );
            assert_eq!(task["attempts"], 1);
            let runs = read(&server, "bob", "/worker/runs").await;
            assert_eq!(runs, json!([]));
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a task acts for somebody who is gone");
}

#[tokio::test]
async fn a_chord_survives_a_kill_and_each_of_it_ends_once() {
    let mut server = Launch::app(APP)
        .env("SBD_QUEUES", "default=3, workflow=1")
        .start()
        .await;
    let mut tasks: Vec<Value> = (0..24)
        .map(|n| json!({"name": "work", "data": {"n": n, "ms": 200}}))
        .collect();
    tasks.push(json!({"name": "gather"}));
    let ids = enqueue(&server, "ada", "chord", &json!(tasks)).await;
    // In its middle, twice.
    for over in [4, 12] {
        loop {
            let runs = runs(&server).await;
            if runs.iter().filter(|run| run["over"] == true).count() >= over {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server = server.restart().await;
    }
    let last = once(&server, &ids[24], "succeeded").await;
    let results: Vec<u64> = last["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["n"].as_u64().unwrap())
        .collect();
    let all: Vec<u64> = (0..24).collect();
    assert_eq!(results, all);
    assert_eq!(runs_of(&server, &ids[24]).await.len(), 1);
    let runs = runs(&server).await;
    let begun_again = runs.iter().filter(|run| run["attempt"] != 1).count();
    assert!(begun_again <= 6, "three places, two kills: {begun_again}");
    for id in &ids {
        assert_eq!(look(&server, id).await["state"], "succeeded");
    }
}

#[tokio::test]
async fn a_tenant_with_many_tasks_is_in_nobodys_way() {
    let server = Launch::app(APP).env("SBD_QUEUES", ONE_BY_ONE).start().await;
    server.done(&["tenant", "create", "acme"]);
    let slow = || json!({"name": "work", "data": {"ms": 100}});
    let many: Vec<Value> = (0..200).map(|_| slow()).collect();
    enqueue(&server, "ada", "group", &json!(many)).await;
    let acme = server.as_tenant("acme");
    let one = acme
        .post(server.at("/worker/enqueue/group"))
        .json(&json!([slow()]));
    let ids: Vec<String> = one.send().await.unwrap().json().await.unwrap();
    let before = runs(&server).await.len();
    loop {
        let task = acme.get(server.at(&format!("/worker/tasks/{}", ids[0])));
        let task: Value = task.send().await.unwrap().json().await.unwrap();
        if task["state"] == "succeeded" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let meanwhile = runs(&server).await.len() - before;
    assert!(meanwhile < 20, "{meanwhile} of the other tenant were first");
}

#[tokio::test]
async fn a_task_waits_where_its_component_is_switched_off() {
    // Who says who is who cannot be switched off.
    let app = APP.replace("auth = \"worker\"", "");
    let server = Launch::app(&app).start().await;
    let later = json!([{"name": "work", "delay_ms": 1000, "retries": 0}]);
    let ids = enqueue(&server, "ada", "group", &later).await;
    server.done(&["feature", "set", "default", "worker", "off"]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.done(&["feature", "set", "default", "worker", "default"]);
    let task = once(&server, &ids[0], "succeeded").await;
    assert_eq!(task["attempts"], 1);
}

#[tokio::test]
async fn a_tenant_that_nobody_visits_is_woken_for_its_tasks() {
    let server = Launch::app(APP)
        .env("SBD_TENANT_IDLE", "100ms")
        .start()
        .await;
    let later = json!([{"name": "work", "delay_ms": 14_000}]);
    let ids = enqueue(&server, "ada", "group", &later).await;
    // Nobody asks for anything meanwhile, and nobody waits there.
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(look(&server, &ids[0]).await["state"], "succeeded");
}
