use crate::server::{Server, parts, standard};
use std::sync::atomic::Ordering::SeqCst;

/// Bytes as a broken or hostile client sends them, and the status that answers them.
const TABLE: [(&str, &str, u16); 14] = [
    ("no HTTP", "hello\r\n\r\n", 400),
    ("no version", "GET /echo/x\r\n\r\n", 400),
    ("unknown version", "GET /echo/x HTTP/9.9\r\n\r\n", 400),
    (
        "space in the path",
        "GET /echo/a b HTTP/1.1\r\nhost: h\r\n\r\n",
        400,
    ),
    (
        "header without colon",
        "GET /echo/x HTTP/1.1\r\nhost h\r\n\r\n",
        400,
    ),
    (
        "NUL in a header",
        "GET /echo/x HTTP/1.1\r\nhost: h\r\na: \0\r\n\r\n",
        400,
    ),
    (
        "two lengths",
        "POST /echo/x HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        400,
    ),
    (
        "length that is no number",
        "POST /echo/x HTTP/1.1\r\nhost: h\r\ncontent-length: x\r\n\r\n",
        400,
    ),
    (
        "negative length",
        "POST /echo/x HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n",
        400,
    ),
    (
        "unknown encoding",
        "POST /echo/x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: x\r\n\r\n",
        400,
    ),
    (
        "no path",
        "OPTIONS * HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        400,
    ),
    (
        "a tunnel",
        "CONNECT h:80 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        400,
    ),
    (
        "a chunk length that is none",
        "POST /echo/x HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
        400,
    ),
    (
        "a chunk longer than said",
        "POST /echo/x HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        400,
    ),
];

#[tokio::test]
async fn broken_requests_get_400_and_do_no_harm() {
    let server = Server::start().await;
    for (what, bytes, expected) in TABLE {
        let answer = server.raw(bytes).await;
        let (status, head, body) = parts(&answer);
        assert_eq!(status, expected, "{what}: {answer:?}");
        // hyper answers what is no HTTP by itself, without a body; the rest is ours.
        if let Some(id) = head
            .lines()
            .find_map(|line| line.strip_prefix("x-request-id: "))
        {
            let body = serde_json::from_str(&body).unwrap();
            assert_eq!(standard(&body, id), "MALFORMED_REQUEST", "{what}");
        } else {
            assert!(body.is_empty(), "{what}: {answer:?}");
        }
    }
    assert_eq!(server.get("/echo/x").await.status(), 200);
}

#[tokio::test]
async fn broken_chunking_is_answered_in_the_standard_form() {
    let server = Server::start().await;
    let head = "POST /echo/x HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = server.raw(format!("{head}5\r\nhello\r\nNOT-HEX\r\n")).await;
    let (status, head, body) = parts(&answer);
    assert_eq!(status, 400, "{answer:?}");
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "))
        .unwrap();
    assert_eq!(
        standard(&serde_json::from_str(&body).unwrap(), id),
        "MALFORMED_REQUEST"
    );
    assert_eq!(
        server.fake.reached.load(SeqCst),
        1,
        "it broke while the guest was reading"
    );
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_no_path() {
    let server = Server::start().await;
    let answer = server
        .raw(b"GET /echo/\xff\xfe HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(parts(&answer).0, 400, "{answer:?}");
}
