//! The instances of one (tenant, component, version), and how requests reach them.
//!
//! wasmtime's `ProxyHandler` starts an instance when none is free and reuses it a bounded number
//! of times. It holds nothing back, so a semaphore stands before it. A pool never crosses tenants:
//! an instance that keeps state between requests can show it to nobody else.

use crate::InvokeError;
use crate::body::Body;
use crate::instances::circuit_breaker::CircuitBreaker;
use crate::instances::response_body::{announced, bounded};
use crate::instances::worker::{Blueprint, InstancesLimit, Stopped};
use crate::limits::{ComponentBudget, Limit};
use crate::requests::request_body::watched;
use crate::requests::running::{Asker, End, RequestContext, RunningRequest};
use crate::requests::{Class, Share};
use http::{Request, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::PoolConcurrencyLimitError;
use wasmtime_wasi_http::handler::{ExpirationError, InstantiationError, ProxyHandler};
use wasmtime_wasi_http::{p2, p3};

/// How often to look for a free instance when all that are allowed exist.
const RETRY: Duration = Duration::from_millis(5);

/// Bytes of a guest's own reason for failing that are kept.
const LONGEST_REASON: usize = 4096;

/// The instances of one component for one tenant.
pub(crate) struct Pool {
    handler: ProxyHandler<Blueprint>,
    budget: Arc<ComponentBudget>,
    breaker: Arc<CircuitBreaker>,
    retired: Arc<AtomicBool>,
    instances: Arc<AtomicUsize>,
    queues: [Queue; Class::ALL.len()],
}

/// Where the requests of one class wait for their turn.
struct Queue {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    most: usize,
}

/// One of those who wait for their turn.
struct Waiting<'a>(&'a AtomicUsize);

// === impl Pool ===

impl Pool {
    /// A pool of instances that are made so.
    pub(crate) fn new(blueprint: Blueprint) -> Self {
        let budget = Arc::clone(&blueprint.budget);
        Self {
            queues: Class::ALL.map(|class| Queue::new(class.share(&budget.limits))),
            breaker: Arc::clone(&blueprint.breaker),
            retired: Arc::clone(&blueprint.retired),
            instances: Arc::clone(&blueprint.own_instances),
            handler: ProxyHandler::new(blueprint),
            budget,
        }
    }

    /// Lets running requests finish, and instances without any end; or lets it go on after all.
    pub(crate) fn retire(&self, retired: bool) {
        self.retired.store(retired, Ordering::Relaxed);
    }

    /// How many instances are alive.
    pub(crate) fn instances(&self) -> usize {
        self.instances.load(Ordering::Relaxed)
    }

    /// Lets an instance answer the request.
    pub(crate) async fn handle(
        &self,
        context: RequestContext,
        request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        if let Some(pause) = self.breaker.pause() {
            return Err(self.overloaded(Limit::Failures, pause));
        }
        let permit = self.admit(context.class).await?;
        let running = Arc::new(RunningRequest::new(context, Arc::clone(&self.budget)));
        let asker = Asker::of(&running);
        let answer = self.answer(&running, permit, watched(request, &running));
        let answer = answer.await;
        asker.has_stayed();
        // What a component says about a request that never came to its end says nothing about it.
        match answer {
            Ok(response) if response.status().is_server_error() && running.was_left() => {
                Err(InvokeError::BodyBroken)
            }
            Err(InvokeError::Trapped | InvokeError::Guest(_)) if running.was_left() => {
                Err(InvokeError::BodyBroken)
            }
            answer => answer,
        }
    }

    async fn answer(
        &self,
        running: &Arc<RunningRequest>,
        permit: OwnedSemaphorePermit,
        request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        let limits = &self.budget.limits;
        let give_up = Instant::now() + limits.queue_wait;
        let (limit, timeout) = running.patience();
        let method = request.method().clone();
        let mut next = request;
        loop {
            let handling = self.handler.handle(Arc::clone(running), next);
            let error = match tokio::time::timeout(timeout, handling).await {
                Err(_) => {
                    running.give_up();
                    return Err(self.timeout(limit, timeout));
                }
                Ok(Ok(response)) => {
                    // These are no answers, and a switch of protocols would hand over the socket.
                    if response.status().is_informational() {
                        return Err(InvokeError::Guest(format!("status {}", response.status())));
                    }
                    // A guest that failed for want of something says so worse than we can.
                    if response.status().is_server_error()
                        && let Some(over) = running.context.chain.refused()
                    {
                        return Err(InvokeError::OverLimit(over));
                    }
                    if header_bytes(&response) > limits.response_headers.bytes_usize() {
                        self.budget.exceeded(Limit::ResponseHeaders);
                        return Err(self.stopped(Limit::ResponseHeaders));
                    }
                    let announced = announced(&response, &method);
                    if announced > Some(limits.response_body.bytes()) {
                        self.budget.exceeded(Limit::ResponseBody);
                        return Err(self.stopped(Limit::ResponseBody));
                    }
                    let bounded = bounded(response, announced, running, &self.budget, permit);
                    return bounded.await.map_err(|error| self.broken(&error));
                }
                Ok(Err(error)) => error,
            };
            // A request that never reached an instance comes back whole and can wait for one.
            let unstarted = match error.downcast::<InstantiationError<Arc<RunningRequest>>>() {
                Ok(unstarted) => unstarted,
                Err(error) => return Err(self.explain(&error, running).await),
            };
            if let Some(Stopped(limit)) = unstarted.error.downcast_ref() {
                self.budget.exceeded(*limit);
                return Err(self.stopped(*limit));
            }
            if !is_crowded(&unstarted.error) {
                return Err(InvokeError::CannotStart(cut(format!(
                    "{:#}",
                    unstarted.error
                ))));
            }
            if Instant::now() >= give_up {
                return Err(self.overloaded(Limit::Instances, Duration::from_secs(1)));
            }
            tokio::time::sleep(RETRY).await;
            next = unstarted
                .request
                .into_inner()
                .map_err(|_| InvokeError::Trapped)?;
        }
    }

