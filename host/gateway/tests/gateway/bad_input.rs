use crate::server::{Server, parts, read_to_end, standard};
use std::sync::atomic::Ordering::SeqCst;
use tokio::io::AsyncWriteExt as _;

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

/// The code of a refusal in the standard form.
fn code(head: &str, body: &str) -> String {
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "));
    assert!(
        head.contains("\r\ncontent-type: application/json"),
        "{head}"
    );
    assert!(
        head.contains("\r\nx-content-type-options: nosniff"),
        "{head}"
    );
    assert!(head.contains("\r\ndate: "), "{head}");
    standard(&serde_json::from_str(body).unwrap(), id.expect(head))
}

#[tokio::test]
async fn broken_requests_get_400_and_do_no_harm() {
    let server = Server::start().await;
    for (what, bytes, expected) in TABLE {
        let answer = server.raw(bytes).await;
        let (status, head, body) = parts(&answer);
        assert_eq!(status, expected, "{what}: {answer:?}");
        assert_eq!(code(&head, &body), "MALFORMED_REQUEST", "{what}");
        assert!(head.contains("\r\nconnection: close"), "{what}: {head}");
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
    assert_eq!(code(&head, &body), "MALFORMED_REQUEST");
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

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_in_the_standard_form() {
    let server = Server::start().await;
    let path = |bytes| format!("GET /{} HTTP/1.1\r\nhost: h\r\n", "a".repeat(bytes));
    let field = |bytes| {
        format!(
            "GET /echo/x HTTP/1.1\r\nhost: h\r\nx: {}\r\n",
            "a".repeat(bytes)
        )
    };
    let many = format!(
        "GET /echo/x HTTP/1.1\r\nhost: h\r\n{}",
        "a: b\r\n".repeat(200)
    );
    for (head, expected) in [
        (path(9_000), (414, "URI_TOO_LONG")),
        (path(65_530), (414, "URI_TOO_LONG")),
        (path(65_540), (414, "URI_TOO_LONG")),
        (path(1_000_000), (431, "HEADERS_TOO_LARGE")),
        (field(65_600), (431, "HEADERS_TOO_LARGE")),
        (field(1_000_000), (431, "HEADERS_TOO_LARGE")),
        (many, (431, "HEADERS_TOO_LARGE")),
    ] {
        let answer = server.raw(format!("{head}connection: close\r\n\r\n")).await;
        let (status, head, body) = parts(&answer);
        assert_eq!(status, expected.0, "{answer:?}");
        assert_eq!(code(&head, &body), expected.1);
    }
}

#[tokio::test]
async fn a_refusal_comes_after_the_answers_before_it() {
    let server = Server::start().await;
    let good = "GET /echo/x HTTP/1.1\r\nhost: h\r\n\r\n";
    let answers = server.raw(format!("{good}{good}no HTTP\r\n\r\n")).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    let refusal = &answers[answers.rfind("HTTP/1.1 ").unwrap()..];
    let (status, head, body) = parts(refusal);
    assert_eq!(status, 400, "{answers}");
    assert_eq!(code(&head, &body), "MALFORMED_REQUEST");
}

#[tokio::test]
async fn lengths_that_are_not_kept_are_refused_and_the_connection_closed() {
    let server = Server::start().await;
    let post =
        |head: &str, body: &str| format!("POST /echo/x HTTP/1.1\r\nhost: h\r\n{head}\r\n{body}");

    // Shorter than said.
    let mut stream = server.connect().await;
    let short = post("content-length: 10\r\n", "abc");
    stream.write_all(short.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let (status, head, body) = parts(&read_to_end(&mut stream).await);
    assert_eq!(status, 400, "{head}");
    assert_eq!(code(&head, &body), "MALFORMED_REQUEST");

    // Longer than said: the rest is no request.
    let answers = server
        .raw(post("content-length: 1\r\n", "abc def\r\n\r\n"))
        .await;
    let (status, head, body) = parts(&answers[answers.rfind("HTTP/1.1 ").unwrap()..]);
    assert_eq!(status, 400, "{answers}");
    assert_eq!(code(&head, &body), "MALFORMED_REQUEST");

    for lengths in [
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: 1, 2\r\n",
        "content-length: 1, 1\r\n",
        "content-length: +1\r\n",
        "content-length: 0x1\r\n",
        "content-length: 1 1\r\n",
        "content-length:\r\n",
        "content-length: 99999999999999999999999\r\n",
        "transfer-encoding: gzip, chunked, gzip\r\n",
        "content-length: 1\r\ntransfer-encoding: identity\r\n",
    ] {
        let answer = server.raw(post(lengths, "a")).await;
        let (status, head, body) = parts(&answer);
        assert_eq!(status, 400, "{lengths}: {answer}");
        assert_eq!(code(&head, &body), "MALFORMED_REQUEST", "{lengths}");
    }

    // Chunks count, and nothing that comes behind is taken for a request (RFC 9112, 6.3).
    let chunks = "1\r\na\r\n0\r\n\r\nGET /echo/smuggled HTTP/1.1\r\nhost: h\r\n\r\n";
    for lengths in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
    ] {
        let answer = server.raw(post(lengths, chunks)).await;
        let (status, head, body) = parts(&answer);
        assert_eq!(status, 200, "{answer}");
        assert!(head.contains("\r\nconnection: close"), "{head}");
        let echo: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(echo["body"], 1);
        assert_eq!(echo["headers"]["content-length"], serde_json::Value::Null);
    }
}
