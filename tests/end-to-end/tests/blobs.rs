//! Files through the real host: never whole in memory, never half on the disk, and taken along with all else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _};
use reqwest::Body;
use sbd_tests::{Launch, Server, assert_error, json, run};
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;
use tokio::task::JoinHandle;

const MIB: usize = 1 << 20;
const LARGE: usize = 50 * MIB;

async fn files() -> Server {
    Launch::app(include_str!("apps/files.toml")).start().await
}

/// Parts that differ, so that none can be taken for another.
fn part(number: usize) -> Bytes {
    let bytes = (0..MIB).map(|at| (at.wrapping_mul(31) ^ number.wrapping_mul(7919)) as u8);
    bytes.collect()
}

async fn put(server: &Server, name: &str, body: impl Into<Body>) -> Value {
    let put = server.client.put(server.at(&format!("/files/{name}")));
    let put = put.header("content-type", "text/plain").body(body);
    json(put.send().await.unwrap(), 200).await
}

async fn text(server: &Server, name: &str) -> String {
    let answer = server.get(&format!("/files/{name}")).await;
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// A file that is put as slowly as one likes.
struct Putting {
    parts: mpsc::Sender<io::Result<Bytes>>,
    answer: JoinHandle<reqwest::Result<reqwest::Response>>,
}

impl Putting {
    fn begin(server: &Server, name: &str) -> Self {
        let (parts, body) = mpsc::channel(0);
        let put = server.client.put(server.at(&format!("/files/{name}")));
        let answer = tokio::spawn(put.body(Body::wrap_stream(body)).send());
        Self { parts, answer }
    }

    async fn send(&mut self, part: Bytes) {
        self.parts.send(Ok(part)).await.unwrap();
    }

    async fn finish(self) -> Value {
        drop(self.parts);
        json(self.answer.await.unwrap().unwrap(), 200).await
    }
}

/// The files of the tenant `default`, with their lengths.
fn on_disk(server: &Server) -> Vec<(PathBuf, u64)> {
    let folder = server.data().join("tenants/default.blobs");
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let entries = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let length = path.metadata().ok()?.len();
        Some((path, length))
    });
    entries.collect()
}

/// Waits until a file that is being put has at least a part on the disk.
async fn wait_for_a_part(server: &Server) {
    let begun = || {
        let files = on_disk(server);
        files.iter().any(|(path, length)| {
            path.extension().is_some_and(|end| end == "partial") && *length >= (MIB / 2) as u64
        })
    };
    server.wait_for("part on the disk", begun).await;
}

/// Nothing of the host holds a body: neither on its way in, nor on its way out.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_comes_and_goes_in_pieces() {
    let server = files().await;
    put(&server, "small", "warm").await;
    let before = server.peak_memory();
    let mut putting = Putting::begin(&server, "large");
    putting.send(part(0)).await;
    putting.send(part(1)).await;
    // It is there before the rest was sent.
    wait_for_a_part(&server).await;
    for number in 2..LARGE / MIB {
        putting.send(part(number)).await;
    }
    assert_eq!(putting.finish().await["bytes"], LARGE);

    let answer = server.get("/files/large").await;
    assert_eq!(answer.headers()["content-length"], LARGE.to_string());
    let mut body = answer.bytes_stream();
    let mut at = 0;
    while let Some(read) = body.next().await {
        for byte in read.unwrap() {
            assert_eq!(
                byte,
                (at % MIB).wrapping_mul(31) as u8 ^ (at / MIB).wrapping_mul(7919) as u8
            );
            at += 1;
        }
    }
    assert_eq!(at, LARGE);
    let grown = (server.peak_memory() - before) / MIB as f64;
    assert!(grown < 25.0, "{grown} MiB more for a file of 50 MiB");

    // What nobody reads is not read from the disk.
    let reads = async || {
        server
            .metric("sbd_capability_calls_total", "operation=\"read\"")
            .await
    };
    let read = reads().await;
    let unread = server.get("/files/large").await;
    assert_eq!(text(&server, "small").await, "warm");
    assert!(reads().await - read < 150.0, "read ahead");
    drop(unread);
}