    /// A place among the requests that may run at once; waits a bounded time for it.
    async fn admit(&self, class: Class) -> Result<OwnedSemaphorePermit, InvokeError> {
        let Queue {
            permits,
            waiting,
            most,
        } = &self.queues[class as usize];
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return Ok(permit);
        }
        let limits = &self.budget.limits;
        let soon = Duration::from_secs(1);
        let Some(_waiting) = Waiting::new(waiting, *most) else {
            return Err(self.overloaded(Limit::Queue, soon));
        };
        let turn = Arc::clone(permits).acquire_owned();
        match tokio::time::timeout(limits.queue_wait, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(self.overloaded(Limit::Concurrency, soon)),
        }
    }

    fn overloaded(&self, limit: Limit, retry_after: Duration) -> InvokeError {
        self.budget.exceeded(limit);
        InvokeError::Overloaded { retry_after, limit }
    }

    fn timeout(&self, limit: Limit, after: Duration) -> InvokeError {
        self.budget.exceeded(limit);
        InvokeError::Timeout { after, limit }
    }

    /// The answer for a request whose instance a limit has stopped.
    fn stopped(&self, limit: Limit) -> InvokeError {
        let limits = &self.budget.limits;
        let after = match limit {
            Limit::CpuTime => limits.cpu_time,
            Limit::RequestTimeout => limits.request_timeout,
            Limit::TaskTime => limits.task_time,
            Limit::ResponseStall => limits.response_stall,
            limit => return InvokeError::OverLimit(self.budget.over(limit)),
        };
        InvokeError::Timeout { after, limit }
    }

    /// An answer whose body ended too early or too late, while nothing of it had been sent.
    fn broken(&self, error: &wasmtime_wasi_http::Error) -> InvokeError {
        match error {
            wasmtime_wasi_http::Error::HttpResponseTimeout => self.stopped(Limit::ResponseStall),
            error => InvokeError::Guest(cut(format!("a body that broke off: {error}"))),
        }
    }

    async fn explain(&self, error: &wasmtime::Error, running: &Arc<RunningRequest>) -> InvokeError {
        if error.is::<ExpirationError>() {
            let (limit, after) = running.patience();
            return self.timeout(limit, after);
        }
        if let Some(over) = running.context.chain.refused() {
            return InvokeError::OverLimit(over);
        }
        if let Some(code) = error.downcast_ref::<p3::bindings::http::types::ErrorCode>() {
            return InvokeError::Guest(cut(code.to_string()));
        }
        if let Some(code) = error.downcast_ref::<p2::bindings::http::types::ErrorCode>() {
            return InvokeError::Guest(cut(code.to_string()));
        }
        if let Some(error) = error.downcast_ref::<wasmtime_wasi_http::Error>() {
            return InvokeError::Guest(cut(error.to_string()));
        }
        match running.fate().await {
            End::Lost(Some(limit)) => self.stopped(limit),
            End::Lost(None) => InvokeError::Trapped,
            End::Returned => {
                InvokeError::Guest("nothing: it returned without an answer".to_owned())
            }
        }
    }
}

/// A guest's own words go to the log, whose rate they must not get around.
pub(crate) fn cut(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
    reason
}

fn header_bytes(response: &Response<Body>) -> usize {
    let headers = response.headers().iter();
    headers
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

fn is_crowded(error: &wasmtime::Error) -> bool {
    error.is::<InstancesLimit>() || error.is::<PoolConcurrencyLimitError>()
}

// === impl Queue ===

impl Queue {
    fn new(share: Share) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(share.at_once)),
            waiting: AtomicUsize::new(0),
            most: share.waiting,
        }
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one_more = |waiting: usize| (waiting < most).then_some(waiting + 1);
        let entered = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.ok().map(|_| Self(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_reason_is_cut() {
        assert_eq!(cut("no".to_owned()), "no");
        let long = "é".repeat(LONGEST_REASON);
        assert_eq!(cut(format!("x{long}")).len(), LONGEST_REASON - 1);
    }
}
