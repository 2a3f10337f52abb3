//! Components of other toolchains, unchanged: each is asked the same. What makes them, and in which
//! version, is in `xtask/src/toolchains.rs` and the guests' own Cargo.toml. Go is not among them: its
//! toolchain is not to be had where this was written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use sbd_tests::{Launch, Server, built, run};
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A guest that is asked, and how many requests one of its instances answers where nobody says.
struct Toolchain {
    guest: &'static str,
    route: &'static str,
    reuse: &'static str,
}

const MANY_OLD: &str = "128 requests, one at a time";
const MANY_NEW: &str = "128 requests, 16 at a time: guests of WASI 0.3";

const TOOLCHAINS: [Toolchain; 6] = [
    Toolchain {
        guest: "javascript",
        route: "javascript",
        reuse: "one request, then it is thrown away: what ComponentizeJS makes is not known",
    },
    Toolchain {
        guest: "python02",
        route: "python02",
        reuse: "128 requests, one at a time: what componentize-py makes",
    },
    Toolchain {
        guest: "python03",
        route: "python03",
        reuse: MANY_NEW,
    },
    Toolchain {
        guest: "wstd-hello",
        route: "wstd",
        reuse: MANY_OLD,
    },
    Toolchain {
        guest: "spin5-hello",
        route: "spin5",
        reuse: MANY_OLD,
    },
    Toolchain {
        guest: "spin-hello",
        route: "spin",
        reuse: MANY_NEW,
    },
];

#[tokio::test]
async fn javascript() {
    ask(&TOOLCHAINS[0]).await;
}

#[tokio::test]
async fn python_over_wasi_02() {
    ask(&TOOLCHAINS[1]).await;
}

#[tokio::test]
async fn python_over_wasi_03() {
    ask(&TOOLCHAINS[2]).await;
}

#[tokio::test]
async fn rust_with_wstd() {
    ask(&TOOLCHAINS[3]).await;
}

#[tokio::test]
async fn rust_with_spin_sdk_5() {
    ask(&TOOLCHAINS[4]).await;
}

#[tokio::test]
async fn rust_with_spin_sdk_7() {
    ask(&TOOLCHAINS[5]).await;
}

async fn ask(toolchain: &Toolchain) {
    let Toolchain {
        guest,
        route,
        reuse,
    } = toolchain;
    let file = match built(guest) {
        Ok(file) => file.display().to_string(),
        Err(missing) => {
            // libtest keeps back what `println!` prints in a test that passes.
            let mut shown = std::io::stdout();
            writeln!(shown, "SKIPPED-PEER: {missing}").unwrap();
            return;
        }
    };
    let elsewhere = Elsewhere::start().await;
    let manifest = format!(
        "[application.tool.sbd]\nrate_limit = {{ per_second = 100000, burst = 100000 }}\n\
         [[trigger.http]]\nroute = \"/{route}/...\"\ncomponent = \"guest\"\n\
         [component.guest]\nsource = \"{file}\"\n\
         allowed_outbound_hosts = [\"http://{}\"]\n\
         [component.guest.tool.sbd.limits]\nfailures = 2\nrequest_body = \"2MiB\"\n",
        elsewhere.address
    );
    let server = Launch::app(&manifest).start().await;
    let at = |page: &str| server.at(&format!("/{route}/{page}"));
    let url = format!("url=http://{}/pieces", elsewhere.address);
    let hello = || async {
        let answer = server.client.get(at("hello")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", server.log());
        assert!(answer.text().await.unwrap().starts_with("hello"));
    };

    // Twenty in a row, and twenty at once.
    for _ in 0..20 {
        hello().await;
    }
    join_all((0..20).map(|_| hello())).await;
    assert_eq!(traps(&server).await, 0.0);

    // A body in and out.
    let sent: Vec<u8> = (0..1 << 20).map(|n: u32| n.to_le_bytes()[1]).collect();
    let echo = server.client.post(at("echo")).body(sent.clone());
    let echoed = echo.send().await.unwrap().bytes().await.unwrap();
    assert!(echoed == sent, "{} of {} bytes", echoed.len(), sent.len());

    // What is there arrives before the rest is.
    let stream = server.client.get(at(&format!("stream?{url}")));
    let mut stream = stream.send().await.unwrap();
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"first "), "{first:?}");
    elsewhere.gate.add_permits(1);
    let mut rest = Vec::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert!(rest.ends_with(b"second"), "{rest:?}");

    // A request of its own, with a body; and one that nobody grants.
    let forward = server
        .client
        .post(at(&format!("forward?{url}")))
        .body("a body");
    let forwarded = forward.send().await.unwrap().text().await.unwrap();
    assert_eq!(forwarded, "got a body");
    let denied = server.client.get(at("denied?url=http://example.com/"));
    let denied = denied.send().await.unwrap().text().await.unwrap();
    assert_eq!(denied, "refused");
    server
        .wait_for_log("outgoing request refused; to allow it, add to [component.guest]")
        .await;

    // Who leaves in the middle, more often than the component may fail.
    for _ in 0..4 {
        let mut pouring = server.client.get(at("pour")).send().await.unwrap();
        assert!(pouring.chunk().await.unwrap().is_some());
        drop(pouring);
        hello().await;
    }
    assert_eq!(traps(&server).await, 0.0);

    // An error of its own, after which it answers.
    let failed = server.client.get(at("fail")).send().await.unwrap();
    assert_eq!(failed.status(), 500);
    hello().await;

    let inspected = run(&["component", "inspect", &file], &[], "");
    let said = format!("one instance answers\n  {reuse}");
    assert!(inspected.stdout.contains(&said), "{}", inspected.stdout);
}

async fn traps(server: &Server) -> f64 {
    server.metric("sbd_component_traps_total", "guest").await
}

/// A server that is none of ours: it answers GET in two pieces, the second when it is let, and POST
/// with what it got.
struct Elsewhere {
    address: SocketAddr,
    gate: Arc<Semaphore>,
}

// === impl Elsewhere ===

impl Elsewhere {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Semaphore::new(0));
        let opened = Arc::clone(&gate);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&opened)));
            }
        });
        Self { address, gate }
    }
}

/// Answers one request, and closes.
async fn answer(stream: TcpStream, gate: Arc<Semaphore>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).await?;
    }
    let begin = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    if head.starts_with("GET") {
        stream.write_all(begin).await?;
        stream.write_all(b"first ").await?;
        stream.flush().await?;
        let _open = gate.acquire().await;
        stream.write_all(b"second").await?;
    } else {
        let body = read_body(&mut stream, &head.to_ascii_lowercase()).await?;
        stream.write_all(begin).await?;
        stream.write_all(b"got ").await?;
        stream.write_all(&body).await?;
    }
    stream.shutdown().await
}

async fn read_body(stream: &mut BufReader<TcpStream>, head: &str) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some((_, length)) = head.split_once("content-length: ") {
        let length = length.split("\r\n").next().unwrap();
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).await?;
        return Ok(body);
    }
    loop {
        let mut length = String::new();
        stream.read_line(&mut length).await?;
        let length = usize::from_str_radix(length.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        stream.read_exact(&mut chunk).await?;
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}
