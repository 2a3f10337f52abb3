//! A full disk: refused in good order, nothing lost, and over once there is room.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use reqwest::{Method, Response};
use sbd_tests::{Account, Launch, PASSWORD, Server, assert_error, json};
use serde_json::{Value, json};
use std::time::Duration;

async fn small() -> Server {
    let launch = Launch::app(include_str!("apps/notes.toml"));
    launch.env("SBD_TENANT_STORAGE", "2MiB").start().await
}

async fn create(ada: &Account, bytes: usize) -> Response {
    ada.post("/api/v1/notes", &json!({"text": "x".repeat(bytes)}))
        .send()
        .await
        .unwrap()
}

/// Creates notes of this size until there is no room for one more; returns their ids.
async fn fill(ada: &Account, bytes: usize) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let answer = create(ada, bytes).await;
        if answer.status() != 201 {
            assert_error(answer, 507, "STORAGE_FULL").await;
            return ids;
        }
        let note: Value = answer.json().await.unwrap();
        ids.push(note["_id"].as_str().unwrap().to_owned());
        assert!(ids.len() < 10_000, "2 MiB never fill");
    }
}

#[tokio::test]
async fn creates_are_refused_until_something_is_deleted() {
    let server = small().await;
    let ada = Account::register(&server, "ada").await;
    let ids = fill(&ada, 20_000).await;
    assert!(ids.len() > 20, "only {} notes fit", ids.len());

    // Everything that was answered is there; what was refused is not.
    assert_eq!(ada.read("/api/v1/notes").await["total"], ids.len());
    for id in &ids {
        assert_eq!(ada.read(&format!("/api/v1/notes/{id}")).await["_id"], **id);
    }
    for id in ids.iter().take(10) {
        let deleted = ada
            .request(Method::DELETE, &format!("/api/v1/notes/{id}"))
            .send()
            .await
            .unwrap();
        assert_eq!(
            deleted.status(),
            204,
            "a full disk cannot be tidied: {:?}",
            deleted.text().await
        );
    }
    assert_eq!(
        create(&ada, 20_000).await.status(),
        201,
        "there is room again"
    );

    let server = server.restart().await;
    let ada = Account::login(&server, "ada").await;
    assert_eq!(ada.read("/api/v1/notes").await["total"], ids.len() - 10 + 1);
}

#[tokio::test]
async fn signing_in_on_a_full_disk_is_refused_in_good_order() {
    let server = small().await;
    let ada = Account::register(&server, "ada").await;
    let mut refresh = ada.refresh.clone();
    for bytes in [20_000, 1_000, 1] {
        fill(&ada, bytes).await;
    }
    let login = json!({"identifier": "ada", "password": PASSWORD});
    let mut refused = [0, 0, 0];
    for round in 0..40 {
        let name = format!("user-{round}");
        let register =
            json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let answers = [
            server.post("/api/v1/auth/login", &login).await,
            server
                .post("/api/v1/auth/refresh", &json!({"refresh_token": refresh}))
                .await,
            server.post("/api/v1/auth/register", &register).await,
        ];
        for (n, answer) in answers.into_iter().enumerate() {
            // Small things may still fit into pages that are there already.
            if answer.status() == 507 {
                assert_error(answer, 507, "STORAGE_FULL").await;
                refused[n] += 1;
            } else {
                let answer = json(answer, if n == 2 { 201 } else { 200 }).await;
                if n == 1 {
                    refresh = answer["refresh_token"].as_str().unwrap().to_owned();
                }
            }
        }
        if refused.iter().all(|refused| *refused > 0) {
            break;
        }
    }
    assert!(refused.iter().all(|refused| *refused > 0), "{refused:?}");
    // Who is signed in can read, and sees what there is.
    assert_eq!(ada.read("/api/v1/auth/me").await["username"], "ada");
    assert!(ada.read("/api/v1/notes").await["total"].as_u64().unwrap() > 20);
    assert_eq!(
        server.metric("sbd_component_traps_total", "").await,
        0.0,
        "{}",
        server.log()
    );
}

/// Those who publish, listen, enqueue and work, on a disk of so many bytes.
async fn working() -> Server {
    let head = "[application.tool.sbd]\nrate_limit = { per_second = 100000, burst = 100000 }\n";
    let apps = [
        include_str!("apps/listener.toml"),
        include_str!("apps/worker.toml"),
    ];
    let components = apps.map(|app| app.split_once("[[trigger.http]]").unwrap().1);
    let components = components.map(|app| format!("[[trigger.http]]{app}"));
    let launch = Launch::app(&(head.to_owned() + &components.concat()));
    launch.env("SBD_TENANT_STORAGE", "2MiB").start().await
}

