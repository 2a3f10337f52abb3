use crate::server::{PATIENCE, Server, error, parts, read_to_end};
use reqwest::{Method, Version};
use sbd_gateway::GatewayConfig;
use serde_json::Value;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn http2_by_prior_knowledge_shares_the_listener() {
    let server = Server::start().await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let response = client
        .post(server.url("/echo/x?a=b"))
        .bearer_auth("ada.1.user")
        .body("four")
        .send()
        .await
        .unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    let echo: Value = response.json().await.unwrap();
    assert_eq!(
        (echo["body"].as_u64(), echo["caller"].as_str()),
        (Some(4), Some("ada"))
    );
    assert_eq!(echo["headers"]["spin-full-url"], server.url("/echo/x?a=b"));

    let many: Vec<_> = (0..50)
        .map(|n| tokio::spawn(client.get(server.url(&format!("/echo/{n}"))).send()))
        .collect();
    for request in many {
        assert_eq!(request.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(
        error(
            client.get(server.url("/nowhere")).send().await.unwrap(),
            404
        )
        .await,
        "NOT_FOUND"
    );
    assert_eq!(server.get("/echo/x").await.version(), Version::HTTP_11);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start().await;
    let http2 = reqwest::Client::builder()
        .http2_prior_knowledge()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    for client in [&server.client, &http2] {
        for path in ["/", "/robots.txt", "/openapi.json", "/docs/swagger-ui.css"] {
            let get = client.get(server.url(path)).send().await.unwrap();
            let head = client
                .request(Method::HEAD, server.url(path))
                .send()
                .await
                .unwrap();
            assert_eq!(head.status(), 200, "{path}");
            let length = get.bytes().await.unwrap().len().to_string();
            assert_eq!(head.headers()["content-length"], length.as_str(), "{path}");
            assert!(head.bytes().await.unwrap().is_empty(), "{path}");
        }
    }
}

#[tokio::test]
async fn shutdown_finishes_what_is_under_way() {
    let mut server = Server::start().await;
    let slow = tokio::spawn(server.request(Method::GET, "/echo/wait").send());
    server.fake.arrived.notified().await;
    // An idle connection must not hold the shutdown up.
    let mut idle = server.connect().await;
    server.stop();
    let refused = async {
        while tokio::net::TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("nobody new is let in");
    assert_eq!(read_to_end(&mut idle).await, "");
    server.fake.release.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    server.stopped().await;
}

#[tokio::test]
async fn shutdown_cuts_what_does_not_finish() {
    let shutdown_grace = Duration::from_millis(100);
    let mut server = Server::with(GatewayConfig {
        shutdown_grace,
        ..GatewayConfig::default()
    })
    .await;
    let slow = tokio::spawn(server.request(Method::GET, "/echo/wait").send());
    server.fake.arrived.notified().await;
    let dropped = std::sync::Arc::clone(&server.fake.dropped);
    server.stop();
    server.stopped().await;
    assert!(slow.await.unwrap().is_err());
    assert_eq!(dropped.load(SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /echo/wait HTTP/1.1\r\nhost: h\r\n\r\n")
        .await
        .unwrap();
    server.fake.arrived.notified().await;
    assert_eq!(server.fake.dropped.load(SeqCst), 0);
    drop(stream);
    let ended = async {
        while server.fake.dropped.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("the request is dropped");
}

#[tokio::test]
async fn clients_that_say_nothing_or_too_little_are_let_go() {
    let idle_timeout = Duration::from_millis(100);
    let server = Server::with(GatewayConfig {
        idle_timeout,
        ..GatewayConfig::default()
    })
    .await;
    for words in ["", "PRI * HT", "GET /echo/x HTTP/1.1\r\nhost:"] {
        let mut stream = server.connect().await;
        stream.write_all(words.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(!answer.contains("200"), "{words:?}: {answer}");
    }
    assert_eq!(server.fake.reached.load(SeqCst), 0);
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_let_go() {
    let server = Server::with(GatewayConfig {
        take_timeout: Duration::from_millis(200),
        ..GatewayConfig::default()
    })
    .await;
    let ask = b"GET /echo/endless HTTP/1.1\r\nhost: h\r\n\r\n";
    let mut taking = server.connect().await;
    taking.write_all(ask).await.unwrap();
    let mut stuck = server.connect().await;
    stuck.write_all(ask).await.unwrap();
    // One reads on, however long it takes; the other does not, and its answer is dropped.
    let mut part = vec![0; 1 << 20];
    let begun = std::time::Instant::now();
    while server.fake.dropped.load(SeqCst) == 0 {
        assert!(begun.elapsed() < PATIENCE, "the answer is kept");
        assert!(taking.read(&mut part).await.unwrap() > 0);
    }
    for _ in 0..100 {
        assert!(taking.read(&mut part).await.unwrap() > 0);
    }
    assert_eq!(server.fake.dropped.load(SeqCst), 1);
}

#[tokio::test]
async fn a_connection_is_kept_while_it_works_and_closed_when_idle() {
    let server = Server::with(GatewayConfig {
        idle_timeout: Duration::from_millis(100),
        ..GatewayConfig::default()
    })
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /echo/wait HTTP/1.1\r\nhost: h\r\n\r\n")
        .await
        .unwrap();
    server.fake.arrived.notified().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.fake.release.notify_one();
    // Nobody asked for it to be closed, so that it ends is the time-out's doing.
    let (status, head, _) = parts(&read_to_end(&mut stream).await);
    assert_eq!(status, 200);
    assert!(!head.contains("connection: close"), "{head}");
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /nothing HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 4000000\r\n\r\n")
        .await
        .unwrap();
    // The refusal is on its way before the body; none of these writes may fail for that.
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        stream.write_all(&[b'x'; 100_000]).await.unwrap();
    }
    assert_eq!(parts(&read_to_end(&mut stream).await).0, 404);
}

#[tokio::test]
async fn connections_past_the_limit_wait_for_a_place() {
    let server = Server::with(GatewayConfig {
        max_connections: 1,
        ..GatewayConfig::default()
    })
    .await;
    let mut first = server.connect().await;
    first
        .write_all(b"GET /echo/wait HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    server.fake.arrived.notified().await;
    let second = tokio::spawn(server.request(Method::GET, "/echo/x").send());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        server.fake.reached.load(SeqCst),
        1,
        "the second is not served yet"
    );
    server.fake.release.notify_one();
    assert_eq!(parts(&read_to_end(&mut first).await).0, 200);
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
}
