//! Every guest behind the real host: ours, and two that do not know us, unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use reqwest::Body;
use sbd_tests::{Account, Launch, Server, Versioned, assert_error, json};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

include!(concat!(env!("OUT_DIR"), "/foreach_guest.rs"));

/// A guest without a test of its name does not compile.
macro_rules! assert_test_exists {
    ($guest:ident) => {
        const _: fn() = $guest;
    };
}

foreach_guest!(assert_test_exists);

async fn guests() -> Server {
    let launch = Launch::app(include_str!("apps/guests.toml"));
    launch
        .env("SPIN_VARIABLE_GREETING", "good morning")
        .start()
        .await
}

async fn text(server: &Server, path: &str) -> String {
    let response = server.get(path).await;
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    text
}

#[tokio::test]
async fn auth() {
    let server = guests().await;
    let ada = Account::register(&server, "ada").await;
    assert!(ada.id.starts_with("usr_"), "{}", ada.id);
}

/// What it is for is shown in `shop_sellers.rs`.
#[tokio::test]
async fn courses() {
    let server = Launch::app(include_str!("apps/courses.toml")).start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(ada.read("/api/v1/courses/lessons").await, json!([]));
}

#[tokio::test]
async fn family() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(ada.create_family("Lovelace").await["name"], "Lovelace");
}

/// What it is for is shown in `workspaces.rs`.
#[tokio::test]
async fn workspace() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(ada.read("/api/v1/workspaces").await["total"], 0);
}

/// What it is for is shown in `blobs.rs`.
#[tokio::test]
async fn files() {
    let server = Launch::app(include_str!("apps/files.toml")).start().await;
    assert_eq!(text(&server, "/files").await, "[]");
}

/// What it is for is shown in `knowledge.rs`.
#[tokio::test]
async fn knowledge() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(ada.read("/api/v1/documents").await["total"], 0);
}

/// What it is for is shown in `openai.rs`.
#[tokio::test]
async fn openai() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(ada.read("/v1/models").await["object"], "list");
}

/// Who hears it is shown in `events.rs`.
#[tokio::test]
async fn herald() {
    let server = Launch::app(include_str!("apps/herald.toml")).start().await;
    let event = json!([{"type": "thing.happened"}]);
    let answer = server.post("/herald/announce", &event).await;
    assert_eq!(json(answer, 200).await.as_array().unwrap().len(), 1);
}

/// What it is for is shown in `offers.rs`.
#[tokio::test]
async fn guarded() {
    let server = Launch::app(
        "[[trigger.http]]\nroute = \"/guarded/...\"\ncomponent = \"guarded\"\n\
         [component.guarded]\nsource = \"{guest:guarded}\"\n\
         allowed_outbound_hosts = [\"http://nobody.spin.internal\"]\n",
    );
    let server = server.start().await;
    assert_eq!(text(&server, "/guarded/open").await, "open");
    assert_error(server.get("/guarded/notes").await, 401, "UNAUTHENTICATED").await;
}

/// What it is for is shown in `events.rs`.
#[tokio::test]
async fn listener() {
    let server = Launch::app(include_str!("apps/listener.toml"));
    let server = server.start().await;
    assert_eq!(text(&server, "/publisher/seen").await, "[]");
}

/// What it is for is shown in `notes.rs`.
#[tokio::test]
async fn notes() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(ada.read("/api/v1/notes").await["total"], 0);
}

#[tokio::test]
async fn memos() {
    let server = Launch::app(include_str!("apps/notes.toml")).start().await;
    let (ada, bob) = (
        Account::register(&server, "ada").await,
        Account::register(&server, "bob").await,
    );
    let created = ada
        .post("/api/v1/notes", &json!({"text": "buy milk"}))
        .send()
        .await
        .unwrap();
    let path = created.headers()["location"].to_str().unwrap().to_owned();
    let note = json(created, 201).await;
    assert_eq!(ada.read(&path).await, note);
    assert_eq!(ada.read("/api/v1/notes").await["items"], json!([note]));
    assert_eq!(bob.read("/api/v1/notes").await["total"], 0);
    assert_error(bob.get(&path).send().await.unwrap(), 404, "NOT_FOUND").await;
}

/// What it is for is shown in `notifications.rs`.
#[tokio::test]
async fn notifications() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(ada.read("/api/v1/notifications").await["total"], 0);
}

/// What it is for is shown in `parser.rs`.
#[tokio::test]
async fn parser() {
    let server = Launch::app(include_str!("apps/parser.toml")).start().await;
    assert_eq!(server.get("/parse").await.status(), 404);
}

