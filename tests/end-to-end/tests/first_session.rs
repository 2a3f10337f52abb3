//! What a first user meets, against the application in the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use reqwest::{Method, Response, StatusCode};
use sbd_tests::{Account, Launch, PASSWORD, Server, assert_error, json, run};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

#[tokio::test]
async fn two_users_one_family() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;

    let family = ada.create_family("Lovelace").await;
    let id = family["id"].as_str().unwrap();
    assert!(id.starts_with("fam_"), "{family}");

    let list = ada.read("/api/v1/families").await;
    assert_eq!(
        (list["total"].as_u64(), list["items"][0]["id"].as_str()),
        (Some(1), Some(id)),
        "{list}"
    );
    let list = bob.read("/api/v1/families").await;
    assert_eq!(list["total"], 0, "{list}");

    let path = format!("/api/v1/families/{id}");
    assert_eq!(ada.get(&path).send().await.unwrap().status(), 200);
    assert_error(bob.get(&path).send().await.unwrap(), 404, "NOT_FOUND").await;
    assert_error(
        bob.request(Method::DELETE, &path).send().await.unwrap(),
        404,
        "NOT_FOUND",
    )
    .await;
    assert_error(server.get(&path).await, 401, "UNAUTHENTICATED").await;

    let members = ada.read(&format!("{path}/members")).await;
    assert_eq!(members["items"][0]["role"], "admin", "{members}");

    let metrics = server.metrics().await;
    assert!(
        metrics.contains("http_requests_total") && metrics.contains("/api/v1/families"),
        "{metrics}"
    );
    assert_eq!(
        server.get("/metrics").await.status(),
        404,
        "metrics are for the admin listener only"
    );
}

#[tokio::test]
async fn logout_counts_at_once_and_a_lost_answer_to_a_refresh_is_given_again() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(
        ada.get("/api/v1/auth/me").send().await.unwrap().status(),
        200
    );
    let out = ada
        .post("/api/v1/auth/logout", &json!({}))
        .send()
        .await
        .unwrap();
    assert!(out.status().is_success());
    assert_error(
        ada.get("/api/v1/auth/me").send().await.unwrap(),
        401,
        "TOKEN_INVALID",
    )
    .await;

    let ada = Account::login(&server, "ada").await;
    let first = json(refresh(&server, &ada.refresh).await, 200).await;
    let second = first["refresh_token"].as_str().unwrap();
    let again = json(refresh(&server, &ada.refresh).await, 200).await;
    assert_eq!(again["refresh_token"], second);
    json(refresh(&server, second).await, 200).await;
    ada.read("/api/v1/auth/me").await;
}

async fn refresh(server: &Server, token: &str) -> Response {
    server
        .post("/api/v1/auth/refresh", &json!({"refresh_token": token}))
        .await
}

#[tokio::test]
async fn many_parallel_refreshes_get_the_same_successor() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let answers = join_all((0..8).map(|_| refresh(&server, &ada.refresh))).await;
    let mut successors = Vec::new();
    for answer in answers {
        let tokens = json(answer, 200).await;
        let access = tokens["access_token"].as_str().unwrap();
        let me = server.client.get(format!("{}/api/v1/auth/me", server.url));
        let me = me.bearer_auth(access).send().await.unwrap();
        assert_eq!(me.status(), 200);
        successors.push(tokens["refresh_token"].as_str().unwrap().to_owned());
    }
    successors.dedup();
    assert_eq!(successors.len(), 1);
    json(refresh(&server, &successors[0]).await, 200).await;
}

