//! What a running request came with and has used so far, found again when its guest calls out.

use crate::InvokeError;
use crate::body::Body;
use crate::limits::{ComponentBudget, Limit, OverLimit};
use crate::principal::{Authenticated, SealError};
use crate::requests::Class;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use sbd_contract::Principal;
use sbd_metering::{Cause, Delegated, Meter};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use wasmtime::AsContextMut;
use wasmtime::component::GuestTaskId;

/// About what a line of ours takes in the log, in bytes.
const LINE: usize = 256;

/// The end of an instance is told to its requests right after they lost it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A request on its way to a component.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    /// `req_...`, the same all along a chain of components.
    pub(crate) request_id: Arc<str>,
    pub(crate) class: Class,
    /// The event that it delivers.
    pub(crate) event: Option<Arc<str>>,
    /// The trace that it is part of, as a W3C `traceparent`.
    pub(crate) trace: Option<Arc<str>>,
    /// Who asks; `None` is anybody.
    pub(crate) principal: Option<Arc<Authenticated>>,
    /// How many components called each other to get here.
    pub(crate) depth: usize,
    pub(crate) chain: Arc<Chain>,
}

/// The components of the application that a request from outside arrived at, for the components that
/// call each other for it.
pub(crate) trait Neighbours: Debug + Send + Sync {
    /// The principal that a guest of a tenant passes on.
    fn open(&self, sealed: &HeaderValue, tenant: &str) -> Result<Authenticated, SealError>;

    /// Leaves a component to act for a principal's user later.
    fn delegate(&self, principal: &Principal, component: &str) -> Result<Delegated, String>;

    /// What answers on a public route of theirs.
    fn on_route(&self, path: &str) -> Option<OnRoute>;

    /// Sends a request to one of them.
    fn call(
        &self,
        tenant: Arc<str>,
        component: &str,
        context: RequestContext,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Body>, InvokeError>>;
}

/// What answers on a public route of the application.
pub(crate) enum OnRoute {
    Component(Arc<str>),
    /// An answer that stands in the manifest.
    Static(Response<Body>),
}

/// What one request from outside leads to, over all components that call each other for it.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Who answers calls; `None` where no request has come yet.
    neighbours: Option<Arc<dyn Neighbours>>,
    /// Calls of other components that are left.
    calls: AtomicUsize,
    /// The longest chain.
    pub(crate) deepest: usize,
    /// The first limit that refused something. Should a component fail afterwards, that is why.
    refused: OnceLock<OverLimit>,
}

/// The request that a guest is answering.
#[derive(Debug)]
pub(crate) struct RunningRequest {
    pub(crate) context: RequestContext,
    budget: Arc<ComponentBudget>,
    outbound: AtomicUsize,
    capability_calls: AtomicUsize,
    capability_bytes: AtomicUsize,
    /// The instance, once one has taken the request.
    flow: OnceLock<Arc<Flow>>,
    /// Nobody waits for the answer any more, because it took too long.
    given_up: Notify,
    /// What became of the guest's work.
    ended: OnceLock<End>,
    end: Notify,
    /// The instance was lost, perhaps after this request had its answer.
    lost: AtomicBool,
    /// Since when whoever asked is gone, or does not send the rest of the request.
    left: OnceLock<Instant>,
}

/// What became of a guest's work on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The guest has returned, and does nothing more for it. Told of guests of WASI 0.2.
    Returned,
    /// The instance has ended, with the limit that ended it, if one did.
    Lost(Option<Limit>),
}

/// What an instance's requests and the watch over it know of each other.
#[derive(Debug)]
pub(crate) struct Flow {
    started: Instant,
    /// Answers whose bodies still flow.
    open: AtomicUsize,
    /// Milliseconds from `started` to when the last of them ended.
    quiet_since: AtomicU64,
    /// Milliseconds that the most patient of those who asked wait for an answer.
    patience: AtomicU64,
    /// A request was given up: its guest may go on for ever, and cannot be stopped alone
    /// (wasmtime#11833).
    abandoned: AtomicBool,
    /// The request from which a guest of WASI 0.2 has just returned.
    returned: Mutex<Option<Arc<RunningRequest>>>,
}

/// A guest of WASI 0.2 at work on a request, until this is dropped.
pub(crate) struct AtWork {
    running: Arc<RunningRequest>,
    flow: Arc<Flow>,
}

/// Notes that whoever asked has left, unless it is told that there is an answer.
pub(crate) struct Asker(Option<Arc<RunningRequest>>);

/// The running request on whose behalf an instance runs right now. Shared with the log streams of the
/// instance, which see bytes only.
#[derive(Clone, Debug)]
pub(crate) struct Current(Arc<Mutex<Arc<RunningRequest>>>);

