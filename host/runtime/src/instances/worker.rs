//! One instance at work: how it starts, how long it lives, and what becomes of it.

use crate::instances::capabilities::Capabilities;
use crate::instances::circuit_breaker::CircuitBreaker;
use crate::instances::cpu_scheduler::{Computes as _, CpuScheduler, Stint, bound_computing};
use crate::instances::instance::State;
use crate::instances::instance_quota::{Calls, InstanceQuota};
use crate::instances::pool::cut;
use crate::limits::{ComponentBudget, Limit};
use crate::requests::egress::Egress;
use crate::requests::outgoing::Outgoing;
use crate::requests::running::{AtWork, Current, Flow, RunningRequest, RunningRequestsView as _};
use crate::served::files::LaidOut;
use sbd_config::ConfigCtx;
use sbd_telemetry::metrics::{COMPONENT_TRAPS, INSTANCES, tenant_label};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::Sleep;
use wasmtime::component::{GuestTaskId, ResourceTableError};
use wasmtime::{Engine, PoolConcurrencyLimitError, Result, Store, StoreContextMut, Trap};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};

/// An instance without work is kept this long at least and twice as long at most.
const IDLE: Duration = Duration::from_secs(5);

/// A guest that starts longer than this is stuck.
const START: Duration = Duration::from_secs(10);

/// A response may stream this long after its headers.
const STREAM: Duration = Duration::from_secs(600);

/// An instance that was given up, or is of an old version, ends within so long.
const LOOK: Duration = Duration::from_secs(1);

/// Bytes of an instance that are worth a thread of their own to give back.
const MUCH: usize = 8 << 20;

/// How to make an instance.
pub(crate) struct Blueprint {
    pub(crate) engine: Engine,
    pub(crate) scheduler: CpuScheduler,
    pub(crate) proxy: Arc<ProxyPre<State>>,
    /// Requests that an instance answers before it is thrown away.
    pub(crate) requests: usize,
    /// Requests that it answers at once.
    pub(crate) at_once: usize,
    pub(crate) budget: Arc<ComponentBudget>,
    pub(crate) egress: Arc<Egress>,
    pub(crate) environment: Arc<[(String, String)]>,
    /// What the component may read.
    pub(crate) files: Option<Arc<LaidOut>>,
    pub(crate) config: ConfigCtx,
    pub(crate) capabilities: Option<Capabilities>,
    /// Those of the component, over all tenants.
    pub(crate) quota: Arc<InstanceQuota>,
    /// Where the process calls for a slot.
    pub(crate) crowded: Arc<Notify>,
    /// Instances of this tenant.
    pub(crate) own_instances: Arc<AtomicUsize>,
    pub(crate) breaker: Arc<CircuitBreaker>,
    /// No new requests come, and instances without any end.
    pub(crate) retired: Arc<AtomicBool>,
    /// The process is about to end.
    pub(crate) stopping: Arc<AtomicBool>,
}

/// One instance's worker: how often it may be reused, and who hears of its end.
pub(crate) struct Worker {
    stopping: Arc<AtomicBool>,
    budget: Arc<ComponentBudget>,
    breaker: Arc<CircuitBreaker>,
    retired: Arc<AtomicBool>,
    flow: Arc<Flow>,
    is_old: bool,
    requests: usize,
    at_once: usize,
    _alive: Alive,
}

/// Counts an instance for as long as it lives.
struct Alive {
    quota: Arc<InstanceQuota>,
    own: Arc<AtomicUsize>,
    gauge: metrics::Gauge,
}

/// Ends a worker that is idle or stuck. Polled outside the guest's event loop, which a looping
/// guest can keep from running (wasmtime#11869).
pub(crate) struct Expiration {
    timer: Pin<Box<Sleep>>,
    stint: Arc<Stint>,
    flow: Arc<Flow>,
    retired: Arc<AtomicBool>,
    calls: Calls,
    is_old: bool,
    idle: Duration,
}

/// The manifest's limit on instances is reached.
#[derive(Debug, thiserror::Error)]
#[error("the limit `instances` is reached")]
pub(crate) struct InstancesLimit;

/// A limit that stops an instance at once.
#[derive(Debug, thiserror::Error)]
#[error("the limit `{0}` is exceeded")]
pub(crate) struct Stopped(pub(crate) Limit);

// === impl Blueprint ===

