//! What other components see.

use super::{fixture, read_fixture};
use axum::body::{Body, Bytes};
use document::lines::{self, Reader};
use http::{Request, StatusCode, header};
use sbd_sdk::About;

fn ask(address: &str, content_type: &str, body: Vec<u8>) -> (StatusCode, Option<String>, Bytes) {
    let app = crate::component().build(About {
        name: "parser",
        version: "0",
        description: "",
    });
    let request = Request::post(address).header(header::CONTENT_TYPE, content_type);
    let request = request.body(Body::from(body)).unwrap();
    futures::executor::block_on(async {
        let (parts, body) = app.respond(request).await.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.map(|value| value.to_str().unwrap().to_owned());
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, content_type, body)
    })
}

#[test]
fn a_document_comes_as_lines() {
    let (status, content_type, body) = ask(
        "/parse?name=report.docx",
        "application/octet-stream",
        fixture("report.docx"),
    );
    assert_eq!(status, 200);
    assert_eq!(content_type.as_deref(), Some(lines::CONTENT_TYPE));
    let mut reader = Reader::new();
    let blocks = reader.push(&body).unwrap();
    let document = reader.finish().unwrap();
    assert_eq!((document, blocks), read_fixture("report.docx"));
}

#[test]
fn a_declared_type_counts_where_there_is_no_name() {
    let (status, _, body) = ask(
        "/parse",
        "text/csv; charset=latin1",
        b"a,b\n\xe4,\xf6\n".to_vec(),
    );
    assert_eq!(status, 200);
    let blocks = Reader::new().push(&body).unwrap();
    assert_eq!(
        blocks[0].content.to_string(),
        "| a | b |\n| --- | --- |\n| ä | ö |"
    );
}

#[test]
fn what_is_not_read_is_refused_with_what_to_do() {
    let (status, _, body) = ask(
        "/parse?name=a.png",
        "image/png",
        b"\x89PNG\r\n\x1a\n".to_vec(),
    );
    assert_eq!(status, 415);
    assert!(String::from_utf8_lossy(&body).contains("put them into a PDF"));
}

#[test]
fn a_page_comes_as_a_picture() {
    let (status, content_type, body) = ask(
        "/draw?page=2&dpi=72",
        "application/pdf",
        fixture("scan.pdf"),
    );
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    assert_eq!(content_type.as_deref(), Some("image/png"));
    assert!(body.starts_with(b"\x89PNG"));
    let (status, ..) = ask("/draw?page=9", "application/pdf", fixture("scan.pdf"));
    assert_eq!(status, 404);
}