/// The running requests of one instance, by the task that answers each.
#[derive(Debug)]
pub(crate) struct RunningRequests {
    by_task: HashMap<GuestTaskId, Arc<RunningRequest>>,
    current: Current,
}

/// A store's data that knows its running requests.
pub(crate) trait RunningRequestsView: Send {
    fn running_requests(&mut self) -> &mut RunningRequests;
}

// === impl RequestContext ===

impl RequestContext {
    /// Of an instance that answers no request, or none that may lead anywhere.
    pub(crate) fn of_nobody() -> Self {
        Self {
            request_id: Arc::from("-"),
            class: Class::Probe,
            event: None,
            trace: None,
            principal: None,
            depth: 0,
            chain: Arc::new(Chain::none()),
        }
    }

    /// The id of the user behind it, if there is one.
    pub(crate) fn user(&self) -> Option<&str> {
        self.principal.as_ref()?.user.as_deref()
    }
}

// === impl Chain ===

impl Chain {
    pub(crate) fn new(neighbours: Arc<dyn Neighbours>, calls: usize, deepest: usize) -> Self {
        Self {
            neighbours: Some(neighbours),
            calls: AtomicUsize::new(calls),
            deepest,
            refused: OnceLock::new(),
        }
    }

    /// A chain without components, for an instance that starts.
    fn none() -> Self {
        Self {
            neighbours: None,
            calls: AtomicUsize::new(0),
            deepest: 0,
            refused: OnceLock::new(),
        }
    }

    pub(crate) fn neighbours(&self) -> Option<&Arc<dyn Neighbours>> {
        self.neighbours.as_ref()
    }

    /// Takes one of the calls that are left.
    pub(crate) fn take_call(&self) -> bool {
        let take = |left: usize| left.checked_sub(1);
        self.calls
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    pub(crate) fn refused(&self) -> Option<OverLimit> {
        self.refused.get().cloned()
    }
}

// === impl RunningRequest ===

impl RunningRequest {
    pub(crate) fn new(context: RequestContext, budget: Arc<ComponentBudget>) -> Self {
        Self {
            context,
            budget,
            outbound: AtomicUsize::new(0),
            capability_calls: AtomicUsize::new(0),
            capability_bytes: AtomicUsize::new(0),
            flow: OnceLock::new(),
            given_up: Notify::new(),
            ended: OnceLock::new(),
            lost: AtomicBool::new(false),
            left: OnceLock::new(),
            end: Notify::new(),
        }
    }

    /// An instance that starts, on behalf of no request.
    pub(crate) fn start(budget: Arc<ComponentBudget>) -> Self {
        Self::new(RequestContext::of_nobody(), budget)
    }

    /// Notes that a limit refused something. The guest is told by an error, and may go on with less;
    /// the metric counts each request once.
    pub(crate) fn refuse(&self, limit: Limit) {
        let refused = &self.context.chain.refused;
        if refused.get().is_none() && refused.set(self.budget.over(limit)).is_ok() {
            self.budget.exceeded(limit);
        }
    }

    /// Tells the operator what to add for a request that was refused.
    pub(crate) fn log_refusal(&self, line: &str) {
        let ComponentBudget {
            tenant, component, ..
        } = &*self.budget;
        if !self.budget.is_nobodys && self.budget.may_log(line.len() + LINE) {
            tracing::warn!(
                tenant = &**tenant,
                component = &**component,
                "outgoing request refused; to allow it, add to [component.{component}]: {line}"
            );
        }
    }

    /// Tells the operator of an answer that cannot be sent as it began.
    pub(crate) fn log_broken_answer(&self, reason: &str) {
        let ComponentBudget {
            tenant, component, ..
        } = &*self.budget;
        if !self.was_left() && self.budget.may_log(reason.len() + LINE) {
            tracing::error!(
                tenant = &**tenant,
                component = &**component,
                request_id = &*self.context.request_id,
                reason,
                "the body of an answer broke off"
            );
        }
    }

    /// Tells the operator of a request that no grant would allow.
    pub(crate) fn log_misaddressed(&self, words: &str) {
        let ComponentBudget {
            tenant, component, ..
        } = &*self.budget;
        if !self.budget.is_nobodys && self.budget.may_log(words.len() + LINE) {
            tracing::warn!(
                tenant = &**tenant,
                component = &**component,
                "outgoing request refused; {words}"
            );
        }
    }

    /// Tells the operator of a call that was refused because nobody serves it.
    pub(crate) fn log_unserved(&self, called: &str, instead: &str) {
        let ComponentBudget {
            tenant, component, ..
        } = &*self.budget;
        if self.budget.may_log(called.len() + instead.len() + LINE) {
            tracing::warn!(
                tenant = &**tenant,
                component = &**component,
                "call of {called} refused, which this host does not serve: {instead}"
            );
        }
    }

