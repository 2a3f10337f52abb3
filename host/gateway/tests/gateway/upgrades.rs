//! Connections that leave HTTP.

use crate::server::{PATIENCE, Server, parts, read_to_end, standard};
use reqwest::Method;
use sbd_gateway::{GatewayConfig, HostRequest, HostRoute};
use sbd_manifest::RateLimit;
use sbd_runtime::body;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ASK: &str = "GET /api/v1/socket HTTP/1.1\r\nhost: h\r\nconnection: keep-alive, Upgrade\r\nupgrade: other, echo\r\n";

/// Speaks `echo` with those who ask for it, and says goodbye when the server stops.
fn socket() -> HostRoute {
    HostRoute::new("/api/v1/socket", |request: HostRequest| async move {
        let stopping = request.stopping;
        match request.upgrade {
            Some(upgrade) if upgrade.is_to("echo") => {
                upgrade.accept("echo".parse().unwrap(), async move |mut connection| {
                    let mut chunk = [0; 1024];
                    loop {
                        tokio::select! {
                            read = connection.read(&mut chunk) => match read {
                                Ok(0) | Err(_) => return,
                                Ok(read) => connection.write_all(&chunk[..read]).await.unwrap(),
                            },
                            () = stopping.cancelled() => {
                                return connection.write_all(b"bye").await.unwrap();
                            }
                        }
                    }
                })
            }
            _ => Ok(http::Response::new(body::full("HTTP as ever"))),
        }
    })
}

fn config() -> GatewayConfig {
    GatewayConfig {
        host_routes: vec![socket()],
        // Longer than anybody's patience: what ends in time was not cut.
        shutdown_grace: 3 * PATIENCE,
        ..GatewayConfig::default()
    }
}

