//! Blobs as a component uses them: whole or not there, replaced at once, read as they are sent.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::stream;
use http_body_util::BodyExt as _;
use sbd_sdk::testing::App;
use sbd_sdk::{Component, Error, NoContent, Path, Result, blobs, operation};
use std::io;

/// Keeps a file.
#[operation(put "/files/{name}")]
async fn keep_file(Path(name): Path<String>, body: Body) -> Result<NoContent> {
    blobs::put(&format!("files/{name}"), "text/plain", body).await?;
    Ok(NoContent)
}

/// Reads a file.
#[operation(get "/files/{name}", refuses(not_found))]
async fn read_file(Path(name): Path<String>) -> Result<Response> {
    let found = blobs::stream(&format!("files/{name}"), ..).await?;
    let (blob, body) = found.ok_or_else(|| Error::not_found("file"))?;
    Ok(([("content-type", blob.content_type)], body).into_response())
}

fn app() -> App {
    App::new(Component::new().operations("files", [keep_file(), read_file()]))
}

/// More than a piece, in parts of other sizes.
fn large() -> (Vec<u8>, Body) {
    let parts: Vec<_> = (0..60u8).map(|part| vec![part; 10_007]).collect();
    let frames = parts
        .clone()
        .into_iter()
        .map(|part| Ok::<_, io::Error>(Bytes::from(part)));
    (parts.concat(), Body::from_stream(stream::iter(frames)))
}

#[test]
fn what_is_put_is_read_again() {
    let app = app();
    let (content, body) = large();
    let ada = app.anonymous();
    ada.upload("PUT", "/files/large", "text/plain", body)
        .assert_status(204);
    let read = ada.get("/files/large").assert_status(200);
    assert_eq!(read.header("content-length"), Some("600420"));
    assert!(read.bytes() == content);
    ada.upload("PUT", "/files/empty", "text/plain", "")
        .assert_status(204);
    assert_eq!(ada.get("/files/empty").assert_status(200).bytes(), b"");
    ada.get("/files/none").assert_refused(404, "NOT_FOUND");
    assert_eq!(app.blobs(), ["files/empty", "files/large"]);
    assert_eq!(app.blobs_begun(), 0);
}

#[test]
fn ranges_are_those_of_rust() {
    let app = app();
    app.run(async {
        blobs::put("n", "text/plain", Body::from("0123456789"))
            .await
            .unwrap();
        let part = async |range: (std::ops::Bound<u64>, std::ops::Bound<u64>)| {
            let (_, body) = blobs::stream("n", range).await.unwrap().unwrap();
            String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
        };
        use std::ops::Bound::{Excluded, Included, Unbounded};
        assert_eq!(part((Included(2), Excluded(5))).await, "234");
        assert_eq!(part((Included(2), Included(5))).await, "2345");
        assert_eq!(part((Included(8), Unbounded)).await, "89");
        assert_eq!(part((Unbounded, Included(u64::MAX))).await, "0123456789");
        assert_eq!(part((Included(99), Unbounded)).await, "");
    });
}

#[test]
fn what_breaks_off_is_not_kept() {
    let app = app();
    let frames = [
        Ok(Bytes::from(vec![1; 300_000])),
        Err(io::Error::other("gone")),
    ];
    let broken = Body::from_stream(stream::iter(frames));
    let put = app
        .anonymous()
        .upload("PUT", "/files/x", "text/plain", broken);
    put.assert_refused(400, "MALFORMED_REQUEST");
    assert_eq!((app.blobs(), app.blobs_begun()), (Vec::new(), 0));

    // Whoever does not wait any more.
    let endless = Body::from_stream(stream::pending::<io::Result<Bytes>>());
    app.run(async {
        let put = std::pin::pin!(blobs::put("x", "text/plain", endless));
        assert!(futures::poll!(put).is_pending());
    });
    assert_eq!((app.blobs(), app.blobs_begun()), (Vec::new(), 0));
}

#[test]
fn what_is_replaced_while_it_is_read_breaks_off() {
    let app = app();
    app.run(async {
        let (_, body) = large();
        blobs::put("n", "text/plain", body).await.unwrap();
        let (_, mut body) = blobs::stream("n", ..).await.unwrap().unwrap();
        body.frame().await.unwrap().unwrap();
        blobs::put("n", "text/plain", Body::from("other"))
            .await
            .unwrap();
        assert!(body.frame().await.unwrap().is_err());
        assert!(body.frame().await.is_none());
    });
}

#[test]
fn pages_and_prefixes() {
    let app = app();
    app.run(async {
        for name in ["a/1", "a/2", "a/3", "b/1"] {
            blobs::put(name, "text/plain", Body::from(name))
                .await
                .unwrap();
        }
        let names = |page: &blobs::Page| {
            let names = page.blobs.iter().map(|blob| blob.name.clone());
            names.collect::<Vec<_>>()
        };
        let first = blobs::list("a/", None, 2).await.unwrap();
        assert_eq!(names(&first), ["a/1", "a/2"]);
        let rest = blobs::list("a/", first.next, 2).await.unwrap();
        assert_eq!((names(&rest), rest.next), (vec!["a/3".to_owned()], None));
        assert_eq!(blobs::delete_all("a/").await.unwrap(), 3);
        assert!(blobs::delete("b/1").await.unwrap());
        assert!(!blobs::delete("b/1").await.unwrap());
        for wrong in ["", "/", "a//b", "../a", "a/.", &"x".repeat(513)] {
            assert!(blobs::head(wrong).await.is_err(), "{wrong}");
        }
        assert!(blobs::delete_all("").await.is_err());
    });
}
