//! A connection on which hyper's own refusals have the standard body too.
//!
//! What is no HTTP, or has too large a head, hyper answers itself and without a body, before any
//! handler hears of it. Such an answer is known by when it is written: no request is under way, and all
//! answers to those before it are out.

use crate::activity::Activity;
use crate::error::Refusal;
use crate::headers;
use crate::request_id::RequestId;
use bytes::{Buf as _, Bytes};
use http::HeaderName;
use std::fmt::Write as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long bytes are thrown away of a client that was refused: closing with bytes unread makes the
/// kernel reset the connection, and the reset can overtake the refusal.
const LINGER: Duration = Duration::from_secs(2);
/// hyper's longest address.
const LONGEST_URI: usize = u16::MAX as usize - 1;

/// A stream of HTTP, whichever version.
pub(crate) struct RefusingStream<S> {
    stream: S,
    activity: Arc<Activity>,
    header_bytes: usize,
    /// How many requests had begun when last all answers were out.
    answered: u64,
    /// Whether the other end does not speak HTTP/1.
    passes: bool,
    /// What is left to write of a refusal.
    refusal: Bytes,
    lingers: Option<Pin<Box<Sleep>>>,
}

// === impl RefusingStream ===

impl<S: AsyncRead + AsyncWrite + Unpin> RefusingStream<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>, header_bytes: usize) -> Self {
        Self {
            stream,
            activity,
            header_bytes,
            answered: 0,
            passes: false,
            refusal: Bytes::new(),
            lingers: None,
        }
    }

    /// What is to be written in place of this.
    fn in_place_of(&mut self, head: &[u8]) -> Option<Bytes> {
        let activity = &self.activity;
        let answers = !activity.is_idle() || activity.begun() != self.answered;
        if self.passes || answers || !activity.speaks_http() {
            return None;
        }
        let Some(status) = head.strip_prefix(b"HTTP/1.1 ") else {
            self.passes = true;
            return None;
        };
        let refusal = match status.get(..3)? {
            b"400" => Refusal::malformed(
                "This is not HTTP, or breaks its rules; send a request that is well-formed.",
            ),
            b"414" => Refusal::uri_too_long(LONGEST_URI),
            b"431" => Refusal::head_too_large(self.header_bytes),
            _ => return None,
        };
        let id = RequestId::new();
        tracing::info!(
            request_id = &*id.text,
            status = refusal.status().as_u16(),
            "refused what cannot be read"
        );
        self.lingers = Some(Box::pin(tokio::time::sleep(LINGER)));
        Some(written(head, refusal, id))
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.refusal.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.refusal))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on to the end, or for long enough.
    fn poll_lingering(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = &mut self.lingers else {
            return Poll::Ready(());
        };
        if until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut unread = [0; 8 * 1024];
        loop {
            let mut unread = ReadBuf::new(&mut unread);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut unread)) {
                Ok(()) if !unread.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// The refusal with what hyper said in its own, a status and the date.
fn written(head: &[u8], refusal: Refusal, id: RequestId) -> Bytes {
    let mut response = refusal.into_parts(&id.text);
    headers::finish(response.headers_mut(), id.header);
    let head = String::from_utf8_lossy(head);
    let mut text = String::new();
    // Writing to a String cannot fail.
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        if !line.starts_with("content-length") && !line.starts_with("connection") {
            let _ = write!(text, "{line}\r\n");
        }
    }
    let field = |name: &HeaderName, value: &str| format!("{name}: {value}\r\n");
    for (name, value) in response.headers() {
        text.push_str(&field(name, value.to_str().unwrap_or_default()));
    }
    let length = response.body().len();
    let _ = write!(
        text,
        "connection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(response.body());
    Bytes::from(bytes)
}

impl<S: AsyncRead + Unpin> AsyncRead for RefusingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for RefusingStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(cx))?;
        if let Some(refusal) = self.in_place_of(bytes) {
            self.refusal = refusal;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(cx))?;
        // hyper's own is a head and nothing more.
        if let [head] = slices
            && let Some(refusal) = self.in_place_of(head)
        {
            self.refusal = refusal;
            return Poll::Ready(Ok(head.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        // hyper flushes when it has written all it had.
        if self.activity.is_idle() {
            self.answered = self.activity.begun();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        self.poll_lingering(cx).map(Ok)
    }
}