impl HandlerState for Blueprint {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> Result<Instance<State, Expiration, Worker>> {
        let limits = &self.budget.limits;
        let alive = Alive::new(self)?;
        let stint = Arc::new(Stint::default());
        let mut store = self.store(&stint);
        let starting = stint.around(self.proxy.instantiate_async(&mut store));
        let started = tokio::time::timeout(START.min(limits.request_timeout), starting).await;
        let started = started.unwrap_or_else(|_| Err(Stopped(Limit::RequestTimeout).into()));
        let proxy = match started {
            Ok(proxy) => proxy,
            Err(error) => {
                // That the process has no room is not the component's fault.
                if !error.is::<PoolConcurrencyLimitError>() {
                    self.breaker.note();
                } else if self.own_instances.load(Ordering::Relaxed) == 1 {
                    self.crowded.notify_one();
                }
                return Err(match limit_of(&error, &store) {
                    Some(limit) => Stopped(limit).into(),
                    None => error,
                });
            }
        };
        let flow = Arc::new(Flow::new(limits.request_timeout));
        let is_old = matches!(*self.proxy, ProxyPre::P2(_));
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration: Expiration {
                timer: Box::pin(tokio::time::sleep(LOOK)),
                stint,
                flow: Arc::clone(&flow),
                retired: Arc::clone(&self.retired),
                calls: self.quota.calls(&self.crowded),
                is_old,
                idle: IDLE + IDLE * u32::from(random_byte()) / u32::from(u8::MAX),
            },
            state: Worker {
                stopping: Arc::clone(&self.stopping),
                budget: Arc::clone(&self.budget),
                breaker: Arc::clone(&self.breaker),
                retired: Arc::clone(&self.retired),
                flow,
                is_old,
                requests: about(self.requests),
                at_once: self.at_once,
                _alive: alive,
            },
        })
    }
}

impl Blueprint {
    fn store(&self, stint: &Arc<Stint>) -> Store<State> {
        let budget = &self.budget;
        let limits = &budget.limits;
        let outgoing = Outgoing {
            tenant: Arc::clone(&budget.tenant),
            egress: Arc::clone(&self.egress),
            current: Current::new(Arc::new(RunningRequest::start(Arc::clone(budget)))),
            largest: limits.outbound_response.bytes(),
        };
        let state = State::new(
            outgoing,
            self.config.clone(),
            self.capabilities.clone(),
            &self.environment,
            self.files.as_ref().map(|files| files.folder()),
            budget,
        );
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_max_component_handles(limits.handles);
        store.set_hostcall_fuel(limits.capability_bytes.bytes_usize());
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(limits.handles);
        }
        let over = || Stopped(Limit::CpuTime).into();
        bound_computing(&mut store, &self.scheduler, stint, limits.cpu_time, over);
        store
    }
}

/// Gives an instance's memory back. Much of it takes milliseconds, in which no request should wait.
fn release(store: Store<State>) {
    let runtime = tokio::runtime::Handle::try_current();
    match runtime {
        Ok(runtime) if store.data().limiter.used() >= MUCH => {
            drop(runtime.spawn_blocking(move || drop(store)));
        }
        _ => drop(store),
    }
}

