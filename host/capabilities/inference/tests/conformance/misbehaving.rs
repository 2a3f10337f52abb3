//! Servers that answer nonsense, stop in the middle, or never: whoever asked gets exactly one end, soon,
//! and nothing is left behind.

use crate::openai::{counted, events, finished, text};
use crate::scripted::{Asked, Scripted, Step, head, json};
use crate::tenants::{Host, model};
use sbd_inference::Limits;
use sbd_inference::model::{Error, Finish, Piece};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(300);

fn limits() -> Limits {
    Limits {
        first_token: SHORT,
        between_tokens: SHORT,
        ..Limits::default()
    }
}

/// A host whose only model answers by this script.
async fn host(script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> (Scripted, Host) {
    let server = Scripted::start(move |asked| match asked.path.as_str() {
        "/v1/models" => json(
            "200 OK",
            &json!({"data": [{"id": "talker"}, {"id": "embed"}]}),
        ),
        _ => script(asked),
    })
    .await;
    let host = Host::open(vec![model("local", &server.v1(), limits())]).await;
    (server, host)
}

fn begun(rest: Vec<Step>) -> Vec<Step> {
    let mut steps = vec![
        head("200 OK", "text/event-stream"),
        Step::Send(format!("data: {}\n\n", text("Par"))),
    ];
    steps.extend(rest);
    steps
}

#[tokio::test]
async fn every_answer_has_one_end_and_says_what_went_wrong() {
    let send = |text: &str| Step::Send(text.to_owned());
    let call = json!({"choices": [{"delta": {"tool_calls": [
        {"index": 0, "id": "a", "function": {"name": "weather", "arguments": "{\"city\""}},
    ]}}]});
    let cases: Vec<(&str, Vec<Step>, &str)> = vec![
        (
            "no JSON",
            begun(vec![send("data: {oops\n\n")]),
            "not understood",
        ),
        (
            "another JSON",
            begun(vec![send("data: {\"choices\":\"none\"}\n\n")]),
            "not understood",
        ),
        (
            "a page",
            vec![head("200 OK", "text/html"), send("<h1>Hello</h1>")],
            "not understood",
        ),
        (
            "a whole answer that is none",
            json("200 OK", &json!({"ok": true})),
            "no answer",
        ),
        ("cut between events", begun(vec![]), "no end"),
        (
            "cut in an event",
            begun(vec![send("data: {\"choi")]),
            "not understood",
        ),
        (
            "cut in a chunk of HTTP",
            vec![send(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nffff\r\ndata: ",
            )],
            "broke off",
        ),
        (
            "an error after the beginning",
            begun(vec![send(
                "data: {\"error\":{\"message\":\"out of memory\"}}\n\n",
            )]),
            "out of memory",
        ),
        (
            "a call with no JSON",
            events(&[call, finished("tool_calls")]),
            "no JSON",
        ),
        (
            "an error of the server",
            json("500 Internal Server Error", &json!({"error": "boom"})),
            "boom",
        ),
        (
            "an answer that is refused",
            json(
                "400 Bad Request",
                &json!({"error": {"message": "too long"}}),
            ),
            "too long",
        ),
        (
            "a key that is refused",
            json("401 Unauthorized", &json!({})),
            "key_file",
        ),
        ("no words of HTTP", vec![send("hello\r\n\r\n")], "127.0.0.1"),
        ("silence", vec![Step::Never], "did not answer for 0.3 s"),
        (
            "silence behind the head",
            vec![head("200 OK", "text/event-stream"), Step::Never],
            "did not answer for 0.3 s",
        ),
        (
            "silence in the middle",
            begun(vec![Step::Never]),
            "did not answer for 0.3 s",
        ),
        (
            "comments for ever",
            begun(vec![Step::Endless(": ping\n\n".to_owned())]),
            "did not answer for 0.3 s",
        ),
        (
            "empty pieces for ever",
            begun(vec![Step::Endless(format!("data: {}\n\n", text("")))]),
            "did not answer for 0.3 s",
        ),
    ];
    for (what, steps, says) in cases {
        let (server, host) = host(move |_| steps.clone()).await;
        let begun = Instant::now();
        let pieces = host.ask("acme", "Hello").await;
        assert!(begun.elapsed() < 10 * SHORT, "{what}");
        let ends = pieces.iter().filter(|piece| piece.is_last()).count();
        let Some(Piece::Failed(error)) = pieces.last() else {
            unreachable!("{what}: {pieces:?}");
        };
        assert_eq!(ends, 1, "{what}: {pieces:?}");
        assert!(error.to_string().contains(says), "{what}: {error}");
        server.is_left().await;
    }
}

#[tokio::test]
async fn a_line_and_an_answer_have_bounds() {
    let endless = "x".repeat(1 << 20);
    let (_server, long) = host(move |_| begun(vec![Step::Endless(endless.clone())])).await;
    let pieces = long.ask("acme", "Hello").await;
    assert!(
        matches!(pieces.last(), Some(Piece::Failed(error)) if error.to_string().contains("4 MiB"))
    );
    let much = format!("data: {}\n\n", text(&"tea ".repeat(1 << 18)));
    let (_server, much) = host(move |_| begun(vec![Step::Endless(much.clone())])).await;
    let pieces = much.ask("acme", "Hello").await;
    assert!(
        matches!(pieces.last(), Some(Piece::Failed(Error::Limit(_)))),
        "{:?}",
        pieces.last()
    );
}

#[tokio::test]
async fn whoever_leaves_stops_the_work() {
    let (server, host) =
        host(|_| begun(vec![Step::Endless(format!("data: {}\n\n", text("tea ")))])).await;
    let mut pieces = host.begin("acme", "Hello").await.unwrap();
    while !matches!(pieces.recv().await, Some(Piece::Text(_))) {}
    drop(pieces);
    server.is_left().await;
    // Also one who does not read any more.
    let mut pieces = host.begin("acme", "Hello").await.unwrap();
    assert!(pieces.recv().await.is_some());
    server.is_left().await;
}

#[tokio::test]
async fn who_asks_to_be_asked_again_is_and_who_takes_long_is_not_waited_for() {
    let asked = AtomicUsize::new(0);
    let (server, again) = host(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => vec![Step::Send(
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"
                .to_owned(),
        )],
        1 => json(
            "503 Service Unavailable",
            &json!({"error": {"message": "Loading model"}}),
        ),
        _ => events(&[text("Paris."), finished("stop"), counted()]),
    })
    .await;
    // Two pauses are more than a short deadline allows.
    let pieces = again
        .with(Limits::default(), &server)
        .await
        .ask("acme", "Hello")
        .await;
    assert!(
        matches!(pieces.last(), Some(Piece::End(end)) if end.finish == Finish::Stop),
        "{pieces:?}"
    );
    assert_eq!(server.asked("/v1/chat/completions").len(), 3);
    let (server, later) = host(|_| {
        vec![Step::Send(
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n"
                .to_owned(),
        )]
    })
    .await;
    let pieces = later.ask("acme", "Hello").await;
    assert!(
        matches!(pieces.last(), Some(Piece::Failed(Error::Busy(text))) if text.contains("60 s")),
        "{pieces:?}"
    );
    assert_eq!(server.asked("/v1/chat/completions").len(), 1);
}

