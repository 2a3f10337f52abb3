//! Guests of WASI 0.2 are treated by its rules: an instance answers one request at a time, its body ends
//! with its request, its errors are named. What holds for those of 0.3 too is asked of both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use sbd_tests::{Application, Launch, Server, assert_error, guest, run};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const APP: &str = include_str!("apps/wasi02.toml");

async fn server() -> Server {
    Launch::app(APP).start().await
}

async fn text(server: &Server, path: &str) -> String {
    let response = server.get(path).await;
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    text
}

/// Nobody takes the part that came for the whole, if any came.
async fn assert_cut(answer: reqwest::Result<reqwest::Response>) {
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.is_err(), "a part was taken for all");
    }
}

/// The access log's status of the only request for a path.
async fn logged_status(server: &Server, path: &str) -> Value {
    let logged = || {
        let mut events = server.events().into_iter();
        events.find(|event| event["path"] == path && !event["status"].is_null())
    };
    server
        .wait_for("an access log line", || logged().is_some())
        .await;
    logged().unwrap()["status"].clone()
}

#[tokio::test]
async fn what_was_not_granted_is_denied_when_it_is_asked_for() {
    let server = server().await;
    assert_eq!(text(&server, "/wasi02/hello").await, "hello");
    let denied = text(&server, "/wasi02/outside").await;
    assert_eq!(denied, "ErrorCode::HttpRequestDenied");
    let line = r#"add to [component.wasi02]: allowed_outbound_hosts = [\"http://example.com\"]"#;
    server.wait_for_log(line).await;
}

#[test]
fn a_check_says_what_a_component_would_like_and_how_often_it_is_reused() {
    let app = Application::new(APP);
    let data = tempfile::tempdir().unwrap();
    let manifest = app.manifest().display().to_string();
    let data = data.path().display().to_string();
    let checked = run(&["check", "--app", &manifest, "--data-dir", &data], &[], "");
    assert!(checked.success, "{}", checked.stderr);
    for line in [
        "wasi02: granted nothing\n             would like allowed_outbound_hosts, and is denied it:",
        "one instance answers 128 requests, one at a time: what Rust makes is known to bear it",
        "one instance answers one request, then it is thrown away: the manifest says so",
        "one instance answers 128 requests, 16 at a time: guests of WASI 0.3 are made for it",
    ] {
        assert!(checked.stdout.contains(line), "{line}: {}", checked.stdout);
    }
    let file = guest("wasi02").display().to_string();
    let inspected = run(&["component", "inspect", &file], &[], "");
    let words = "would like, and is denied where it is not granted\n  allowed_outbound_hosts";
    assert!(inspected.stdout.contains(words), "{}", inspected.stdout);
}

#[tokio::test]
async fn an_instance_answers_one_request_at_a_time_and_as_many_as_the_manifest_says() {
    let server = server().await;
    let hello = join_all((0..20).map(|_| text(&server, "/wasi02/hello"))).await;
    assert_eq!(hello, ["hello"; 20]);
    for _ in 0..3 {
        assert_eq!(text(&server, "/wasi02/count").await, "1");
    }
    let many = APP.replace("reuse_requests = 1", "reuse_requests = 3");
    let server = Launch::app(&many).start().await;
    let mut counts = Vec::new();
    for _ in 0..6 {
        counts.push(text(&server, "/wasi02/count").await);
    }
    assert_eq!(counts, ["1", "2", "3", "1", "2", "3"]);
}

#[tokio::test]
async fn an_error_or_no_answer_ends_the_request_at_once_and_is_named() {
    let server = server().await;
    text(&server, "/wasi02/hello").await;
    let begun = Instant::now();
    for _ in 0..10 {
        assert_error(server.get("/wasi02/code").await, 500, "INTERNAL").await;
        assert_error(server.get("/wasi02/nothing").await, 500, "INTERNAL").await;
    }
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "each waits a second for news that do not come"
    );
    server
        .wait_for_log("the component answered ErrorCode::ConnectionTimeout")
        .await;
    server.wait_for_log("it returned without an answer").await;
    // Whoever answers an error is at work; only who traps is lost.
    assert_eq!(text(&server, "/wasi02/hello").await, "hello");
    assert_error(server.get("/wasi02/trap").await, 500, "INTERNAL").await;
    assert_eq!(text(&server, "/wasi02/hello").await, "hello");
}

