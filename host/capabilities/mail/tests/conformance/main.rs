//! Every transport passes the same suite: through a real mail server, in the clear and by TLS, and into
//! files. What only one of them does stands beside it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod peer;
mod smtp;
mod suite;
mod templates;

use sbd_mail::{Mailer, Sender, Settings};
use serde_json::{Value, json};
use std::path::Path;
use suite::Taken;
use tempfile::TempDir;

/// Mails as files, read back with no more than their form promises.
struct Folder(TempDir);

impl Taken for Folder {
    fn next(&mut self) -> Value {
        let folder = self.0.path().join("mail/acme");
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let text = std::fs::read_to_string(&files[0]).unwrap();
        std::fs::remove_file(&files[0]).unwrap();
        assert!(files[0].extension().is_some_and(|end| end == "eml"));
        read(&text)
    }
}

/// A mail of the suite, which is plain ASCII but for its subject.
fn read(text: &str) -> Value {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ");
    let headers: Value = head
        .split("\r\n")
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let kind = headers["content-type"].as_str().unwrap();
    let part = |kind: &str| {
        let begin = body.find(&format!("Content-Type: {kind}"))?;
        let (_, part) = body[begin..].split_once("\r\n\r\n")?;
        Some(part.split("\r\n--").next()?.to_owned())
    };
    let (text, html) = match kind.starts_with("multipart/alternative") {
        true => (part("text/plain").unwrap(), part("text/html")),
        false => (body.to_owned(), None),
    };
    json!({"headers": headers, "text": text, "html": html})
}

fn from() -> Sender {
    "Second Brain <brain@example.org>".parse().unwrap()
}

fn mailer(folder: &Path, server: Option<&str>) -> Mailer {
    let settings = Settings {
        server: server.map(|server| server.parse().unwrap()),
        from: from(),
        ..Settings::default()
    };
    Mailer::open(folder, &settings).unwrap()
}

#[tokio::test]
async fn into_files() {
    let folder = tempfile::tempdir().unwrap();
    let mailer = mailer(folder.path(), None);
    suite::run(&mailer, Folder(folder)).await;
}