#[tokio::test]
async fn concurrent_changes_and_repeated_requests_lose_and_double_nothing() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let body = json!({"name": "Once"});
    let create = || {
        ada.post("/api/v1/families", &body)
            .header("idempotency-key", "k-1")
    };
    let first = json(create().send().await.unwrap(), 201).await;
    assert_eq!(json(create().send().await.unwrap(), 201).await, first);
    let other = ada
        .post("/api/v1/families", &json!({"name": "Twice"}))
        .header("idempotency-key", "k-1");
    assert_error(other.send().await.unwrap(), 422, "IDEMPOTENCY_KEY_REUSED").await;

    let path = format!("/api/v1/families/{}", first["id"].as_str().unwrap());
    let etag = ada.get(&path).send().await.unwrap().headers()["etag"].clone();
    let rename = |name: &str| {
        ada.request(Method::PUT, &path)
            .header("if-match", etag.clone())
            .json(&json!({"name": name}))
            .send()
    };
    let renamed = join_all([rename("A"), rename("B"), rename("C"), rename("D")]).await;
    let statuses: Vec<StatusCode> = renamed
        .into_iter()
        .map(|answer| answer.unwrap().status())
        .collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 412).count(),
        3,
        "{statuses:?}"
    );
    let unchanged = ada
        .get(&path)
        .header("if-none-match", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(unchanged.status(), 200, "it has changed since");
    assert_eq!(
        ada.request(Method::DELETE, &path)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_error(ada.get(&path).send().await.unwrap(), 404, "NOT_FOUND").await;
}

#[tokio::test]
async fn names_are_unique_without_regard_to_case_and_existence_does_not_show_at_login() {
    let server = Server::start().await;
    Account::register(&server, "Ada").await;
    let register = json!({"username": "aDA", "email": "x@example.com", "password": PASSWORD});
    let taken = server.post("/api/v1/auth/register", &register).await;
    assert_error(taken, 409, "CONFLICT").await;
    Account::login(&server, "ADA@EXAMPLE.COM").await;
    let mut answers = Vec::new();
    for identifier in ["ada", "nobody"] {
        let body = json!({"identifier": identifier, "password": "Wrong-password-1"});
        let refused = server.post("/api/v1/auth/login", &body).await;
        let mut refused = assert_error(refused, 401, "INVALID_CREDENTIALS").await;
        refused["error"]["request_id"] = Value::Null;
        answers.push(refused);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn administrators_come_from_the_command_line_or_the_environment_only() {
    let server = Server::start().await;
    let data = server.data().display().to_string();
    let ada = Account::register(&server, "ada").await;
    assert_error(ada.get("/health").send().await.unwrap(), 403, "FORBIDDEN").await;
    let entered = format!("{PASSWORD}\n");
    let made = run(
        &["admin", "create", "root@example.com", "--data-dir", &data],
        &[],
        &entered,
    );
    assert!(made.success, "{made:?}");
    let root = Account::login(&server, "root@example.com").await;
    assert_eq!(root.read("/health").await["status"], "ok");
    let weak = run(
        &["admin", "create", "weak@example.com", "--data-dir", &data],
        &[],
        "weak\n",
    );
    assert!(
        !weak.success && weak.stderr.contains("password"),
        "{weak:?}"
    );
    drop(server);

    // Without a running server the command works on the directory itself.
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let made = run(
        &["admin", "create", "solo@example.com", "--data-dir", &data],
        &[],
        &entered,
    );
    assert!(made.success, "{made:?}");
    let server = Launch::default().start_in(Arc::new(folder)).await;
    Account::login(&server, "solo@example.com").await;
    drop(server);

    let launch = Launch::default().env("SBD_ADMIN_EMAIL", "head@example.com");
    let server = launch.env("SBD_ADMIN_PASSWORD", PASSWORD).start().await;
    let head = Account::login(&server, "head@example.com").await;
    assert_eq!(head.get("/health").send().await.unwrap().status(), 200);
    assert!(!server.log().contains(PASSWORD), "a password is in the log");
}

#[tokio::test]
async fn the_pages_that_say_what_runs_here() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz", "/", "/docs"] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
    let api = json(server.get("/openapi.json").await, 200).await;
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{api}");
    for path in [
        "/api/v1/auth/register",
        "/api/v1/auth/login",
        "/api/v1/families",
        "/api/v1/families/{id}/members",
    ] {
        assert!(api["paths"][path].is_object(), "{path} is missing");
    }
    let keys = json(server.get("/.well-known/jwks.json").await, 200).await;
    assert_eq!(keys["keys"][0]["kty"], "OKP", "{keys}");
    assert!(keys["keys"][0]["d"].is_null(), "a private key is public");
}

#[tokio::test]
async fn what_the_host_answers_itself_is_described_and_answers() {
    let server = Server::start().await;
    let api = json(server.get("/openapi.json").await, 200).await;
    let (mut ids, mut hosts) = (HashSet::new(), Vec::new());
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "two operations are called {id}");
            if ["tasks", "realtime"]
                .map(Value::from)
                .contains(&operation["tags"][0])
            {
                hosts.push((method.as_str(), path.as_str()));
            }
        }
    }
    hosts.sort_by_key(|(_, path)| *path);
    assert_eq!(
        hosts,
        [
            ("get", "/api/v1/realtime"),
            ("post", "/api/v1/realtime/tickets"),
            ("get", "/api/v1/tasks"),
            ("get", "/api/v1/tasks/{id}"),
            ("post", "/api/v1/tasks/{id}/cancel"),
            ("get", "/api/v1/tasks/{id}/stream"),
        ]
    );
    for (method, path) in hosts {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let path = server.at(&path.replace("{id}", "tsk_1"));
        let answer = server.client.request(method, path).send().await.unwrap();
        assert_error(answer, 401, "UNAUTHENTICATED").await;
    }
    // The host's errors and tokens have the form of everybody's, so that none has another name.
    let components = api["components"].as_object().unwrap();
    let names = components
        .values()
        .flat_map(|section| section.as_object().unwrap().keys());
    let renamed: Vec<_> = names.filter(|name| name.starts_with("host_")).collect();
    assert_eq!(renamed, Vec::<&String>::new());
}
