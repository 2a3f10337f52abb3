//! The body of a component's answer on its way out: not too long, not stalled, and known to the
//! instance that makes it.

use crate::body::{Body, BodyError};
use crate::limits::{ComponentBudget, Limit};
use crate::requests::running::{Flow, RunningRequest};
use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

/// A body that keeps its request's place until it ends.
struct Answer {
    body: Body,
    left: u64,
    /// Rings when the guest has been waited for too long. Not set while the client is: a slow reader
    /// is no fault of the guest's.
    stall: Option<Pin<Box<Sleep>>>,
    budget: Arc<ComponentBudget>,
    flow: Option<Arc<Flow>>,
    _permit: OwnedSemaphorePermit,
}

/// Bounds the body of an answer, and lets its request go when it ends.
pub(crate) fn bounded(
    response: Response<Body>,
    running: &RunningRequest,
    budget: &Arc<ComponentBudget>,
    permit: OwnedSemaphorePermit,
) -> Response<Body> {
    let flow = running.flow().cloned();
    if let Some(flow) = &flow {
        flow.opened();
    }
    response.map(|body| {
        let answer = Answer {
            body,
            left: budget.limits.response_body.bytes(),
            stall: None,
            budget: Arc::clone(budget),
            flow,
            _permit: permit,
        };
        answer.boxed_unsync()
    })
}

// === impl Answer ===

impl Answer {
    fn cut(&self, limit: Limit, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.budget.exceeded(limit);
        // The guest may go on making the rest; its instance must not.
        if let Some(flow) = &self.flow {
            flow.abandon();
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let longest = self.budget.limits.response_stall;
            let stall = self
                .stall
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
            return match stall.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => self.cut(Limit::ResponseStall, BodyError::HttpResponseTimeout),
            };
        };
        self.stall = None;
        let Some(Ok(frame)) = frame else {
            return Poll::Ready(frame);
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                let largest = self.budget.limits.response_body.bytes();
                let error = BodyError::HttpResponseBodySize(Some(largest));
                self.cut(Limit::ResponseBody, error)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(flow) = &self.flow {
            flow.closed();
        }
    }
}
