//! A server that does what a test says, byte by byte.
//!
//! Real servers answer well or are away; what is promised for those that answer nonsense, stop in the
//! middle, or never answer can only be tried with one that does so on command. The suite runs against real
//! ones as well, where they are.

use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A question that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// What is done next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(String),
    Wait(Duration),
    /// Nothing more, until the other side leaves.
    Never,
    /// This again and again, until the other side leaves.
    Endless(String),
}

/// The server, until it is dropped.
pub(crate) struct Scripted {
    pub(crate) address: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// How many connections are open.
    open: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

// === impl Scripted ===

impl Scripted {
    pub(crate) async fn start(
        script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, open) = (
            Arc::<Mutex<Vec<Asked>>>::default(),
            Arc::<AtomicUsize>::default(),
        );
        let script = Arc::new(script);
        let (noted, counted) = (Arc::clone(&asked), Arc::clone(&open));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, noted) = (Arc::clone(&script), Arc::clone(&noted));
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    counted.fetch_add(1, Ordering::SeqCst);
                    serve(stream, &*script, &noted).await;
                    counted.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address: format!("http://{address}").parse().unwrap(),
            asked,
            open,
            serving,
        }
    }

    /// The address with what OpenAI's API begins with.
    pub(crate) fn v1(&self) -> Url {
        self.address.join("/v1").unwrap()
    }

    /// What was asked so far under this path.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|asked| asked.path == path)
            .cloned()
            .collect()
    }

    /// Waits until nobody is connected any more.
    pub(crate) async fn is_left(&self) {
        while self.open.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers one question: each connection is for one.
async fn serve(
    mut stream: TcpStream,
    script: &(impl Fn(&Asked) -> Vec<Step> + Send + Sync),
    noted: &Mutex<Vec<Asked>>,
) {
    let Some(asked) = question(&mut stream).await else {
        return;
    };
    noted.lock().unwrap().push(asked.clone());
    for step in script(&asked) {
        let done = match step {
            Step::Send(text) => stream.write_all(text.as_bytes()).await,
            Step::Wait(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Step::Never => stream.read_u8().await.map(drop),
            Step::Endless(text) => loop {
                if let Err(error) = stream.write_all(text.as_bytes()).await {
                    break Err(error);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            },
        };
        if done.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

async fn question(stream: &mut TcpStream) -> Option<Asked> {
    let mut read = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let count = stream
            .read(&mut bytes)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        read.extend_from_slice(&bytes[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let mut words = head.split(' ');
        return Some(Asked {
            method: words.next()?.to_owned(),
            path: words.next()?.to_owned(),
            head: head.to_owned(),
            body: serde_json::from_str(body).unwrap_or_default(),
        });
    }
}

/// An answer that ends where the connection does.
pub(crate) fn head(status: &str, kind: &str) -> Step {
    Step::Send(format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n"
    ))
}

/// A whole JSON answer.
pub(crate) fn json(status: &str, body: &Value) -> Vec<Step> {
    vec![
        head(status, "application/json"),
        Step::Send(body.to_string()),
    ]
}
