//! Clients of `GET /api/v1/realtime`, by both ways.

use crate::Server;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Waiting longer than this for a message is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// A WebSocket.
#[derive(Debug)]
pub struct Socket {
    inner: WebSocketStream<TcpStream>,
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    text: String,
}

// === impl Socket ===

impl Socket {
    /// Connects with a token as a sub-protocol, as browsers do.
    pub async fn connect(server: &Server, token: &str, query: &str) -> Self {
        let protocols = format!("sbd.v1, bearer.{token}");
        let headers = [("sec-websocket-protocol", &*protocols)];
        Self::attempt(server, query, &headers).await.unwrap()
    }

    /// Connects with these headers.
    ///
    /// # Errors
    /// The status by which it was refused, and the code.
    pub async fn attempt(
        server: &Server,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, (u16, String)> {
        let url = format!("ws://{}/api/v1/realtime{query}", server.address());
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(server.address()).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((inner, response)) => {
                let asked = headers
                    .iter()
                    .any(|(name, _)| *name == "sec-websocket-protocol");
                let spoken = response.headers().get("sec-websocket-protocol");
                assert_eq!(spoken.is_some_and(|spoken| spoken == "sbd.v1"), asked);
                Ok(Self { inner })
            }
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let code = body["error"]["code"].as_str().unwrap_or_default();
                Err((response.status().as_u16(), code.to_owned()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// The next message that is no ping; pings are answered.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.frame().await {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["type"] != "stream.ping" {
                        return message;
                    }
                    self.say(&json!({"type": "stream.pong"})).await;
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Skips messages until one of this type.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The next message of a type that is not about the stream.
    pub async fn heard(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if !message["type"].as_str().unwrap().starts_with("stream.") {
                return message;
            }
        }
    }

    /// The code by which it is closed, and what was said before.
    pub async fn closed(&mut self) -> (u16, Vec<Value>) {
        let mut said = Vec::new();
        loop {
            match tokio::time::timeout(PATIENCE, self.inner.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => {
                    said.push(serde_json::from_str(&text).unwrap())
                }
                Ok(Some(Ok(Message::Close(frame)))) => {
                    return (frame.map_or(1005, |frame| frame.code.into()), said);
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) => return (1006, said),
                Err(_) => panic!("it is not closed; {said:?}"),
            }
        }
    }

    /// Says something.
    pub async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Sends any frame; one that nobody takes any more is lost.
    pub async fn send(&mut self, frame: Message) {
        let _ = self.inner.send(frame).await;
    }

    /// Joins a channel; the answer.
    pub async fn join(&mut self, channel: &str) -> Value {
        self.say(&json!({"type": "join", "channel": channel})).await;
        loop {
            let answer = self.next().await;
            let is_answer =
                ["stream.joined", "stream.refused"].contains(&answer["type"].as_str().unwrap());
            if is_answer && answer["data"]["channel"] == channel {
                return answer;
            }
        }
    }

    async fn frame(&mut self) -> Message {
        let frame = tokio::time::timeout(PATIENCE, self.inner.next()).await;
        frame.expect("a message").expect("an open socket").unwrap()
    }
}

// === impl Events ===

impl Events {
    /// Connects with a token in the header; `last` is the id it comes back with.
    pub async fn connect(server: &Server, token: &str, query: &str, last: Option<&str>) -> Self {
        let mut request = server
            .client
            .get(server.at(&format!("/api/v1/realtime{query}")))
            .bearer_auth(token);
        if let Some(id) = last {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next message, whose id is that of its event; `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (mut id, mut data) = (Value::Null, Value::Null);
                for line in event.lines() {
                    match line.split_once(": ") {
                        Some(("id", text)) => id = json!(text),
                        Some(("data", text)) => data = serde_json::from_str(text).unwrap(),
                        _ => assert!(line.starts_with(':'), "{line}"),
                    }
                }
                self.text = rest.to_owned();
                if data.is_object() {
                    assert_eq!(data["id"], id);
                    return Some(data);
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("an event").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Skips messages until one of this type.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await.expect("a stream that goes on");
            if message["type"] == kind {
                return message;
            }
        }
    }
}
