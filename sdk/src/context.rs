//! What is known about the request being answered, for code that has no request at hand.
//!
//! One instance answers several requests at once on one thread, so a plain global would mix them
//! up: the context is put in place around every poll of a request's future, and taken away after.

use http::{HeaderMap, HeaderName, HeaderValue};
use sbd_contract::{Principal, header};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

/// What the host says about one request.
#[derive(Debug, Default)]
pub(crate) struct Context {
    pub(crate) request_id: String,
    pub(crate) tenant: String,
    /// The header as it came, to be passed on unchanged.
    pub(crate) sealed_caller: Option<HeaderValue>,
    pub(crate) principal: Option<Principal>,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Context>>> = const { RefCell::new(None) };
}

/// The request that is being answered, if one is.
pub(crate) fn current() -> Option<Arc<Context>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The id of the request being answered; empty outside of one.
pub(crate) fn request_id() -> String {
    current()
        .map(|context| context.request_id.clone())
        .unwrap_or_default()
}

impl Context {
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let sealed_caller = headers.get(header::CALLER).cloned();
        Self {
            request_id: text(&header::REQUEST_ID),
            tenant: text(&header::TENANT),
            principal: sealed_caller.as_ref().and_then(Principal::from_header),
            sealed_caller,
        }
    }
}

/// Polls `future` with `context` in place.
pub(crate) struct Scope<F> {
    context: Arc<Context>,
    future: Pin<Box<F>>,
}

impl<F: Future> Scope<F> {
    pub(crate) fn new(context: Arc<Context>, future: F) -> Self {
        Self {
            context,
            future: Box::pin(future),
        }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let before = CURRENT.replace(Some(Arc::clone(&self.context)));
        let polled = self.future.as_mut().poll(task);
        CURRENT.set(before);
        polled
    }
}
