//! The instances of one (tenant, component, version), and how requests reach them.
//!
//! wasmtime's `ProxyHandler` starts an instance when none is free and reuses it a bounded number
//! of times. It holds nothing back, so a semaphore stands before it. A pool never crosses tenants:
//! an instance that keeps state between requests can show it to nobody else.

use crate::body::Body;
use crate::instance::{Capabilities, State};
use crate::origin::{Origin, OriginsView as _};
use crate::outgoing::Outgoing;
use crate::{Inner, InvokeError, engine};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use sbd_manifest::{AllowedHosts, Limits};
use sbd_telemetry::metrics::{COMPONENT_TRAPS, INSTANCES, LIMIT_EXCEEDED};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use wasmtime::component::GuestTaskId;
use wasmtime::{Engine, PoolConcurrencyLimitError, Result, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi_http::handler::{
    ExpirationError, HandlerState, Instance, InstantiationError, ProxyHandler, ProxyPre,
    ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{WasiHttpView as _, p3};

/// An instance without work is kept this long at least and twice as long at most.
const IDLE: Duration = Duration::from_secs(5);

/// A guest that starts longer than this is stuck.
const START: Duration = Duration::from_secs(10);

/// A response may stream this long after its headers.
const STREAM: Duration = Duration::from_secs(600);

/// How often to look for a free instance when all that are allowed exist.
const RETRY: Duration = Duration::from_millis(5);

/// The instances of one component for one tenant.
pub(crate) struct Pool {
    handler: ProxyHandler<Blueprint>,
    permits: Arc<Semaphore>,
    limits: Limits,
}

/// How to make an instance.
pub(crate) struct Blueprint {
    pub(crate) engine: Engine,
    pub(crate) proxy: Arc<ProxyPre<State>>,
    pub(crate) runtime: Weak<Inner>,
    pub(crate) tenant: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) allowed: Arc<AllowedHosts>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) capabilities: Capabilities,
    pub(crate) limits: Limits,
    /// Instances alive.
    pub(crate) instances: Arc<AtomicUsize>,
}

/// One instance's worker: how often it may be reused, and who hears of its end.
pub(crate) struct Worker {
    runtime: Weak<Inner>,
    tenant: Arc<str>,
    component: Arc<str>,
    requests: usize,
    concurrent: usize,
    _alive: Alive,
}

/// Counts an instance for as long as it lives.
struct Alive {
    count: Arc<AtomicUsize>,
    gauge: metrics::Gauge,
}

/// Ends a worker that is idle or stuck. Polled outside the guest's event loop, which a looping
/// guest can keep from running (wasmtime#11869).
pub(crate) struct Expiration {
    timer: Pin<Box<Sleep>>,
    idle: Duration,
    patience: Duration,
}

/// The manifest's limit on instances is reached.
#[derive(Debug, thiserror::Error)]
#[error("the limit `instances` is reached")]
struct InstancesLimit;

// === impl Pool ===

impl Pool {
    pub(crate) fn new(blueprint: Blueprint) -> Self {
        let limits = blueprint.limits.clone();
        Self {
            permits: Arc::new(Semaphore::new(limits.concurrency)),
            handler: ProxyHandler::new(blueprint),
            limits,
        }
    }

    /// Lets an instance answer the request.
    pub(crate) async fn handle(
        &self,
        origin: Origin,
        request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        let permit = self.admit().await?;
        let give_up = Instant::now() + self.limits.queue_wait;
        let mut next = (Arc::new(origin), request);
        let timeout = self.limits.request_timeout;
        loop {
            let (origin, request) = next;
            let handled =
                tokio::time::timeout(timeout, self.handler.handle(Arc::clone(&origin), request))
                    .await;
            let error = match handled {
                Err(_) => {
                    origin.give_up();
                    self.exceeded("request_timeout");
                    return Err(InvokeError::Timeout(timeout));
                }
                Ok(Ok(response)) => {
                    return Ok(response.map(|body| {
                        Held {
                            body,
                            _permit: permit,
                        }
                        .boxed_unsync()
                    }));
                }
                Ok(Err(error)) => error,
            };
            // A request that never reached an instance comes back whole and can wait for one.
            let unstarted = match error.downcast::<InstantiationError<Arc<Origin>>>() {
                Ok(unstarted) => unstarted,
                Err(error) => return Err(self.explain(&error, &origin)),
            };
            if !is_crowded(&unstarted.error) {
                return Err(InvokeError::CannotStart(format!("{:#}", unstarted.error)));
            }
            if Instant::now() >= give_up {
                return Err(self.overloaded("instances"));
            }
            tokio::time::sleep(RETRY).await;
            let request = unstarted
                .request
                .into_inner()
                .map_err(|_| InvokeError::Trapped)?;
            next = (unstarted.request_data, request);
        }
    }

