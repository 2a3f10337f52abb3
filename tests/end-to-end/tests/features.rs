//! What is switched off is not there, for this tenant or user, from one moment to the next.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, Launch, Server, assert_error, json};
use serde_json::{Value, json};

const WHOLE: &str = "/api/v1/switched/whole?ms=0";
const PART: &str = "/api/v1/switched/part/1";
const CHAINED: &str = "/probe/chain?to=switched&path=/api/v1/switched/whole%3Fms=0";

async fn start() -> Server {
    Launch::app(include_str!("apps/switched.toml"))
        .start()
        .await
}

async fn serves(server: &Server, path: &str) {
    let response = server.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
}

async fn off(server: &Server, path: &str) {
    let error = assert_error(server.get(path).await, 404, "FEATURE_DISABLED").await;
    let message = error["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("switched"), "{message}");
}

async fn paths(client: &reqwest::Client, server: &Server) -> Vec<String> {
    let response = client.get(server.at("/openapi.json")).send().await.unwrap();
    let document = json(response, 200).await;
    document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

async fn ask(server: &Server, account: Option<&Account>, feature: &str) -> Value {
    let path = format!("/api/v1/switched/ask?feature={feature}");
    match account {
        Some(account) => account.read(&path).await,
        None => json(server.get(&path).await, 200).await,
    }
}

#[tokio::test]
async fn a_component_that_is_off_is_off_in_this_tenant_alone() {
    let server = start().await;
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    serves(&server, WHOLE).await;
    serves(&server, CHAINED).await;
    let running = server.begin("/api/v1/switched/whole?ms=1500");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let said = server.done(&["feature", "set", "default", "switched", "off"]);
    assert!(said.contains("switched is off in default now"), "{said}");
    off(&server, WHOLE).await;
    off(&server, PART).await;
    // What calls it hears the same, and goes on.
    off(&server, CHAINED).await;
    assert_eq!(
        running.await.unwrap().unwrap().text().await.unwrap(),
        "whole"
    );
    let there = acme.get(server.at(WHOLE)).send().await.unwrap();
    assert_eq!(there.status(), 200);
    let of_switched = |paths: Vec<String>| {
        let paths = paths.into_iter();
        paths.filter(|path| path.contains("/switched/")).count()
    };
    assert_eq!(of_switched(paths(&server.client, &server).await), 0);
    assert_eq!(of_switched(paths(&acme, &server).await), 5);
    // It stays so, until it is decided otherwise.
    let server = server.restart().await;
    off(&server, WHOLE).await;
    server.done(&["feature", "set", "default", "switched", "default"]);
    serves(&server, WHOLE).await;
    assert_eq!(of_switched(paths(&server.client, &server).await), 5);
    let audit = server.done(&["audit"]);
    assert!(audit.contains("feature.set"), "{audit}");
}

#[tokio::test]
async fn a_part_is_off_by_its_routes_and_by_its_name() {
    let server = start().await;
    serves(&server, PART).await;
    assert_eq!(ask(&server, None, "part").await, true);
    server.done(&["feature", "set", "default", "switched.part", "off"]);
    off(&server, PART).await;
    // Nor by another spelling, nor by a component that is allowed to ask.
    off(&server, "/api/v1/switched/p%61rt/1").await;
    off(
        &server,
        "/probe/chain?to=switched&path=/api/v1/switched/part/1",
    )
    .await;
    serves(&server, WHOLE).await;
    assert_eq!(ask(&server, None, "part").await, false);
    assert_eq!(ask(&server, None, "switched.part").await, false);
    let paths = paths(&server.client, &server).await;
    assert!(
        !paths.contains(&"/api/v1/switched/part/{id}".to_owned()),
        "{paths:?}"
    );
    assert!(
        paths.contains(&"/api/v1/switched/whole".to_owned()),
        "{paths:?}"
    );
    // One without routes: the component asks, by the manifest it is off.
    let hidden = "/api/v1/switched/hidden";
    assert_error(server.get(hidden).await, 404, "FEATURE_DISABLED").await;
    server.done(&["feature", "set", "default", "switched.hidden", "on"]);
    serves(&server, hidden).await;
    let list = json(server.get("/api/v1/switched/list").await, 200).await;
    assert_eq!(
        list,
        json!([
            {"name": "hidden", "description": "", "state": "On"},
            {"name": "part", "description": "A part with routes of its own", "state": "Off"},
        ])
    );
    let list = server.done(&["feature", "list", "default"]);
    for line in [
        "switched.hidden                  on",
        "switched.part                    off",
    ] {
        assert!(list.contains(line), "{list}");
    }
}

#[tokio::test]
async fn a_roll_out_is_for_those_named_and_for_a_part_of_the_others() {
    let server = start().await;
    let (ada, bob) = (
        Account::register(&server, "ada").await,
        Account::register(&server, "bob").await,
    );
    let said = server.done(&[
        "feature",
        "set",
        "default",
        "switched.part",
        "on",
        "--user",
        &ada.id,
    ]);
    assert!(said.contains("on for 1 named"), "{said}");
    assert_eq!(ada.get(PART).send().await.unwrap().status(), 200);
    assert_error(bob.get(PART).send().await.unwrap(), 404, "FEATURE_DISABLED").await;
    off(&server, PART).await;
    assert_eq!(ask(&server, Some(&ada), "part").await, true);
    assert_eq!(ask(&server, Some(&bob), "part").await, false);
    // The caller goes along from component to component.
    let chained = "/probe/chain?to=switched&path=/api/v1/switched/part/1";
    assert_eq!(ada.get(chained).send().await.unwrap().status(), 200);
    assert_error(
        bob.get(chained).send().await.unwrap(),
        404,
        "FEATURE_DISABLED",
    )
    .await;
    // Some have it, so the document names it.
    let named = paths(&server.client, &server).await;
    assert!(
        named.contains(&"/api/v1/switched/part/{id}".to_owned()),
        "{named:?}"
    );
    server.done(&[
        "feature",
        "set",
        "default",
        "switched.part",
        "on",
        "--percent",
        "100",
    ]);
    assert_eq!(bob.get(PART).send().await.unwrap().status(), 200);
    serves(&server, PART).await;
}

#[tokio::test]
async fn what_cannot_be_switched_is_refused() {
    let server = start().await;
    let refused = |args: &[&str], words: &[&str]| {
        let said = server.refused(args);
        for word in words {
            assert!(said.contains(word), "{args:?}: {said}");
        }
    };
    refused(
        &["feature", "set", "default", "swiched", "off"],
        &["did you mean `switched`?"],
    );
    refused(
        &["feature", "set", "default", "part.x/../y", "off"],
        &["there is no feature"],
    );
    refused(&["feature", "set", "acme", "switched", "off"], &["acme"]);
    refused(&["feature", "set", "../x", "switched", "off"], &["../x"]);
    refused(&["feature", "list", "acme"], &["acme"]);
    refused(
        &["feature", "set", "default", "auth", "off"],
        &["nobody could sign in"],
    );
    refused(
        &["feature", "set", "default", "auth", "on", "--percent", "50"],
        &["nobody could sign in"],
    );
    refused(
        &[
            "feature",
            "set",
            "default",
            "switched",
            "off",
            "--percent",
            "5",
        ],
        &["they go with `on`"],
    );
    refused(
        &[
            "feature",
            "set",
            "default",
            "switched",
            "on",
            "--percent",
            "101",
        ],
        &["101"],
    );
    refused(
        &["feature", "set", "default", "switched", "maybe"],
        &["maybe"],
    );
    refused(
        &["feature", "set", "default", "switched", "on", "--user", ""],
        &["no user id"],
    );
    serves(&server, WHOLE).await;
    // A tenant that is made anew under the name of one that is gone has none of its switches.
    server.done(&["tenant", "create", "acme"]);
    server.done(&["feature", "set", "acme", "switched", "off"]);
    server.done(&["tenant", "delete", "acme", "--yes"]);
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    assert_eq!(
        acme.get(server.at(WHOLE)).send().await.unwrap().status(),
        200
    );
}