/// What it is for is shown in `realtime.rs`.
#[tokio::test]
async fn rooms() {
    let server = Launch::app(include_str!("apps/rooms.toml")).start().await;
    assert_eq!(text(&server, "/rooms/present/board").await, "[]");
}

#[tokio::test]
async fn spin_hello() {
    let server = guests().await;
    assert_eq!(text(&server, "/spin/hello").await, "hello from spin-sdk");
    assert_eq!(text(&server, "/spin/variable").await, "good morning");
    assert!(
        text(&server, "/spin/forbidden-store")
            .await
            .contains("AccessDenied")
    );
    server
        .wait_for_log("add it to `key_value_stores` under `[component.spin]`")
        .await;

    let counts = join_all((0..40).map(|_| text(&server, "/spin/count"))).await;
    let counts: BTreeSet<u64> = counts.iter().map(|count| count.parse().unwrap()).collect();
    assert_eq!(
        counts,
        (1..=40).collect(),
        "an increment is lost or doubled"
    );

    assert!(text(&server, "/spin/outside").await.starts_with("refused"));
    let line = r#"[\"http://wstd.spin.internal\", \"http://127.0.0.1:9\"]"#;
    server
        .wait_for_log(&format!(
            "add to [component.spin]: allowed_outbound_hosts = {line}"
        ))
        .await;
}

/// What it is for is shown in `spin.rs`.
#[tokio::test]
async fn spin_older() {
    let server = Launch::app(
        "[[trigger.http]]\nroute = \"/older/...\"\ncomponent = \"older\"\n\
         [component.older]\nsource = \"{guest:spin-older}\"\n\
         allowed_outbound_hosts = [\"http://nobody.spin.internal\"]\n\
         variables = { greeting = \"good morning\" }\n",
    );
    let server = server.start().await;
    let greeting = text(&server, "/older/variable?name=greeting").await;
    assert_eq!(greeting, "good morning");
}

#[tokio::test]
async fn wstd_hello() {
    let server = guests().await;
    assert_eq!(text(&server, "/wstd/hello").await, "hello from wstd");
    assert_eq!(server.get("/wstd/nothing").await.status(), 404);

    let answer = server.get("/wstd/log").await;
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    server.wait_for_log("a line on stdout").await;
    let events = server.events();
    let line = events
        .iter()
        .find(|event| event["message"] == "a line on stdout")
        .unwrap();
    assert_eq!(
        (&line["component"], &line["tenant"]),
        (&json!("wstd"), &json!("default"))
    );
    assert_eq!(line["request_id"], id);
}

/// What it is asked is in `toolchains.rs`.
#[tokio::test]
async fn spin5_hello() {
    let server = Launch::app(
        "[[trigger.http]]\nroute = \"/spin5/...\"\ncomponent = \"spin5\"\n\
         [component.spin5]\nsource = \"{guest:spin5-hello}\"\n",
    );
    let server = server.start().await;
    assert_eq!(text(&server, "/spin5/hello").await, "hello");
}

/// What it is for is shown in `schedules.rs`.
#[tokio::test]
async fn ticker() {
    let server = Launch::app(include_str!("apps/ticker.toml")).start().await;
    assert_eq!(server.get("/ticker/ticks/skip").await.status(), 200);
}

/// What it is for is shown in `shop.rs`.
#[tokio::test]
async fn shop() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(ada.read("/api/v1/shop/cart").await["total"], 0);
}

/// What it is for is shown in `tasks.rs`.
#[tokio::test]
async fn worker() {
    let server = Launch::app(include_str!("apps/worker.toml")).start().await;
    assert_eq!(text(&server, "/worker/runs").await, "[]");
}

/// What it is for is shown in `wallet.rs`.
#[tokio::test]
async fn wallet() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    assert_eq!(ada.read("/api/v1/wallet").await["balance"], 0);
}

/// What it is for is shown in `wasi02.rs`.
#[tokio::test]
async fn wasi02() {
    let server = Launch::app(include_str!("apps/wasi02.toml")).start().await;
    assert_eq!(text(&server, "/wasi02/hello").await, "hello");
}