/// Asks for the upgrade, and returns the answer's head too.
async fn asked(server: &Server, more: &str) -> (TcpStream, String) {
    let mut stream = server.connect().await;
    let request = format!("{ASK}\r\n{more}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await;
        head.push(byte.expect("an answer").unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

async fn upgraded(server: &Server) -> TcpStream {
    let (mut stream, head) = asked(server, "").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(echoed(&mut stream, "ready").await, "ready");
    stream
}

async fn echoed(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut back = vec![0; text.len()];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut back)).await;
    read.expect("an echo").unwrap();
    String::from_utf8(back).unwrap()
}

#[tokio::test]
async fn a_handler_of_the_host_takes_the_connection_over() {
    let server = Server::with(GatewayConfig {
        idle_timeout: Duration::from_millis(100),
        take_timeout: Duration::from_millis(100),
        ..config()
    })
    .await;
    // What the client says without waiting for the answer belongs to the new protocol.
    let (mut stream, head) = asked(&server, "early ").await;
    let (status, head, _) = parts(&head);
    assert_eq!(status, 101, "{head}");
    assert!(head.contains("\r\nconnection: upgrade"), "{head}");
    assert!(head.contains("\r\nupgrade: echo"), "{head}");
    assert!(head.contains("\r\nx-request-id: req_"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    assert_eq!(echoed(&mut stream, "bird").await, "earl");
    let mut rest = [0; 6];
    stream.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"y bird");
    // The time-outs are HTTP's.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(echoed(&mut stream, "late").await, "late");
}

#[tokio::test]
async fn an_upgrade_that_nobody_answers_is_http_as_ever() {
    let server = Server::with(config()).await;
    let upgrades = [
        "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "upgrade: echo\r\n",
    ];
    for upgrade in upgrades {
        for path in ["/echo/x", "/api/v1/socket", "/openapi.json", "/healthz"] {
            let first = format!("GET {path} HTTP/1.1\r\nhost: h\r\n{upgrade}\r\n");
            let second = "GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
            let answers = server.raw(format!("{first}{second}")).await;
            assert!(answers.starts_with("HTTP/1.1 200 "), "{path}: {answers}");
            assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
        }
    }
    // Neither behind a body, which would have to be read first, nor in HTTP/1.0.
    let body = format!("{ASK}content-length: 4\r\n\r\nfour");
    let close = "GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let answers = server.raw(format!("{body}{close}")).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
    let old = ASK
        .replace("HTTP/1.1", "HTTP/1.0")
        .replace("keep-alive, ", "");
    let answer = server.raw(format!("{old}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[tokio::test]
async fn one_too_many_is_refused_while_requests_go_on() {
    let server = Server::with(GatewayConfig {
        max_upgraded: 1,
        ..config()
    })
    .await;
    let first = upgraded(&server).await;
    let close = "connection: close\r\n\r\n";
    let (status, head, body) = parts(&server.raw(format!("{ASK}{close}")).await);
    assert_eq!(status, 503, "{head}");
    assert!(head.contains("\r\nretry-after: 5"), "{head}");
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "));
    let body = serde_json::from_str(&body).unwrap();
    assert_eq!(standard(&body, id.unwrap()), "OVERLOADED");
    assert_eq!(server.get("/echo/x").await.status(), 200);
    assert_eq!(server.get("/api/v1/socket").await.status(), 200);
    // Its place is free once it has ended.
    drop(first);
    let free = async {
        while !asked(&server, "").await.1.contains(" 101 ") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, free)
        .await
        .expect("a place is free");
}

#[tokio::test]
async fn nobody_takes_all_places() {
    let server = Server::with(config()).await;
    let mut open = Vec::new();
    let refusal = loop {
        let (stream, head) = asked(&server, "").await;
        if !head.contains(" 101 ") {
            break head;
        }
        open.push(stream);
    };
    assert_eq!(open.len(), 64);
    assert!(refusal.starts_with("HTTP/1.1 429 "), "{refusal}");
    let mut user = server.connect().await;
    let ask = format!("{ASK}authorization: Bearer ada.1.user\r\n\r\n");
    user.write_all(ask.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    user.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
}

#[tokio::test]
async fn an_upgraded_connection_takes_no_place_of_http() {
    let server = Server::with(GatewayConfig {
        max_connections: 1,
        rate_limit: Some(RateLimit {
            per_second: 1000,
            burst: 1000,
            at_once: 1,
        }),
        ..config()
    })
    .await;
    let mut first = upgraded(&server).await;
    let mut second = upgraded(&server).await;
    let request = "GET /echo/x HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    assert_eq!(parts(&server.raw(request).await).0, 200);
    assert_eq!(echoed(&mut first, "still").await, "still");
    assert_eq!(echoed(&mut second, "here").await, "here");
}

#[tokio::test]
async fn an_upgraded_connection_ends_with_the_server() {
    let mut server = Server::with(config()).await;
    let mut stream = upgraded(&server).await;
    server.stop();
    assert_eq!(read_to_end(&mut stream).await, "bye");
    server.stopped().await;
}

#[tokio::test]
async fn an_upgraded_connection_that_does_not_end_is_cut() {
    let route = HostRoute::new("/api/v1/socket", |request: HostRequest| async move {
        let upgrade = request.upgrade.unwrap();
        upgrade.accept("echo".parse().unwrap(), async |mut connection| {
            connection.write_all(b"here").await.unwrap();
            std::future::pending::<()>().await;
        })
    });
    let mut server = Server::with(GatewayConfig {
        host_routes: vec![route],
        shutdown_grace: Duration::from_millis(100),
        ..GatewayConfig::default()
    })
    .await;
    let (mut stream, _) = asked(&server, "").await;
    server.stop();
    server.stopped().await;
    assert_eq!(read_to_end(&mut stream).await, "here");
}

#[tokio::test]
async fn upgraded_connections_are_measured() {
    let metrics = sbd_telemetry::Metrics::install().unwrap();
    let server = Server::with(config()).await;
    let mut stream = upgraded(&server).await;
    let rendered = metrics.render();
    let open = rendered
        .lines()
        .find_map(|line| line.strip_prefix("http_upgraded_connections "));
    let open: f64 = open.expect(&rendered).parse().unwrap();
    assert!(open >= 1.0, "{open}");
    assert_eq!(echoed(&mut stream, "open").await, "open");
    // The request ended with its answer.
    let expected = r#"route="/api/v1/socket",status="101""#;
    let counted = async {
        while !metrics.render().contains(expected) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, counted)
        .await
        .expect("the request is counted");
    assert_eq!(
        server
            .request(Method::GET, "/healthz")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}
