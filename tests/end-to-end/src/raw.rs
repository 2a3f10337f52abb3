//! Requests that no client library would send.

use crate::Server;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer read from a bare socket.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    head: String,
    /// The JSON in the body; empty if there is none.
    pub json: String,
}

// === impl Reply ===

impl Reply {
    /// A header's value. `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let status = text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        // A body in chunks has their lengths around it.
        let json = body
            .find('{')
            .zip(body.rfind('}'))
            .and_then(|(from, to)| body.get(from..=to));
        Some(Self {
            status,
            head: head.to_owned(),
            json: json.unwrap_or_default().to_owned(),
        })
    }
}

impl Server {
    /// Sends bytes and reads until the server closes, so ask it to. `None`: it said nothing.
    pub async fn raw(&self, request: impl AsRef<[u8]>) -> Option<Reply> {
        self.exchange(request.as_ref(), false).await
    }

    /// Sends bytes, says that no more will come, and reads until the server closes.
    pub async fn raw_cut(&self, request: impl AsRef<[u8]>) -> Option<Reply> {
        self.exchange(request.as_ref(), true).await
    }

    async fn exchange(&self, request: &[u8], cut: bool) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        // A server that has refused already may close while it is still being written to.
        let _ = stream.write_all(request).await;
        if cut {
            let _ = stream.shutdown().await;
        }
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        let _ = read
            .await
            .expect("the server does not close the connection");
        Reply::parse(&String::from_utf8_lossy(&answer))
    }
}