#[tokio::test]
async fn a_body_streams_through_a_component() {
    let server = guests().await;
    let chunk = |n: u8| vec![n; 1 << 20];
    let (sender, receiver) = futures::channel::mpsc::unbounded::<std::io::Result<Vec<u8>>>();
    let request = server
        .client
        .post(server.at("/wstd/echo"))
        .body(Body::wrap_stream(receiver));
    sender.unbounded_send(Ok(chunk(0))).unwrap();
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);

    // The first bytes come back while the request is still being sent.
    let mut echoed = answer.chunk().await.unwrap().unwrap().to_vec();
    assert!(!echoed.is_empty());
    for n in 1..5 {
        sender.unbounded_send(Ok(chunk(n))).unwrap();
    }
    drop(sender);
    while let Some(bytes) = answer.chunk().await.unwrap() {
        echoed.extend_from_slice(&bytes);
    }
    let sent: Vec<u8> = (0..5).flat_map(chunk).collect();
    assert!(
        echoed == sent,
        "{} of {} bytes came back",
        echoed.len(),
        sent.len()
    );

    let large = server
        .client
        .post(server.at("/wstd/echo"))
        .body(vec![0; 9 << 20]);
    if let Ok(refused) = large.send().await {
        assert_error(refused, 413, "BODY_TOO_LARGE").await;
    }
}

#[tokio::test]
async fn components_call_each_other_over_both_versions_of_wasi() {
    let server = guests().await;
    assert_eq!(text(&server, "/spin/chain").await, "hello from wstd");
    assert_eq!(text(&server, "/wstd/chain").await, "hello from spin-sdk");
    assert_eq!(
        text(&server, "/probe/chain?to=wstd&path=/wstd/hello").await,
        "hello from wstd"
    );
    let there_and_back =
        "/probe/chain?to=probe2&path=/probe/chain%3Fto%3Dprobe%26path%3D/probe/variable";
    assert_eq!(text(&server, there_and_back).await, "good morning");
}

#[tokio::test]
async fn the_caller_goes_along_and_cannot_be_forged() {
    let server = guests().await;
    let ada = Account::register(&server, "ada").await;
    let chained = ada
        .get("/probe/chain?to=probe2&path=/probe/whoami")
        .send()
        .await
        .unwrap();
    let id = chained.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let seen = json(chained, 200).await;
    assert_eq!(seen["caller"]["user"], ada.id);
    assert_eq!(seen["caller"]["username"], "ada");
    assert_eq!(seen["caller"]["via"], "probe");
    assert_eq!(
        (&seen["request_id"], &seen["tenant"]),
        (&json!(id), &json!("default"))
    );

    // Who calls last is who calls; and nobody, who comes from outside.
    let there = "/probe/chain%3Fto%3Dprobe%26path%3D/probe/whoami";
    for (path, via) in [
        (
            format!("/probe/chain?to=probe2&path={there}"),
            json!("probe2"),
        ),
        ("/probe/whoami".to_owned(), Value::Null),
    ] {
        let seen = json(ada.get(&path).send().await.unwrap(), 200).await;
        assert_eq!(seen["caller"]["via"], via, "{path}");
    }

    let anonymous = server
        .get("/probe/chain?to=probe2&path=/probe/whoami")
        .await;
    assert_eq!(json(anonymous, 200).await["caller"], Value::Null);

    let forged = ada
        .get("/probe/forge?to=probe2&path=/probe/whoami")
        .send()
        .await
        .unwrap();
    assert_error(forged, 500, "INTERNAL").await;
    server.wait_for_log("not issued by this host").await;
}

#[tokio::test]
async fn the_trace_goes_along() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let server = guests().await;
    let chained = server.at("/probe/chain?to=probe2&path=/probe/trace");
    let traced = server.client.get(&chained).header("traceparent", TRACE);
    assert_eq!(json(traced.send().await.unwrap(), 200).await, TRACE);
    let nonsense = server.client.get(&chained).header("traceparent", "mine");
    for untraced in [nonsense, server.client.get(&chained)] {
        let untraced = untraced.send().await.unwrap();
        assert_eq!(json(untraced, 200).await, Value::Null);
    }
}

#[tokio::test]
async fn what_is_not_granted_cannot_be_called() {
    let server = guests().await;
    let refused = server
        .get("/probe/chain?to=auth&path=/api/v1/auth/me")
        .await;
    assert_error(refused, 500, "INTERNAL").await;
    let line = r#"[\"http://probe2.spin.internal\", \"http://wstd.spin.internal\", \"http://auth.spin.internal\"]"#;
    server
        .wait_for_log(&format!(
            "add to [component.probe]: allowed_outbound_hosts = {line}"
        ))
        .await;
    for path in ["/-/openapi.json", "/%2D/openapi.json", "//-/openapi.json"] {
        let reserved = server
            .get(&format!("/probe/chain?to=probe2&path={path}"))
            .await;
        assert_ne!(
            reserved.status(),
            200,
            "{path} of another component was reached"
        );
    }
}