    /// The component that answers it.
    pub(crate) fn component(&self) -> &Arc<str> {
        &self.budget.component
    }

    /// Tells the operator of a caller that the guest passed on and that is none of ours.
    pub(crate) fn log_forgery(&self, error: &SealError) {
        let ComponentBudget {
            tenant, component, ..
        } = &*self.budget;
        if self.budget.may_log(LINE) {
            tracing::warn!(
                tenant = &**tenant,
                component = &**component,
                %error,
                "caller refused"
            );
        }
    }

    /// Counts a request to the outside.
    pub(crate) fn count_outbound(&self) -> Result<(), Limit> {
        let before = self.outbound.fetch_add(1, Ordering::Relaxed);
        if before < self.budget.limits.outbound_requests {
            return Ok(());
        }
        self.refuse(Limit::OutboundRequests);
        Err(Limit::OutboundRequests)
    }

    /// How long its answer may take to begin, and the limit that says so.
    pub(crate) fn patience(&self) -> (Limit, Duration) {
        self.context.class.patience(&self.budget.limits)
    }

    /// An instance has taken the request.
    pub(crate) fn taken_by(&self, flow: &Arc<Flow>) {
        flow.bear(self.patience().1);
        // A request that comes back unstarted is taken by another; the first never had it.
        let _ = self.flow.set(Arc::clone(flow));
    }

    pub(crate) fn flow(&self) -> Option<&Arc<Flow>> {
        self.flow.get()
    }

    /// Ends the wait for an answer.
    pub(crate) fn give_up(&self) {
        self.given_up.notify_one();
        if let Some(flow) = self.flow() {
            flow.abandon();
        }
    }

    /// Resolves once nobody waits for the answer any more.
    pub(crate) async fn given_up(self: Arc<Self>) {
        self.given_up.notified().await;
    }

    fn end(&self, end: End) {
        if self.ended.set(end).is_ok() {
            self.end.notify_one();
        }
    }

    /// Resolves when the guest does nothing more for the request, if that is told.
    pub(crate) async fn over(self: Arc<Self>) -> End {
        loop {
            if let Some(end) = self.ended.get() {
                return *end;
            }
            self.end.notified().await;
        }
    }

    /// What became of a guest's work that brought no answer.
    pub(crate) async fn fate(self: &Arc<Self>) -> End {
        let told = tokio::time::timeout(LAST_WORDS, Arc::clone(self).over());
        told.await.unwrap_or(End::Lost(None))
    }

    /// Whether the instance was lost while it may still have been at work on the answer.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Whoever asked is gone, or does not send the rest of the request. What a guest makes of that is
    /// not held against it.
    pub(crate) fn leave(&self) {
        // Only the first time counts.
        let _ = self.left.set(Instant::now());
    }

    /// Whether whoever asked has left.
    pub(crate) fn was_left(&self) -> bool {
        self.left.get().is_some()
    }
}

impl Meter for RunningRequest {
    fn charge(&self, calls: u32, bytes: usize) -> Result<(), sbd_metering::OverLimit> {
        if self.budget.is_nobodys {
            return Err(sbd_metering::OverLimit {
                limit: Limit::CapabilityCalls.name(),
                allowed: "none while it says what it offers".to_owned(),
            });
        }
        let limits = &self.budget.limits;
        let calls = usize::try_from(calls).unwrap_or(usize::MAX);
        let calls = self.capability_calls.fetch_add(calls, Ordering::Relaxed) + calls;
        let bytes = self.capability_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let limit = if calls > limits.capability_calls {
            Limit::CapabilityCalls
        } else if bytes > limits.capability_bytes.bytes_usize() {
            Limit::CapabilityBytes
        } else {
            return Ok(());
        };
        self.refuse(limit);
        Err(sbd_metering::OverLimit {
            limit: limit.name(),
            allowed: self.budget.allowed(limit),
        })
    }

    fn refused(&self, limit: &'static str) {
        for stored in [Limit::StoredBytes, Limit::StoredDocuments] {
            if stored.name() == limit {
                self.refuse(stored);
            }
        }
    }

    fn cause(&self) -> Cause {
        Cause {
            request: Some(Arc::clone(&self.context.request_id)),
            event: self.context.event.clone(),
            user: self
                .context
                .principal
                .as_ref()
                .and_then(|who| who.user.clone()),
            trace: self.context.trace.clone(),
            kind: self.context.principal.as_ref().map(|who| who.kind),
            impersonated_by: self
                .context
                .principal
                .as_ref()
                .and_then(|who| who.impersonated_by.clone()),
        }
    }

