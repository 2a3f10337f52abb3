//! The body of a component's answer on its way out: as long as it was announced and not too long, not
//! stalled, and known to the instance that makes it.

use crate::body::{self, Body, BodyError};
use crate::limits::{ComponentBudget, Limit};
use crate::requests::running::{End, Flow, RunningRequest};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

/// An answer that announces at most so many bytes waits until they are all there: only then is it known
/// whether they are, and an error can still be told instead.
const HELD: u64 = 64 << 10;

/// A body that keeps its request's place until it ends.
struct Answer {
    body: Body,
    /// Bytes that the limit leaves.
    left: u64,
    /// Bytes that are still to come, if it was announced how many there are.
    announced: Option<u64>,
    /// Rings when the guest has been waited for too long. Not set while the client is: a slow reader
    /// is no fault of the guest's.
    stall: Option<Pin<Box<Sleep>>>,
    /// Resolves when the guest has returned, after which a guest of WASI 0.2 writes no more.
    over: Option<BoxFuture<'static, End>>,
    has_ended: bool,
    running: Arc<RunningRequest>,
    budget: Arc<ComponentBudget>,
    flow: Option<Arc<Flow>>,
    _permit: OwnedSemaphorePermit,
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

/// How long a guest says that the body of its answer is. Where there is none by the rules of HTTP, what
/// it says is of another one.
pub(crate) fn announced(response: &Response<Body>, asked: &Method) -> Option<u64> {
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
    if *asked == Method::HEAD || bodiless.contains(&response.status()) {
        return None;
    }
    let length = response.headers().get(header::CONTENT_LENGTH);
    length.and_then(|length| length.to_str().ok()?.parse().ok())
}

/// Bounds the body of an answer, and lets its request go when it ends.
///
/// # Errors
/// When it is short, and ends before or after it should.
pub(crate) async fn bounded(
    response: Response<Body>,
    announced: Option<u64>,
    running: &Arc<RunningRequest>,
    budget: &Arc<ComponentBudget>,
    permit: OwnedSemaphorePermit,
) -> Result<Response<Body>, BodyError> {
    let flow = running.flow().cloned();
    if let Some(flow) = &flow {
        flow.opened();
    }
    let (head, body) = response.into_parts();
    let answer = Answer {
        body,
        left: budget.limits.response_body.bytes(),
        announced,
        stall: None,
        over: None,
        has_ended: false,
        running: Arc::clone(running),
        budget: Arc::clone(budget),
        flow,
        _permit: permit,
    };
    let body = if announced.is_some_and(|length| length <= HELD) {
        let whole = answer.collect().await?;
        if whole.trailers().is_some() {
            whole.map_err(|never| match never {}).boxed_unsync()
        } else {
            body::full(whole.to_bytes())
        }
    } else {
        answer.boxed_unsync()
    };
    Ok(Response::from_parts(head, body))
}

fn short_by(missing: u64) -> String {
    format!("it is {missing} bytes shorter than its content-length says")
}

// === impl Answer ===

impl Answer {
    fn cut(&mut self, limit: Limit, error: BodyError) -> Polled {
        self.budget.exceeded(limit);
        // The guest may go on making the rest; its instance must not.
        if let Some(flow) = &self.flow {
            flow.abandon();
        }
        self.has_ended = true;
        Poll::Ready(Some(Err(error)))
    }

    /// Ends the body before its time, with a line for the operator.
    fn broken(&mut self, reason: &str, error: BodyError) -> Polled {
        self.has_ended = true;
        self.running.log_broken_answer(reason);
        Poll::Ready(Some(Err(error)))
    }

    fn data(&mut self, frame: Frame<Bytes>) -> Polled {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        if let Some(announced) = &mut self.announced {
            let Some(rest) = announced.checked_sub(length) else {
                let reason = "it is longer than its content-length says";
                return self.broken(reason, BodyError::HttpResponseBodySize(None));
            };
            *announced = rest;
        }
        let Some(left) = self.left.checked_sub(length) else {
            let largest = self.budget.limits.response_body.bytes();
            let error = BodyError::HttpResponseBodySize(Some(largest));
            return self.cut(Limit::ResponseBody, error);
        };
        self.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn end(&mut self) -> Polled {
        match self.announced {
            Some(missing @ 1..) => {
                let reason = short_by(missing);
                self.broken(&reason, BodyError::HttpResponseIncomplete)
            }
            // Nobody has said how long it would be, and whoever was making it is no more.
            None if self.running.is_lost() => {
                let reason = "the component failed before it was done";
                self.broken(reason, BodyError::HttpResponseIncomplete)
            }
            _ => {
                self.has_ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn failed(&mut self, error: BodyError) -> Polled {
        match self.announced {
            Some(missing @ 1..) => {
                let reason = short_by(missing);
                self.broken(&reason, error)
            }
            _ => self.broken(&error.to_string(), error),
        }
    }

    /// The guest has nothing ready. Whether it will have, and how long that may take.
    fn wait(&mut self, cx: &mut Context<'_>) -> Polled {
        let running = &self.running;
        let over = self
            .over
            .get_or_insert_with(|| Box::pin(Arc::clone(running).over()));
        if over.as_mut().poll(cx).is_ready() {
            // What it has left unfinished ends with its request. What it wrote last is still to be taken.
            self.over = None;
            return match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => self.end(),
                Poll::Ready(frame) => self.took(frame),
            };
        }
        let longest = self.budget.limits.response_stall;
        let stall = self
            .stall
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        match stall.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => self.cut(Limit::ResponseStall, BodyError::HttpResponseTimeout),
        }
    }

    fn took(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) -> Polled {
        self.stall = None;
        match frame {
            Some(Ok(frame)) => self.data(frame),
            Some(Err(error)) => self.failed(error),
            None => self.end(),
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => self.wait(cx),
            Poll::Ready(frame) => self.took(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.announced.unwrap_or_default() == 0 && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let is_whole = self.announced == Some(0) || self.body.is_end_stream();
        if !self.has_ended && !is_whole {
            self.running.leave();
        }
        if let Some(flow) = &self.flow {
            flow.closed();
        }
    }
}
