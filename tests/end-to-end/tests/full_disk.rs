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
