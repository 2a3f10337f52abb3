//! Answers that do not end by themselves.

use crate::server::{PATIENCE, Server, error};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use reqwest::{Method, Response};
use sbd_gateway::{GatewayConfig, HostRequest, HostRoute};
use sbd_manifest::RateLimit;
use sbd_runtime::{Body, body};
use std::time::Duration;

/// Sends some bytes, then nothing more and no end.
fn silent(pattern: &str, kind: &'static str, first: &'static str) -> HostRoute {
    HostRoute::new(pattern, move |_: HostRequest| async move {
        use futures::StreamExt as _;
        let first = Frame::data(Bytes::from_static(first.as_bytes()));
        let first = futures::stream::iter([Ok::<_, body::BodyError>(first)]);
        let parts = first.chain(futures::stream::pending());
        let body: Body = StreamBody::new(parts).boxed_unsync();
        let response = http::Response::builder().header("content-type", kind);
        Ok(response.body(body).unwrap())
    })
}

/// Sends the same bytes again and again.
fn endless(pattern: &str, kind: &'static str, part: &'static str) -> HostRoute {
    HostRoute::new(pattern, move |_: HostRequest| async move {
        let parts = futures::stream::unfold((), move |()| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let frame = Frame::data(Bytes::from_static(part.as_bytes()));
            Some((Ok::<_, body::BodyError>(frame), ()))
        });
        let body: Body = StreamBody::new(Box::pin(parts)).boxed_unsync();
        let response = http::Response::builder().header("content-type", kind);
        Ok(response.body(body).unwrap())
    })
}

fn config() -> GatewayConfig {
    GatewayConfig {
        host_routes: vec![
            silent("/events", "text/event-stream; charset=utf-8", "data: 1\n\n"),
            silent("/half", "Text/Event-Stream", "data: 1\n\ndata: 2"),
            silent("/open", "application/x-ndjson", "{}\n"),
            endless("/ticks", "text/event-stream", "data: 1\n\n"),
            endless("/log", "text/plain", "line\n"),
        ],
        // Longer than anybody's patience: what ends in time was not cut with all the rest.
        shutdown_grace: 3 * PATIENCE,
        ..GatewayConfig::default()
    }
}

fn client(http2: bool) -> reqwest::Client {
    let client = reqwest::Client::builder().timeout(2 * PATIENCE);
    match http2 {
        true => client.http2_prior_knowledge(),
        false => client,
    }
    .build()
    .unwrap()
}

/// Reads to the end, or to where it is cut.
async fn rest(mut answer: Response) -> (String, bool) {
    let mut text = String::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            Ok(None) => return (text, true),
            Err(_) => return (text, false),
        }
    }
}

#[tokio::test]
async fn streams_of_events_end_at_once_when_the_server_stops() {
    for http2 in [false, true] {
        let mut server = Server::with(config()).await;
        let client = client(http2);
        let open = async |path: &str| {
            let mut answer = client.get(server.url(path)).send().await.unwrap();
            assert!(answer.chunk().await.unwrap().is_some());
            answer
        };
        let (events, half, ticks) = (
            open("/events").await,
            open("/half").await,
            open("/ticks").await,
        );
        // An answer that ends by itself does so.
        let slow = tokio::spawn(client.get(server.url("/echo/wait")).send());
        server.fake.arrived.notified().await;
        server.stop();
        assert_eq!(
            rest(events).await,
            (": the server stops\n\n".to_owned(), true)
        );
        assert_eq!(rest(half).await, (String::new(), true));
        let (ticks, ended) = rest(ticks).await;
        assert!(
            ended && ticks.ends_with(": the server stops\n\n"),
            "{ticks:?}"
        );
        server.fake.release.notify_one();
        assert_eq!(slow.await.unwrap().unwrap().status(), 200);
        server.stopped().await;
    }
}

#[tokio::test]
async fn what_may_end_by_itself_is_waited_for_a_little_and_then_cut() {
    for http2 in [false, true] {
        let mut server = Server::with(config()).await;
        let client = client(http2);
        let open = client.get(server.url("/open")).send().await.unwrap();
        let log = client.get(server.url("/log")).send().await.unwrap();
        server.stop();
        // Nobody takes the part for the whole.
        assert_eq!(rest(open).await, ("{}\n".to_owned(), false));
        assert!(!rest(log).await.1);
        server.stopped().await;
    }
}

#[tokio::test]
async fn heads_that_do_not_come_do_not_hold_up_a_stop() {
    use tokio::io::AsyncWriteExt as _;
    let mut server = Server::with(config()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /echo/x HTTP/1.1\r\nhos")
        .await
        .unwrap();
    assert_eq!(server.get("/healthz").await.status(), 200);
    server.stop();
    server.stopped().await;
}

#[tokio::test]
async fn open_streams_keep_no_other_request_waiting() {
    let server = Server::with(GatewayConfig {
        rate_limit: Some(RateLimit {
            per_second: 1000,
            burst: 1000,
            at_once: 2,
        }),
        ..config()
    })
    .await;
    let get = async |path: &str| server.request(Method::GET, path).send().await.unwrap();
    let mut open = Vec::new();
    for path in [
        "/events", "/ticks", "/events", "/open", "/open", "/log", "/log",
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        open.push(answer);
        assert_eq!(get("/echo/x").await.status(), 200, "beside {path}");
    }
    // They are counted nevertheless.
    let refused = loop {
        let answer = get("/events").await;
        if answer.status() != 200 {
            break answer;
        }
        open.push(answer);
        assert!(open.len() <= 66);
    };
    assert!(open.len() >= 62, "{}", open.len());
    assert_eq!(error(refused, 429).await, "RATE_LIMITED");
    drop(open);
    let again = async {
        while get("/events").await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again)
        .await
        .expect("a place is free");
}
