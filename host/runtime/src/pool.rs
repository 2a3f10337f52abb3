//! The instances of one (tenant, component, version), and how requests reach them.
//!
//! wasmtime's `ProxyHandler` starts an instance when none is free and reuses it a bounded number
//! of times. It holds nothing back, so a semaphore stands before it. A pool never crosses tenants:
//! an instance that keeps state between requests can show it to nobody else.

use crate::InvokeError;
use crate::answer::bounded;
use crate::body::Body;
use crate::component::LoadedComponent;
use crate::failures::Failures;
use crate::limit::{Allowance, Limit};
use crate::origin::{Origin, Passage};
use crate::requests::{Class, Share};
use crate::worker::{Blueprint, InstancesLimit, Stopped};
use arc_swap::ArcSwap;
use http::{Request, Response, header};
use sbd_features::Catalogue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::PoolConcurrencyLimitError;
use wasmtime_wasi_http::handler::{ExpirationError, InstantiationError, ProxyHandler};
use wasmtime_wasi_http::p3;

/// How often to look for a free instance when all that are allowed exist.
const RETRY: Duration = Duration::from_millis(5);

/// Bytes of a guest's own reason for failing that are kept.
const LONGEST_REASON: usize = 4096;

/// The instances of one component for one tenant.
pub(crate) struct Pool {
    component: Arc<LoadedComponent>,
    /// What its instances know of the application's features.
    features: Arc<ArcSwap<Catalogue>>,
    handler: ProxyHandler<Blueprint>,
    allowance: Arc<Allowance>,
    failures: Arc<Failures>,
    retired: Arc<AtomicBool>,
    tried: AtomicBool,
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
    /// The pool of a component that is served, or only `tried`.
    pub(crate) fn new(
        blueprint: Blueprint,
        component: Arc<LoadedComponent>,
        features: Arc<ArcSwap<Catalogue>>,
        tried: bool,
    ) -> Self {
        let allowance = Arc::clone(&blueprint.allowance);
        Self {
            component,
            features,
            tried: AtomicBool::new(tried),
            queues: Class::ALL.map(|class| Queue::new(class.share(&allowance.limits))),
            failures: Arc::clone(&blueprint.failures),
            retired: Arc::clone(&blueprint.retired),
            instances: Arc::clone(&blueprint.own_instances),
            handler: ProxyHandler::new(blueprint),
            allowance,
        }
    }

    /// What these are instances of.
    pub(crate) fn component(&self) -> &LoadedComponent {
        &self.component
    }

    /// Lets running requests finish, and instances without any end; or lets it go on after all.
    pub(crate) fn retire(&self, retired: bool) {
        self.retired.store(retired, Ordering::Relaxed);
    }

    /// Tells its instances which features there are, if these are others than before.
    pub(crate) fn show_features(&self, features: &Arc<Catalogue>) {
        if !Arc::ptr_eq(&self.features.load(), features) {
            self.features.store(Arc::clone(features));
        }
    }

    /// Whether it was made for a version that was only tried, and that is served now. Says so once.
    pub(crate) fn take_tried(&self) -> bool {
        self.tried.swap(false, Ordering::Relaxed)
    }

    /// How many instances are alive.
    pub(crate) fn instances(&self) -> usize {
        self.instances.load(Ordering::Relaxed)
    }

    /// Lets an instance answer the request.
    pub(crate) async fn handle(
        &self,
        passage: Passage,
        request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        if let Some(pause) = self.failures.pause() {
            return Err(self.overloaded(Limit::Failures, pause));
        }
        let permit = self.admit(passage.class).await?;
        let limits = &self.allowance.limits;
        let give_up = Instant::now() + limits.queue_wait;
        let timeout = limits.request_timeout;
        let origin = Arc::new(Origin::new(passage, Arc::clone(&self.allowance)));
        let mut next = request;
        loop {
            let handling = self.handler.handle(Arc::clone(&origin), next);
            let error = match tokio::time::timeout(timeout, handling).await {
                Err(_) => {
                    origin.give_up();
                    return Err(self.timeout(timeout));
                }
                Ok(Ok(response)) => {
                    // These are no answers, and a switch of protocols would hand over the socket.
                    if response.status().is_informational() {
                        return Err(InvokeError::Guest(format!("status {}", response.status())));
                    }
                    // A guest that failed for want of something says so worse than we can.
                    if response.status().is_server_error()
                        && let Some(over) = origin.passage.chain.refused()
                    {
                        return Err(InvokeError::OverLimit(over));
                    }
                    if header_bytes(&response) > limits.response_headers.bytes_usize() {
                        self.allowance.exceeded(Limit::ResponseHeaders);
                        return Err(self.stopped(Limit::ResponseHeaders));
                    }
                    if announced(&response) > limits.response_body.bytes() {
                        self.allowance.exceeded(Limit::ResponseBody);
                        return Err(self.stopped(Limit::ResponseBody));
                    }
                    return Ok(bounded(response, &origin, &self.allowance, permit));
                }
                Ok(Err(error)) => error,
            };
            // A request that never reached an instance comes back whole and can wait for one.
            let unstarted = match error.downcast::<InstantiationError<Arc<Origin>>>() {
                Ok(unstarted) => unstarted,
                Err(error) => return Err(self.explain(&error, &origin).await),
            };
            if let Some(Stopped(limit)) = unstarted.error.downcast_ref() {
                self.allowance.exceeded(*limit);
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
        let limits = &self.allowance.limits;
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
        self.allowance.exceeded(limit);
        InvokeError::Overloaded { retry_after, limit }
    }

    fn timeout(&self, after: Duration) -> InvokeError {
        self.allowance.exceeded(Limit::RequestTimeout);
        InvokeError::Timeout {
            after,
            limit: Limit::RequestTimeout,
        }
    }

    /// The answer for a request whose instance a limit has stopped.
    fn stopped(&self, limit: Limit) -> InvokeError {
        let limits = &self.allowance.limits;
        let after = match limit {
            Limit::CpuTime => limits.cpu_time,
            Limit::RequestTimeout => limits.request_timeout,
            limit => return InvokeError::OverLimit(self.allowance.over(limit)),
        };
        InvokeError::Timeout { after, limit }
    }

    async fn explain(&self, error: &wasmtime::Error, origin: &Origin) -> InvokeError {
        if error.is::<ExpirationError>() {
            return self.timeout(self.allowance.limits.request_timeout);
        }
        if let Some(over) = origin.passage.chain.refused() {
            return InvokeError::OverLimit(over);
        }
        if let Some(code) = error.downcast_ref::<p3::bindings::http::types::ErrorCode>() {
            return InvokeError::Guest(cut(code.to_string()));
        }
        if let Some(error) = error.downcast_ref::<wasmtime_wasi_http::Error>() {
            return InvokeError::Guest(cut(error.to_string()));
        }
        match origin.fate().await {
            Some(limit) => self.stopped(limit),
            None => InvokeError::Trapped,
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

/// How long a guest says that its answer is.
fn announced(response: &Response<Body>) -> u64 {
    let length = response.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
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