#[tokio::test]
async fn ranges_prefixes_and_refusals() {
    let server = files().await;
    put(&server, "a/1", "0123456789").await;
    put(&server, "a/2", "").await;
    put(&server, "b", "b").await;
    assert_eq!(text(&server, "a/1?from=2&to=5").await, "234");
    assert_eq!(text(&server, "a/2").await, "");
    assert_eq!(text(&server, "a/1?from=99").await, "");
    assert_error(server.get("/files/none").await, 404, "NOT_FOUND").await;
    let names = async || json(server.get("/files").await, 200).await;
    assert_eq!(names().await, json!(["a/1", "a/2", "b"]));
    let all = server.client.delete(server.at("/files?prefix=a/"));
    assert_eq!(json(all.send().await.unwrap(), 200).await, 2);
    assert_eq!(names().await, json!(["b"]));
    assert_eq!(on_disk(&server).len(), 1);
    // More than a request may bring.
    let large = server
        .client
        .put(server.at("/files/large"))
        .body(vec![0; 65 * MIB]);
    assert_error(large.send().await.unwrap(), 413, "BODY_TOO_LARGE").await;
    assert_eq!(names().await, json!(["b"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_putting_leaves_nothing() {
    let server = files().await;
    put(&server, "n", "before").await;
    let mut putting = Putting::begin(&server, "n");
    putting.send(part(0)).await;
    wait_for_a_part(&server).await;
    putting.answer.abort();
    server
        .wait_for("one file", || on_disk(&server).len() == 1)
        .await;
    assert_eq!(text(&server, "n").await, "before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_nothing_half_done() {
    let server = files().await;
    put(&server, "n", "before").await;
    let mut putting = Putting::begin(&server, "n");
    putting.send(part(0)).await;
    wait_for_a_part(&server).await;
    let server = server.restart().await;
    assert_eq!(text(&server, "n").await, "before");
    assert_eq!(on_disk(&server).len(), 1);
    assert_eq!(json(server.get("/files").await, 200).await, json!(["n"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replaced_while_it_is_sent_breaks_off() {
    let server = files().await;
    let content: Vec<Bytes> = (0..LARGE / MIB).map(part).collect();
    put(&server, "n", content.concat()).await;
    let answer = server.get("/files/n").await;
    let mut body = answer.bytes_stream();
    body.next().await.unwrap().unwrap();
    put(&server, "n", "another").await;
    let mut broken = false;
    while let Some(read) = body.next().await {
        broken |= read.is_err();
    }
    assert!(broken, "two contents in one answer");
    assert_eq!(text(&server, "n").await, "another");
}

#[tokio::test]
async fn a_tenant_has_no_more_than_its_storage() {
    let launch = Launch::app(include_str!("apps/files.toml"));
    let server = launch.env("SBD_TENANT_STORAGE", "3MiB").start().await;
    put(&server, "n", vec![1; MIB]).await;
    let large = server
        .client
        .put(server.at("/files/large"))
        .body(vec![0; 3 * MIB]);
    assert_error(large.send().await.unwrap(), 507, "STORAGE_FULL").await;
    server
        .wait_for("one file", || on_disk(&server).len() == 1)
        .await;
    let delete = server.client.delete(server.at("/files/n")).send().await;
    assert_eq!(delete.unwrap().status(), 204);
    put(&server, "n", vec![1; 2 * MIB]).await;
}

#[tokio::test]
async fn files_are_taken_along() {
    let server = files().await;
    let sent = put(&server, "a/1", part(3).to_vec()).await;
    put(&server, "a/ö", "umlaut").await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();

    server.done(&["tenant", "export", "default", "--to", &path("default.tar")]);
    server.done(&[
        "tenant",
        "import",
        &path("default.tar"),
        "--as",
        "again",
        "--no-hosts",
    ]);
    let again = server.as_tenant("again");
    let read = again.get(server.at("/files/a/1")).send().await.unwrap();
    assert_eq!(read.headers()["content-type"], "text/plain");
    assert_eq!(read.bytes().await.unwrap(), part(3));
    let read = again
        .get(server.at("/files/a/%C3%B6"))
        .send()
        .await
        .unwrap();
    assert_eq!(read.text().await.unwrap(), "umlaut");

    // An archive that somebody has altered is not taken.
    let mut archive = std::fs::read(path("default.tar")).unwrap();
    let umlaut = archive
        .windows(6)
        .rposition(|bytes| bytes == b"umlaut")
        .unwrap();
    archive[umlaut] = b'U';
    std::fs::write(path("altered.tar"), archive).unwrap();
    let refused = server.refused(&["tenant", "import", &path("altered.tar"), "--as", "altered"]);
    assert!(refused.contains("SHA-256 differ"), "{refused}");

    server.done(&["backup", "create", "--to", &path("one.backup")]);
    server.done(&["tenant", "delete", "again", "--yes"]);
    assert!(!server.data().join("tenants/again.blobs").exists());
    let home = path("home");
    for args in [
        vec!["backup", "verify", &path("one.backup")],
        vec![
            "backup",
            "restore",
            &path("one.backup"),
            "--data-dir",
            &home,
        ],
    ] {
        let output = run(&args, &[], "");
        assert!(output.success, "{args:?}: {}", output.stderr);
    }
    for tenant in ["default", "again"] {
        let blobs = folder.path().join(format!("home/tenants/{tenant}.blobs"));
        assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 2, "{tenant}");
    }
    assert_eq!(sent["bytes"], MIB);
}
