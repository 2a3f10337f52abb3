//! A request's body, which may be refused while its client is still sending it.
//!
//! Closing a connection with bytes unread makes the kernel reset it, and the reset can reach the
//! client before it has read the refusal. In HTTP/2 it is the stream that is reset, with the answer
//! complete and no error (RFC 9113, 8.1); but many a client looks for an answer only once it has sent
//! all, and takes any reset for a failure. So what nobody wanted is read and thrown away for a while,
//! as nginx does (`lingering_close`).

use bytes::Bytes;
use http::request::Parts;
use http::{Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// No unwanted body is read for longer than this.
const LINGER: Duration = Duration::from_secs(10);
/// Nor a client waited for that sends nothing.
const SILENCE: Duration = Duration::from_secs(2);

/// The body as it arrives. Dropped before its end, it is read on in the background.
pub(crate) struct LingeringBody {
    incoming: Option<Incoming>,
    lingers: bool,
}

impl LingeringBody {
    /// The body of the request with this head.
    pub(crate) fn new(parts: &Parts, incoming: Incoming) -> Self {
        // A client of HTTP/1.1 that expects `100 Continue` has sent nothing yet, and reading would invite
        // it to.
        let lingers =
            parts.version >= Version::HTTP_2 || !parts.headers.contains_key(header::EXPECT);
        Self {
            incoming: (!incoming.is_end_stream()).then_some(incoming),
            lingers,
        }
    }
}

impl Body for LingeringBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(incoming).poll_frame(cx));
        match frame {
            // Once the client was told to go on, it sends like any other.
            Some(Ok(_)) => self.lingers = true,
            Some(Err(_)) | None => self.incoming = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Drop for LingeringBody {
    fn drop(&mut self) {
        let unread = self.incoming.take().filter(|body| !body.is_end_stream());
        if let (true, Some(body), Ok(runtime)) = (self.lingers, unread, Handle::try_current()) {
            runtime.spawn(timeout(LINGER, discard(body)));
        }
    }
}

async fn discard(mut body: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(SILENCE, body.frame()).await {}
}
