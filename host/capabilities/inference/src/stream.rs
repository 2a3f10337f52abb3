//! The pieces of an answer on their way into a guest.

use crate::bindings::inference;
use crate::model::{Error, Piece};
use sbd_metering::Charge;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};

/// Pieces that are handed over at once.
const AT_ONCE: usize = 32;

/// Pieces for a guest. Dropped with the guest's end of the stream, or with the guest, which stops the work.
pub(crate) struct Pieces {
    taken: mpsc::Receiver<Piece>,
    charge: Charge,
    has_ended: bool,
}

// === impl Pieces ===

impl Pieces {
    /// What is told is charged to the call that asked.
    pub(crate) fn new(taken: mpsc::Receiver<Piece>, charge: Charge) -> Self {
        Self {
            taken,
            charge,
            has_ended: false,
        }
    }

    /// The next pieces, unless there are none yet. The last of all is an end, even where whoever answered
    /// is gone.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Piece>> {
        let mut pieces = Vec::new();
        let count = std::task::ready!(self.taken.poll_recv_many(cx, &mut pieces, AT_ONCE));
        if count == 0 {
            let gone = Error::Unavailable("the answer was cut off".to_owned());
            pieces.push(Piece::Failed(gone));
        }
        let bytes = pieces.iter().map(bytes).sum();
        if let Err(over) = self.charge.answer(bytes) {
            pieces = vec![Piece::Failed(Error::Limit(over.to_string()))];
        }
        self.has_ended = pieces.last().is_some_and(Piece::is_last);
        Poll::Ready(pieces)
    }
}

impl<D> StreamProducer<D> for Pieces {
    type Item = inference::Piece;
    type Buffer = VecBuffer<inference::Piece>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if self.has_ended {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        match self.poll(cx) {
            Poll::Ready(pieces) => {
                let pieces: Vec<_> = pieces.into_iter().map(Into::into).collect();
                destination.set_buffer(pieces.into());
                Poll::Ready(Ok(match self.has_ended {
                    true => StreamResult::Dropped,
                    false => StreamResult::Completed,
                }))
            }
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn bytes(piece: &Piece) -> usize {
    match piece {
        Piece::Text(text) | Piece::Thought(text) => text.len(),
        Piece::Call(call) => call.id.len() + call.name.len() + call.arguments.len(),
        _ => 0,
    }
}
