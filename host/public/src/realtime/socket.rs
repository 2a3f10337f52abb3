//! The stream on a WebSocket.

use crate::realtime::about::Ending;
use crate::realtime::session::{Next, Session};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sbd_gateway::{Refusal, Upgrade};
use sbd_runtime::Body;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

/// The protocol that is spoken on it.
const PROTOCOL: &str = "sbd.v1";

/// Largest message from outside.
const LARGEST: usize = 64 << 10;

/// What is read at once. Most that is said by clients is short, and each connection keeps as much.
const READ_BYTES: usize = 2 << 10;

/// How long a client may take to hear that nothing follows.
const GOODBYE: Duration = Duration::from_secs(5);

/// A client's side of the handshake.
pub(super) struct Handshake {
    accept: HeaderValue,
    speaks_ours: bool,
}

// === impl Handshake ===

impl Handshake {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let version = headers.get(header::SEC_WEBSOCKET_VERSION);
        if version.is_none_or(|version| version != "13") {
            return Err(Refusal::malformed(
                "This WebSocket has no version that is spoken here; speak 13.",
            ));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY);
        let accept = key.map(|key| derive_accept_key(key.as_bytes()));
        let accept = accept.and_then(|accept| HeaderValue::try_from(accept).ok());
        let accept = accept.ok_or_else(|| {
            Refusal::malformed("This WebSocket has no Sec-WebSocket-Key; send one.")
        })?;
        let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        let offered: Vec<_> = lists
            .filter_map(|list| list.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .collect();
        let speaks_ours = offered.contains(&PROTOCOL);
        if !offered.is_empty() && !speaks_ours {
            return Err(Refusal::malformed(
                "None of these sub-protocols is spoken here; offer sbd.v1, or none.",
            ));
        }
        Ok(Self {
            accept,
            speaks_ours,
        })
    }

    /// Answers, and speaks for as long as the session lasts.
    pub(super) fn accept(
        self,
        upgrade: Upgrade,
        mut session: Session,
    ) -> Result<Response<Body>, Refusal> {
        session.must_answer();
        let protocol = HeaderValue::from_static("websocket");
        let mut response = upgrade.accept(protocol, move |connection| async move {
            let socket = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config()));
            speak(socket.await, session).await;
        })?;
        debug_assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        if self.speaks_ours {
            headers.insert(
                header::SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(PROTOCOL),
            );
        }
        Ok(response)
    }
}

/// How a WebSocket is spoken: one that is idle keeps little memory, one that is not no more than is
/// allowed.
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST))
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    mut session: Session,
) {
    let ending = loop {
        tokio::select! {
            frame = socket.next() => {
                let heard = match frame {
                    Some(Ok(frame)) => hear(&mut session, frame).await,
                    Some(Err(error)) => Err(broken(&error)),
                    None => Err(None),
                };
                match heard {
                    Ok(()) => {}
                    Err(Some(ending)) => break ending,
                    // It is closed already.
                    Err(None) => return,
                }
            }
            next = session.next() => match next {
                Next::Say(said) => {
                    if let Err(ending) = say(&mut socket, &mut session, said.text().clone()).await {
                        break ending;
                    }
                }
                Next::End(ending) => break ending,
            },
        }
    };
    // They hear nothing more that is said, whatever becomes of the goodbye.
    drop(session);
    let _ = tokio::time::timeout(GOODBYE, close(&mut socket, &ending)).await;
}

/// Does what a frame says; else why nothing follows, if there is somebody to be told.
async fn hear(session: &mut Session, frame: Message) -> Result<(), Option<Ending>> {
    match frame {
        Message::Text(text) => Box::pin(session.take(&text)).await.map_err(Some),
        Message::Binary(_) => Err(Some(Ending::NOT_TEXT)),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
            session.hears_from().map_err(Some)
        }
        // The library answers it when it is asked for the next.
        Message::Close(_) => Ok(()),
    }
}

/// Says something, unless the client does not take it.
async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    session: &mut Session,
    text: Bytes,
) -> Result<(), Ending> {
    let Ok(text) = Utf8Bytes::try_from(text) else {
        return Ok(());
    };
    let patience = 2 * session.heartbeat();
    tokio::select! {
        sent = socket.send(Message::Text(text)) => sent.map_err(|_| Ending::DONE),
        ending = session.ended() => Err(ending),
        () = tokio::time::sleep(patience) => Err(Ending::SILENT),
    }
}

/// Says why nothing follows, and waits until the client has heard it.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    ending: &Ending,
) -> Result<(), Error> {
    if let Some(last) = ending.last()
        && let Ok(text) = Utf8Bytes::try_from(last)
    {
        socket.feed(Message::Text(text)).await?;
    }
    let frame = CloseFrame {
        code: ending.close.into(),
        reason: ending.message.as_ref().into(),
    };
    socket.close(Some(frame)).await?;
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

/// What a broken protocol comes to.
fn broken(error: &Error) -> Option<Ending> {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(Ending::TOO_LARGE),
        Error::Utf8(_) => Some(Ending {
            close: 1007,
            ..Ending::malformed("text is UTF-8; send that")
        }),
        Error::Protocol(error) => Some(Ending {
            close: 1002,
            ..Ending::malformed(error.to_string())
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sbd_gateway::UpgradedConnection;

    /// What a connection keeps for as long as it is open.
    fn bytes<S, F>(_: impl Fn(WebSocketStream<S>, Session) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_keeps_little() {
        assert!(bytes(speak::<UpgradedConnection>) <= 3 << 10);
    }
}