    /// A place among the requests that may run at once; waits a bounded time for it.
    async fn admit(&self) -> Result<OwnedSemaphorePermit, InvokeError> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.limits.queue_wait, waiting).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(self.overloaded("concurrency")),
        }
    }

    fn overloaded(&self, limit: &'static str) -> InvokeError {
        self.exceeded(limit);
        InvokeError::Overloaded {
            retry_after: Duration::from_secs(1),
            limit,
        }
    }

    /// Tells operators which limit held a component back.
    fn exceeded(&self, limit: &'static str) {
        let blueprint = self.handler.state();
        let (tenant, component) = (&blueprint.tenant, &blueprint.component);
        tracing::warn!(
            tenant = &**tenant,
            component = &**component,
            limit,
            "limit reached"
        );
        metrics::counter!(
            LIMIT_EXCEEDED,
            "tenant" => tenant.to_string(),
            "component" => component.to_string(),
            "limit" => limit,
        )
        .increment(1);
    }

    fn explain(&self, error: &wasmtime::Error, origin: &Origin) -> InvokeError {
        if origin.over_time.load(Ordering::Relaxed) {
            self.exceeded("cpu_time");
            return InvokeError::Timeout(self.limits.cpu_time);
        }
        if error.is::<ExpirationError>() {
            self.exceeded("request_timeout");
            return InvokeError::Timeout(self.limits.request_timeout);
        }
        if let Some(code) = error.downcast_ref::<p3::bindings::http::types::ErrorCode>() {
            return InvokeError::Guest(code.to_string());
        }
        if let Some(error) = error.downcast_ref::<wasmtime_wasi_http::Error>() {
            return InvokeError::Guest(error.to_string());
        }
        InvokeError::Trapped
    }
}

fn is_crowded(error: &wasmtime::Error) -> bool {
    error.is::<InstancesLimit>() || error.is::<PoolConcurrencyLimitError>()
}

// === impl Blueprint ===

impl HandlerState for Blueprint {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> Result<Instance<State, Expiration, Worker>> {
        let alive = Alive::new(&self.component, &self.instances, self.limits.instances)?;
        let mut store = self.store();
        let started = tokio::time::timeout(START, self.proxy.instantiate_async(&mut store));
        let proxy = started.await.map_err(|_| {
            wasmtime::format_err!("it did not start within {} s", START.as_secs())
        })??;
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration: Expiration {
                timer: Box::pin(tokio::time::sleep(START)),
                idle: IDLE + IDLE * u32::from(random_byte()) / u32::from(u8::MAX),
                patience: self.limits.request_timeout,
            },
            state: Worker {
                runtime: self.runtime.clone(),
                tenant: Arc::clone(&self.tenant),
                component: Arc::clone(&self.component),
                requests: about(self.limits.reuse_requests),
                concurrent: self.limits.reuse_concurrent,
                _alive: alive,
            },
        })
    }
}

impl Blueprint {
    fn store(&self) -> Store<State> {
        let outgoing = Outgoing {
            runtime: self.runtime.clone(),
            tenant: Arc::clone(&self.tenant),
            component: Arc::clone(&self.component),
            allowed: Arc::clone(&self.allowed),
            current: Default::default(),
        };
        let state = State::new(
            outgoing,
            self.capabilities.clone(),
            &self.environment,
            self.limits.memory.bytes_usize(),
        );
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        let budget = self.limits.cpu_time.as_millis() / engine::TICK.as_millis();
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |mut store| {
            let state = store.data_mut();
            state.ticks += 1;
            if u128::from(state.ticks) > budget {
                state.origins().over_time();
                wasmtime::bail!("the limit `cpu_time` is exceeded");
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

/// Between seven eighths of a number and the number. A guest that only works when it is reused
/// exactly so often then fails in tests, not in production.
fn about(most: usize) -> usize {
    let least = most - most / 8;
    least + (most - least) * usize::from(random_byte()) / usize::from(u8::MAX)
}

/// Without randomness every worker lives equally long, which is correct too.
fn random_byte() -> u8 {
    let mut byte = [u8::MAX];
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}

// === impl Alive ===

impl Alive {
    fn new(component: &str, count: &Arc<AtomicUsize>, most: usize) -> Result<Self, InstancesLimit> {
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |alive| {
                (alive < most).then_some(alive + 1)
            })
            .map_err(|_| InstancesLimit)?;
        let gauge = metrics::gauge!(INSTANCES, "component" => component.to_owned());
        gauge.increment(1);
        Ok(Self {
            count: Arc::clone(count),
            gauge,
        })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.gauge.decrement(1);
    }
}

// === impl Worker ===

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = Arc<Origin>;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.requests {
            ShouldAccept::Never
        } else if concurrent >= self.concurrent {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, State>,
        origin: Arc<Origin>,
        task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        let state = store.data_mut();
        state.ticks = 0;
        state.origins().begin(task, Arc::clone(&origin));
        // The pool keeps the time, and the worker takes no further requests once it has given up.
        Box::pin(origin.given_up())
    }

    fn drop(&self, store: Store<State>, result: Result<()>) {
        drop(store);
        // When the process ends its workers are cut off, which is no failure of theirs.
        let ending = self.runtime.strong_count() == 0;
        if let Err(error) = result
            && !ending
        {
            metrics::counter!(COMPONENT_TRAPS, "tenant" => self.tenant.to_string(), "component" => self.component.to_string())
                .increment(1);
            tracing::error!(
                tenant = &*self.tenant,
                component = &*self.component,
                error = format!("{error:?}"),
                "component failed; its other requests in the same instance fail with it"
            );
        }
    }
}

// === impl Expiration ===

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        since: Instant,
    ) -> Poll<()> {
        let allowed = match status {
            WorkerStatus::Idle => self.idle,
            // One second past the request's own timeout, which ends it more gently.
            WorkerStatus::Requests => self.patience + Duration::from_secs(1),
            WorkerStatus::PostReturn => STREAM,
        };
        let deadline = tokio::time::Instant::from_std(since + allowed);
        // Most often the deadline has moved on since the timer was set, with each request. Setting
        // it anew only when it rings costs nothing a request.
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// A response body that keeps its request's place until it ends.
struct Held {
    body: Body,
    _permit: OwnedSemaphorePermit,
}

impl http_body::Body for Held {
    type Data = bytes::Bytes;
    type Error = crate::body::BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