#[tokio::test]
async fn probe() {
    let server = guests().await;
    assert_eq!(text(&server, "/probe/variable").await, "good morning");
    let trapped = server.get("/probe/trap").await;
    assert_error(trapped, 500, "INTERNAL").await;
    assert_eq!(
        json(server.get("/probe/whoami").await, 200).await["tenant"],
        "default"
    );
    assert_eq!(
        server.metric("sbd_component_traps_total", "probe").await,
        1.0
    );
}

#[tokio::test]
async fn memory_has_a_limit() {
    let server = guests().await;
    let refused = assert_error(server.get("/probe/hoard").await, 507, "LIMIT_EXCEEDED").await;
    let named = json!([{"field": "limits.memory", "message": "64MiB"}]);
    assert_eq!(refused["error"]["details"], named);
    assert_eq!(text(&server, "/probe/variable").await, "good morning");
}

#[tokio::test]
async fn a_chain_without_end_is_cut() {
    let server = guests().await;
    let path = "/probe/chain?to=probe2&path=/probe/endless%3Fto%3Dprobe2";
    let refused = assert_error(server.get(path).await, 429, "LIMIT_EXCEEDED").await;
    let named = json!([{"field": "limits.call_depth", "message": "16"}]);
    assert_eq!(refused["error"]["details"], named);
    assert_eq!(text(&server, "/probe/variable").await, "good morning");
}

#[tokio::test]
async fn a_busy_loop_ends_and_others_answer_meanwhile() {
    let server = guests().await;
    text(&server, "/spin/hello").await;
    let begun = Instant::now();
    let looping = server.begin("/probe/loop");
    let mut meanwhile = 0;
    while !looping.is_finished() {
        text(&server, "/spin/hello").await;
        meanwhile += 1;
    }
    assert_error(looping.await.unwrap().unwrap(), 504, "TIMEOUT").await;
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "the loop ran {:?}",
        begun.elapsed()
    );
    assert!(meanwhile >= 2, "others waited for the loop");
}

#[tokio::test]
async fn waiting_too_long_is_a_timeout_and_costs_nobody_else() {
    let server = guests().await;
    let slow = server.get("/probe/sleep?ms=60000").await;
    assert_error(slow, 504, "TIMEOUT").await;
    assert_eq!(text(&server, "/probe/sleep?ms=1").await, "rested");
}

#[tokio::test]
async fn more_requests_than_allowed_are_refused_at_once() {
    let server = Launch::app(include_str!("apps/one_at_a_time.toml"))
        .start()
        .await;
    let first = server.begin("/probe/log?line=first&wait_ms=3000");
    server.wait_for_log("before first").await;
    let second = server.get("/probe/whoami").await;
    assert_eq!(second.headers()["retry-after"], "1");
    assert_error(second, 503, "OVERLOADED").await;
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.get("/probe/whoami").await.status(), 200);
}

#[tokio::test]
async fn log_lines_name_the_right_request_when_requests_overlap_in_one_instance() {
    let server = guests().await;
    let log = |n: usize| {
        let path = format!("/probe/log?line=line-{n}-&wait_ms={}", 50 + n * 7 % 40);
        let request = server.client.get(server.at(&path)).send();
        async move {
            let answer = request.await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.headers()["x-request-id"]
                .to_str()
                .unwrap()
                .to_owned()
        }
    };
    let ids = join_all((0..24).map(log)).await;
    server
        .wait_for("48 lines", || lines(&server).len() == 48)
        .await;
    let lines = lines(&server);
    for (n, id) in ids.iter().enumerate() {
        for when in ["before", "after"] {
            let said = format!("{when} line-{n}-");
            let line = lines.iter().find(|line| line["message"] == said).unwrap();
            assert_eq!(line["request_id"], *id, "{said}");
            assert_eq!(line["component"], "logger");
        }
    }
    // One instance answered several at once: some `before` stands between another's two lines.
    let first_after = lines
        .iter()
        .position(|line| line["message"].as_str().unwrap().starts_with("after"));
    assert!(first_after.unwrap() > 1, "no two requests overlapped");
}

fn lines(server: &Server) -> Vec<Value> {
    let mut events = server.events();
    events.retain(|event| {
        event["component"] == "logger" && event["message"].as_str().unwrap().contains("line-")
    });
    events
}

#[tokio::test]
async fn versioned() {
    let server = Launch::app(Versioned::manifest()).start().await;
    let answer = server.get("/versioned/version").await;
    assert_eq!(answer.headers()["x-version"], "0000");
}

#[tokio::test]
async fn switched() {
    let launch = Launch::app(include_str!("apps/switched.toml"));
    let server = launch.start().await;
    assert_eq!(text(&server, "/api/v1/switched/whole?ms=0").await, "whole");
}