    fn delegate(&self) -> Result<Delegated, String> {
        let nobody = || "there is no user to act for; let a user who is signed in ask for it";
        let principal = self.context.principal.as_deref().ok_or_else(nobody)?;
        let neighbours = self.context.chain.neighbours().ok_or_else(nobody)?;
        neighbours.delegate(principal, &self.budget.component)
    }
}

// === impl Flow ===

impl Flow {
    /// Whoever asks waits so long, if not longer.
    pub(crate) fn new(patience: Duration) -> Self {
        let flow = Self {
            started: Instant::now(),
            open: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(0),
            patience: AtomicU64::new(0),
            abandoned: AtomicBool::new(false),
            returned: Mutex::default(),
        };
        flow.bear(patience);
        flow
    }

    /// Tells the request from which the guest has returned, if one is to be told. Asked once what became
    /// of the instance is known: a guest that traps leaves its work in the same way.
    pub(crate) fn settle(&self) {
        if let Some(running) = self.returned().take() {
            running.end(End::Returned);
        }
    }

    fn returned(&self) -> MutexGuard<'_, Option<Arc<RunningRequest>>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits so long for an answer.
    fn bear(&self, patience: Duration) {
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.patience.fetch_max(patience, Ordering::Relaxed);
    }

    /// How long the most patient of those who asked wait.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }

    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        let elapsed = self.started.elapsed().as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.quiet_since.store(elapsed, Ordering::Relaxed);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Since when no body flows; `None` while one does.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        if self.open.load(Ordering::Relaxed) > 0 {
            return None;
        }
        Some(self.started + Duration::from_millis(self.quiet_since.load(Ordering::Relaxed)))
    }

    /// A guest goes on with what nobody wants any more.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }
}

// === impl AtWork ===

impl AtWork {
    pub(crate) fn new(running: Arc<RunningRequest>, flow: Arc<Flow>) -> Self {
        Self { running, flow }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        *self.flow.returned() = Some(Arc::clone(&self.running));
    }
}

// === impl Asker ===

impl Asker {
    pub(crate) fn of(running: &Arc<RunningRequest>) -> Self {
        Self(Some(Arc::clone(running)))
    }

    /// Whoever asked has stayed until the answer.
    pub(crate) fn has_stayed(mut self) {
        self.0 = None;
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            running.leave();
        }
    }
}

// === impl Current ===

impl Current {
    pub(crate) fn new(running: Arc<RunningRequest>) -> Self {
        Self(Arc::new(Mutex::new(running)))
    }

    pub(crate) fn get(&self) -> Arc<RunningRequest> {
        let current = self.0.lock();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, running: Arc<RunningRequest>) {
        if let Ok(mut current) = self.0.lock() {
            *current = running;
        }
    }
}

// === impl RunningRequests ===

impl RunningRequests {
    pub(crate) fn new(current: Current) -> Self {
        Self {
            by_task: HashMap::new(),
            current,
        }
    }

    /// The request on whose behalf the instance ran last.
    pub(crate) fn current(&self) -> Arc<RunningRequest> {
        self.current.get()
    }

    /// Tells every request that the instance has answered that it has ended, or is lost.
    pub(crate) fn end(&self, is_lost: bool, limit: Option<Limit>) {
        for running in self.by_task.values() {
            running.lost.store(is_lost, Ordering::Release);
            running.end(End::Lost(limit));
        }
    }

    /// Whether anybody who asked has left within so long.
    pub(crate) fn were_left_within(&self, recently: Duration) -> bool {
        let mut left = self.by_task.values().filter_map(|one| one.left.get());
        left.any(|left| left.elapsed() < recently)
    }

    /// A task begins to answer a request. Entries stay until the instance ends (it is reused a
    /// bounded number of times), because a task may go on after its response.
    pub(crate) fn begin(&mut self, task: GuestTaskId, running: Arc<RunningRequest>) {
        self.by_task.insert(task, Arc::clone(&running));
        self.current.set(running);
    }
}

/// Makes the running request of the guest task that is calling the host the current one. Needed wherever
/// an instance may be answering several requests at once.
pub(crate) fn find_current<T: RunningRequestsView + 'static>(
    mut store: impl AsContextMut<Data = T>,
) {
    let mut store = store.as_context_mut();
    // The last task of the stack is the one the host started.
    let Some(root) = store.async_call_stack().ok().and_then(Iterator::last) else {
        return;
    };
    let running_requests = store.data_mut().running_requests();
    if let Some(running) = running_requests.by_task.get(&root) {
        running_requests.current.set(Arc::clone(running));
    }
}