/// The limit behind the end of an instance, if one is.
fn limit_of(error: &wasmtime::Error, store: &Store<State>) -> Option<Limit> {
    if let Some(Stopped(limit)) = error.downcast_ref() {
        return Some(*limit);
    }
    if matches!(error.downcast_ref(), Some(Trap::StackOverflow)) {
        return Some(Limit::Stack);
    }
    // A guest that gets no more memory mostly gives up by a trap of its own.
    if store.data().limiter.has_refused() {
        return Some(Limit::Memory);
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        return Some(Limit::Handles);
    }
    // wasmtime has no types for these.
    let error = format!("{error:#}");
    if error.contains("handle limit exceeded") {
        Some(Limit::Handles)
    } else if error.contains("fuel allocated for hostcalls") {
        Some(Limit::CapabilityBytes)
    } else {
        None
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
    fn new(blueprint: &Blueprint) -> Result<Self, InstancesLimit> {
        let budget = &blueprint.budget;
        let own = blueprint.own_instances.load(Ordering::Relaxed);
        if !blueprint.quota.take(own) {
            return Err(InstancesLimit);
        }
        blueprint.own_instances.fetch_add(1, Ordering::Relaxed);
        let gauge = metrics::gauge!(INSTANCES, "component" => budget.component.to_string());
        gauge.increment(1);
        Ok(Self {
            quota: Arc::clone(&blueprint.quota),
            own: Arc::clone(&blueprint.own_instances),
            gauge,
        })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.quota.give_back();
        self.own.fetch_sub(1, Ordering::Relaxed);
        self.gauge.decrement(1);
    }
}

// === impl Worker ===

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = Arc<RunningRequest>;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        // A first request is this worker's reason to be.
        let ending = self.retired.load(Ordering::Relaxed) || self.flow.is_abandoned();
        if ending && total > 0 || total >= self.requests {
            ShouldAccept::Never
        } else if concurrent >= self.at_once {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, State>,
        running: Arc<RunningRequest>,
        task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        self.flow.settle();
        running.taken_by(&self.flow);
        let state = store.data_mut();
        state.work().begin();
        state.running_requests().begin(task, Arc::clone(&running));
        // A guest of WASI 0.2 works on a request until it returns, which is when this future goes.
        let at_work = self
            .is_old
            .then(|| AtWork::new(Arc::clone(&running), Arc::clone(&self.flow)));
        // The pool keeps the time, and the worker takes no further requests once it has given up.
        Box::pin(async move {
            let _at_work = at_work;
            running.given_up().await;
        })
    }

    fn drop(&self, mut store: Store<State>, result: Result<()>) {
        let limit = match &result {
            Ok(()) => None,
            Err(error) => limit_of(error, &store),
        };
        if result.is_ok() {
            self.flow.settle();
        }
        let requests = store.data_mut().running_requests();
        requests.end(result.is_err(), limit);
        self.flow.settle();
        // A guest that fails because whoever asked has left is as good as any.
        let were_left = requests.were_left_within(self.budget.limits.request_timeout);
        release(store);
        let Err(error) = result else { return };
        // When the process ends its workers are cut off, which is no failure of theirs; and one that
        // was given up has been told of already.
        if self.stopping.load(Ordering::Relaxed) || self.flow.is_abandoned() {
            return;
        }
        let ComponentBudget {
            tenant, component, ..
        } = &*self.budget;
        if limit.is_none() && were_left {
            tracing::debug!(
                tenant = &**tenant,
                component = &**component,
                error = cut(format!("{error:?}")),
                "component failed after its client had left"
            );
            return;
        }
        self.breaker.note();
        if let Some(limit) = limit {
            self.budget.exceeded(limit);
            return;
        }
        metrics::counter!(COMPONENT_TRAPS, "tenant" => tenant_label(tenant).to_string(), "component" => component.to_string())
            .increment(1);
        tracing::error!(
            tenant = &**tenant,
            component = &**component,
            error = cut(format!("{error:?}")),
            "component failed; its other requests in the same instance fail with it"
        );
    }
}

// === impl Expiration ===

impl Expiration {
    /// When the worker has to end, if nothing changes until then.
    fn deadline(&self, status: WorkerStatus, since: Instant) -> Instant {
        match status {
            WorkerStatus::Idle if self.retired.load(Ordering::Relaxed) => since,
            WorkerStatus::Idle => since + self.idle,
            // A guest of WASI 0.2 is still at its request while its answer flows.
            WorkerStatus::Requests if self.is_old => match self.flow.quiet_since() {
                None => since + STREAM,
                Some(quiet) if self.flow.is_abandoned() => since.max(quiet),
                Some(quiet) => since.max(quiet) + self.flow.patience() + LOOK,
            },
            // One second past the request's own timeout, which ends it more gently.
            WorkerStatus::Requests => since + self.flow.patience() + LOOK,
            WorkerStatus::PostReturn => match self.flow.quiet_since() {
                None => since + STREAM,
                Some(quiet) if self.flow.is_abandoned() => since.max(quiet),
                // What a guest does after its answer has as long as the answer had.
                Some(quiet) => since.max(quiet) + self.flow.patience(),
            },
        }
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        since: Instant,
    ) -> Poll<()> {
        // It is asked whenever the instance waits for something.
        self.stint.end();
        self.flow.settle();
        if !matches!(status, WorkerStatus::Idle) {
            self.calls.pass_on();
        } else if self.calls.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let deadline = self.deadline(status, since);
        // The timer rings every so often, whatever the deadline: setting it anew with each request
        // would cost more than looking, and what moves a deadline forward wakes nobody.
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= deadline {
                return Poll::Ready(());
            }
            let next = deadline.min(now + LOOK);
            self.timer.as_mut().reset(next.into());
        }
        Poll::Pending
    }
}
