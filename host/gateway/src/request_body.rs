//! The body of a request: not longer than allowed, and known to be whole or broken.

use crate::lingering_body::LingeringBody;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use sbd_runtime::body::BodyError;
use sbd_runtime::{Body, body};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

const INTACT: u8 = 0;
const TOO_LARGE: u8 = 1;
const BROKEN: u8 = 2;

/// What became of a body while a guest read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Intact,
    TooLarge,
    Broken,
}

/// Sees the fate of a body from outside.
pub(crate) struct Watch(Option<Arc<AtomicU8>>);

struct Metered {
    incoming: LingeringBody,
    left: u64,
    limit: u64,
    fate: Arc<AtomicU8>,
}

/// The body as a guest gets it, and the watch over it.
pub(crate) fn metered(incoming: LingeringBody, limit: u64) -> (Body, Watch) {
    if incoming.is_end_stream() {
        return (body::empty(), Watch(None));
    }
    let fate = Arc::new(AtomicU8::new(INTACT));
    let metered = Metered {
        incoming,
        left: limit,
        limit,
        fate: Arc::clone(&fate),
    };
    (metered.boxed_unsync(), Watch(Some(fate)))
}

// === impl Watch ===

impl Watch {
    pub(crate) fn fate(&self) -> Fate {
        match self
            .0
            .as_ref()
            .map_or(INTACT, |fate| fate.load(Ordering::Acquire))
        {
            TOO_LARGE => Fate::TooLarge,
            BROKEN => Fate::Broken,
            _ => Fate::Intact,
        }
    }
}

// === impl Metered ===

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.fate.store(BROKEN, Ordering::Release);
                return Poll::Ready(Some(Err(BodyError::from(error))));
            }
            None => return Poll::Ready(None),
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.fate.store(TOO_LARGE, Ordering::Release);
                Poll::Ready(Some(Err(BodyError::HttpRequestBodySize(Some(self.limit)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