#[tokio::test]
async fn a_body_ends_with_its_request_and_is_cut_where_the_guest_failed() {
    let server = server().await;
    assert_eq!(text(&server, "/wasi02/unfinished").await, "begun");
    for path in ["/wasi02/break", "/probe/break"] {
        assert_cut(server.client.get(server.at(path)).send().await).await;
        assert_eq!(logged_status(&server, path).await, 500, "{path}");
        server.wait_for_log("the body of an answer broke off").await;
    }
}

#[tokio::test]
async fn a_guest_may_answer_for_longer_than_its_answer_may_take_to_begin() {
    let server = server().await;
    let slowly = text(&server, "/wasi02/slowly?times=20&ms=100").await;
    assert_eq!(slowly, "tick".repeat(20));
}

#[tokio::test]
async fn an_answer_of_another_length_than_it_says_is_an_error_or_cut() {
    let manifest = format!(
        "{APP}\n[[trigger.http]]\nroute = \"/false-length/...\"\ncomponent = \"false-length\"\n\
         [component.false-length]\nsource = \"{{guest:false-length}}\"\n"
    );
    let server = Launch::app(&manifest).start().await;
    for path in ["/wasi02/length", "/false-length/run"] {
        let ask = |announced: usize, sent: usize| {
            server
                .client
                .get(server.at(&format!("{path}?announced={announced}&sent={sent}")))
                .send()
        };
        let right = ask(5, 5).await.unwrap();
        assert_eq!(right.headers()["content-length"], "5");
        assert_eq!(right.text().await.unwrap(), "xxxxx");
        for (announced, sent) in [(10, 5), (5, 10), (0, 5), (1000, 0)] {
            assert_error(ask(announced, sent).await.unwrap(), 500, "INTERNAL").await;
        }
        server.wait_for_log("shorter than its content-length").await;
        // Too much to hold back: what has been sent is sent, and nobody takes it for all.
        let long = 1 << 20;
        assert!(ask(long, long).await.unwrap().bytes().await.unwrap().len() == long);
        assert_cut(ask(long, long / 2).await).await;
        let statuses = || -> Vec<Value> {
            let events = server.events().into_iter();
            let asked = events.filter(|event| event["path"] == path);
            asked.map(|event| event["status"].clone()).collect()
        };
        server
            .wait_for("the last status", || statuses().len() == 7)
            .await;
        let right = json!(200);
        assert_eq!(
            statuses().iter().filter(|status| **status == right).count(),
            2
        );
        // The answer to HEAD has no body, whatever it says of it.
        let head = server
            .client
            .head(server.at(&format!("{path}?announced=9&sent=0")));
        let head = head.send().await.unwrap();
        assert_eq!(head.status(), 200);
    }
}

#[tokio::test]
async fn who_leaves_is_never_counted_against_a_component() {
    let server = server().await;
    // More often than the component may fail.
    for _ in 0..6 {
        let mut pouring = server.get("/wasi02/pour").await;
        assert!(pouring.chunk().await.unwrap().is_some());
        drop(pouring);
        let cut = server
            .raw_cut("POST /wasi02/drain HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nsome")
            .await;
        assert!(cut.is_none_or(|reply| reply.status == 400));
    }
    assert_eq!(text(&server, "/wasi02/hello").await, "hello");
    assert_eq!(
        server.metric("sbd_component_traps_total", "wasi02").await,
        0.0
    );
    // A failure of its own is one.
    for _ in 0..3 {
        assert_error(server.get("/wasi02/trap").await, 500, "INTERNAL").await;
    }
    assert_error(server.get("/wasi02/hello").await, 503, "OVERLOADED").await;
}