/// Takes most of the room, and more than what comes after it needs.
async fn load(server: &Server) {
    for _ in 0..65 {
        let answer = server.post("/stranger/ballast", &json!(null)).await;
        assert_eq!(answer.status(), 204);
    }
}

async fn unload(server: &Server) {
    let unload = server.client.delete(server.at("/stranger/ballast"));
    assert_eq!(unload.send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn whoever_comes_for_the_first_time_when_the_disk_is_full_is_told_so() {
    let server = working().await;
    for _ in 0..1000 {
        let answer = server.post("/stranger/ballast", &json!(null)).await;
        if answer.status() != 204 {
            assert_error(answer, 507, "STORAGE_FULL").await;
            break;
        }
    }
    let mut refused = 0;
    for first in ["/publisher/seen", "/subscriber/seen", "/worker/runs"] {
        let answer = server.get(first).await;
        // Small things may still fit.
        if answer.status() != 200 {
            assert_error(answer, 507, "STORAGE_FULL").await;
            refused += 1;
        }
    }
    assert!(refused > 0);
    unload(&server).await;
    assert_eq!(server.get("/worker/runs").await.status(), 200);
}

#[tokio::test]
async fn events_are_published_with_all_of_their_batch_or_refused_and_come_when_there_is_room() {
    let server = working().await;
    load(&server).await;
    let publish = async |batch: u64| {
        let event = |number| {
            let data = json!({"number": batch * 3 + number, "text": "x".repeat(1000)});
            json!({"type": "thing.happened", "subject": "a", "data": data})
        };
        let events: Value = (0..3).map(event).collect();
        server.post("/publisher/publish", &events).await
    };
    let mut published = Vec::new();
    let mut refused = 0;
    for batch in 0..300 {
        let answer = publish(batch).await;
        if answer.status() == 204 {
            published.extend((0..3).map(|number| batch * 3 + number));
        } else {
            assert_error(answer, 507, "STORAGE_FULL").await;
            refused += 1;
        }
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20, "2 MiB never fill");
    assert!(!published.is_empty());
    unload(&server).await;
    assert_eq!(publish(300).await.status(), 204);
    published.extend(900..903);
    for listener in ["subscriber", "publisher"] {
        let mut heard = Vec::new();
        for _ in 0..800 {
            let seen = json(server.get(&format!("/{listener}/seen")).await, 200).await;
            let seen = seen.as_array().unwrap().iter();
            heard = seen
                .map(|event| event["data"]["number"].as_u64().unwrap())
                .collect();
            if heard.len() >= published.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(heard, published, "{listener}: {}", server.log());
    }
}

#[tokio::test]
async fn tasks_are_enqueued_all_of_a_group_or_refused_and_end_when_there_is_room() {
    let server = working().await;
    load(&server).await;
    let enqueue = async |batch: &str| {
        let task = |place| {
            let data = json!({"batch": batch, "place": place, "text": "x".repeat(1000)});
            json!({"name": "work", "data": data, "retries": 100})
        };
        let tasks: Value = (0..3).map(task).collect();
        server.post("/worker/enqueue/group", &tasks).await
    };
    let (mut enqueued, mut refused) = (Vec::new(), Vec::new());
    for number in 0..1000 {
        let batch = format!("b{number}");
        let answer = enqueue(&batch).await;
        if answer.status() == 200 {
            enqueued.extend(answer.json::<Vec<String>>().await.unwrap());
        } else {
            assert_error(answer, 507, "STORAGE_FULL").await;
            refused.push(batch);
        }
        if refused.len() == 20 {
            break;
        }
    }
    assert_eq!(refused.len(), 20, "2 MiB never fill");
    assert!(!enqueued.is_empty());
    unload(&server).await;
    let last = enqueue("last").await.json::<Vec<String>>().await.unwrap();
    enqueued.extend(last);
    for id in &enqueued {
        let mut task = Value::Null;
        // What could not be written down comes again when its time is over.
        for _ in 0..800 {
            let path = format!("/worker/tasks/{id}");
            task = json(server.get(&path).await, 200).await;
            if task["state"] == "succeeded" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(task["state"], "succeeded", "{task}: {}", server.log());
    }
    for batch in refused {
        let path = format!("/worker/runs?batch={batch}");
        assert_eq!(json(server.get(&path).await, 200).await, json!([]));
    }
}
