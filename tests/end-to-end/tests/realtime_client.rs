//! The JavaScript client of streams against the real server, by both ways.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, Launch, Server};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const APP: &str = include_str!("apps/rooms.toml");

/// Tells what it hears, a line each, and does what it is told, a line each.
const SCRIPT: &str = r#"
import { createInterface } from "node:readline";
const { connect } = await import(process.env.CLIENT);
const say = (what) => console.log(JSON.stringify(what));
const socket = process.env.WAY === "socket" ? {} : { WebSocket: null };
const stream = connect({
  url: process.env.SERVER, token: async () => process.env.TOKEN, channels: ["room:board"], ...socket,
  onMessage: say, onEnd: ({ code, message }) => say({ type: "end", code, message }),
});
for await (const line of createInterface({ input: process.stdin })) {
  const [what, ...args] = JSON.parse(line);
  say({ type: "did", what, answer: stream[what](...args) ?? null });
}
"#;

/// The version of Node, if there is one that can do it; it is told what is missing otherwise.
fn node() -> Option<u32> {
    let version = std::process::Command::new("node").arg("--version").output();
    let version = version.ok().map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version);
    let major = version.trim_start_matches('v').split('.').next();
    let major = major.and_then(|major| major.parse().ok());
    let major = major.filter(|major| *major >= 20);
    if major.is_none() {
        // libtest keeps back what `println!` prints in a test that passes.
        let mut shown = std::io::stdout();
        writeln!(
            shown,
            "SKIPPED-PEER: node: no `node` of version 20 or later"
        )
        .unwrap();
    }
    major
}

/// A page that listens.
struct Page {
    _node: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Page {
    /// `None` where there is no Node that can do it.
    fn open(server: &Server, token: &str, way: &str) -> Option<Self> {
        let major = node()?;
        let client = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/js/realtime.js");
        let mut node = Command::new("node");
        if major < 22 {
            // There since 20.10, behind a switch.
            node.arg("--experimental-websocket");
        }
        node.args(["--input-type=module", "--eval", SCRIPT])
            .env("CLIENT", client)
            .env("SERVER", server.at("/"))
            .env("TOKEN", token)
            .env("WAY", way)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut node = node.spawn().ok()?;
        Some(Self {
            input: node.stdin.take()?,
            output: BufReader::new(node.stdout.take()?).lines(),
            _node: node,
        })
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(60), self.output.next_line());
        let line = line.await.expect("the page says nothing").unwrap();
        serde_json::from_str(&line.expect("the page is gone")).unwrap()
    }

    /// The next one of a type, those before it aside.
    async fn until(&mut self, kind: &str) -> Value {
        loop {
            let next = self.next().await;
            if next["type"] == kind {
                return next;
            }
        }
    }

    async fn does(&mut self, what: &Value) -> Value {
        let line = format!("{what}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
        self.until("did").await["answer"].clone()
    }
}

async fn say(server: &Server, number: u64) {
    let message = json!([{
        "channel": "room:board", "type": "thing.said", "data": {"number": number},
    }]);
    let answer = server.post("/rooms/say", &message).await;
    assert_eq!(answer.status(), 204);
}

/// Hears, sends, joins and leaves; comes back when the server does; ends when it is told so.
async fn hears(way: &str) {
    let server = Launch::app(APP).start().await;
    let ada = Account::register(&server, "ada").await;
    let Some(mut page) = Page::open(&server, &ada.access, way) else {
        return;
    };
    assert_eq!(page.next().await["type"], "stream.ready");
    while page.until("stream.joined").await["data"]["channel"] != "room:board" {}
    for number in 0..3 {
        say(&server, number).await;
        assert_eq!(page.until("thing.said").await["data"]["number"], number);
    }
    let sent = page
        .does(&json!(["send", "room:board", {"number": 7}]))
        .await;
    assert_eq!(sent, way == "socket");
    // A room that may not be entered: refused, and what was heard is heard still.
    page.does(&json!(["join", "room:2"])).await;
    let refused = page.until("stream.refused").await;
    assert_eq!(refused["data"]["channel"], "room:2");
    page.does(&json!(["leave", "room:2"])).await;
    say(&server, 3).await;
    assert_eq!(page.until("thing.said").await["data"]["number"], 3);
    let ended = server
        .client
        .post(server.at("/api/v1/auth/logout-all"))
        .bearer_auth(&ada.access);
    let ended = ended.send().await.unwrap();
    assert!(ended.status().is_success(), "{}", ended.status());
    let end = page.until("end").await;
    assert!(end["code"].is_string(), "{end}");
}

#[tokio::test]
async fn over_a_websocket() {
    hears("socket").await;
}

#[tokio::test]
async fn over_server_sent_events() {
    hears("events").await;
}

#[tokio::test]
async fn its_own_tests() {
    if node().is_none() {
        return;
    }
    let tests = Command::new("node")
        .args(["--test", "test/"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/js"))
        .output();
    let tests = tests.await.unwrap();
    let said = String::from_utf8_lossy(&tests.stdout);
    assert!(tests.status.success(), "{said}");
    assert!(said.contains("pass 12"), "{said}");
}