#[tokio::test]
async fn what_was_begun_is_not_asked_again() {
    let (server, host) = host(|_| begun(vec![])).await;
    host.ask("acme", "Hello").await;
    assert_eq!(server.asked("/v1/chat/completions").len(), 1);
}

#[tokio::test]
async fn who_fails_again_and_again_is_left_alone_for_a_while() {
    let (server, host) = host(|_| json("500 Internal Server Error", &json!({}))).await;
    for _ in 0..5 {
        host.ask("acme", "Hello").await;
    }
    let refused = host.begin("acme", "Hello").await;
    assert!(matches!(refused, Err(Error::Unavailable(text)) if text.contains("left alone")));
    assert_eq!(server.asked("/v1/chat/completions").len(), 5);
}

#[tokio::test]
async fn vectors_that_are_none_are_refused() {
    for (vectors, says) in [
        (
            json!([{"index": 0, "embedding": [1.0, 0.0]}]),
            "fewer vectors",
        ),
        (
            json!([{"index": 0, "embedding": [0.0]}, {"index": 1, "embedding": [1.0]}]),
            "are none",
        ),
        (
            json!([{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]),
            "are none",
        ),
        (json!("none"), "not understood"),
    ] {
        let (_server, host) = host(move |_| json("200 OK", &json!({"data": vectors}))).await;
        let texts = vec!["one".to_owned(), "two".to_owned()];
        let error = host.embed("acme", texts).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn where_nobody_is_there_it_is_said_and_the_key_is_not() {
    let nowhere = "http://127.0.0.1:9/v1".parse().unwrap();
    let backend = sbd_inference::OpenAi::new(&nowhere, Some("sk-secret")).unwrap();
    let backend = backend.declaring(&["talker".to_owned()].into(), &Default::default());
    let configured = sbd_inference::Configured {
        name: "away".to_owned(),
        backend: std::sync::Arc::new(backend),
        limits: limits(),
    };
    let host = Host::open(vec![configured]).await;
    let error = host
        .begin_with("acme", "Hello", Some("away/talker"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(!error.to_string().contains("sk-secret"), "{error}");
}
