//! The limits a component can run into, and how operators hear of it.

mod log_budget;

use log_budget::LogBudget;
use sbd_manifest::Limits;
use sbd_telemetry::metrics::{LIMIT_EXCEEDED, tenant_label};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A component that runs into the same limit over and over is logged this often.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// What the engine gives a guest's own calls.
const STACK: &str = "512KiB";

/// A limit on what a component may cost; [`Limits`] has their meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each is a key of the manifest, explained there"
)]
pub enum Limit {
    Memory,
    Handles,
    /// The depth of a guest's own calls: the engine's 512 KiB of stack, the same for all.
    Stack,
    CpuTime,
    RequestTimeout,
    TaskTime,
    ResponseStall,
    Concurrency,
    Instances,
    Queue,
    Failures,
    ResponseHeaders,
    ResponseBody,
    LogRate,
    OutboundInFlight,
    OutboundRequests,
    OutboundResponse,
    CallDepth,
    Calls,
    CapabilityCalls,
    CapabilityBytes,
    StoredBytes,
    StoredDocuments,
}

/// A limit that was reached, by whom, and how much it allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit `{limit}` ({allowed}) of component `{component}` is reached")]
#[non_exhaustive]
pub struct OverLimit {
    /// The limit.
    pub limit: Limit,
    /// Its value, as the manifest writes it.
    pub allowed: String,
    /// The component that ran into it.
    pub component: Arc<str>,
}

/// What one component may cost for one tenant, and what is told when it wants more.
#[derive(Debug)]
pub(crate) struct ComponentBudget {
    pub(crate) tenant: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) limits: Limits,
    /// It belongs to nobody: an instance that is asked what its component offers. It has no capability,
    /// and no way out.
    pub(crate) is_nobodys: bool,
    pub(crate) log: LogBudget,
    exceeded: Mutex<HashMap<Limit, Exceeded>>,
}

/// How often a limit was reached. A hostile guest reaches one a million times: that must cost next to
/// nothing, or reaching it is the attack.
#[derive(Debug)]
struct Exceeded {
    counter: metrics::Counter,
    logged_at: Instant,
    since: u64,
}

// === impl Limit ===

impl Limit {
    /// Its key in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Handles => "handles",
            Self::Stack => "stack",
            Self::CpuTime => "cpu_time",
            Self::RequestTimeout => "request_timeout",
            Self::TaskTime => "task_time",
            Self::ResponseStall => "response_stall",
            Self::Concurrency => "concurrency",
            Self::Instances => "instances",
            Self::Queue => "queue",
            Self::Failures => "failures",
            Self::ResponseHeaders => "response_headers",
            Self::ResponseBody => "response_body",
            Self::LogRate => "log_rate",
            Self::OutboundInFlight => "outbound_in_flight",
            Self::OutboundRequests => "outbound_requests",
            Self::OutboundResponse => "outbound_response",
            Self::CallDepth => "call_depth",
            Self::Calls => "calls",
            Self::CapabilityCalls => "capability_calls",
            Self::CapabilityBytes => "capability_bytes",
            Self::StoredBytes => "stored_bytes",
            Self::StoredDocuments => "stored_documents",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl ComponentBudget ===

impl ComponentBudget {
    pub(crate) fn new(tenant: Arc<str>, component: Arc<str>, limits: Limits) -> Self {
        Self {
            tenant,
            component,
            is_nobodys: false,
            log: LogBudget::new(limits.log_rate.bytes()),
            limits,
            exceeded: Mutex::default(),
        }
    }

    /// What an instance may cost that is only asked what its component offers.
    pub(crate) fn of_nobody(component: Arc<str>, limits: Limits) -> Self {
        Self {
            is_nobodys: true,
            ..Self::new(Arc::from("-"), component, limits)
        }
    }

    /// What a refusal says.
    pub(crate) fn over(&self, limit: Limit) -> OverLimit {
        OverLimit {
            limit,
            allowed: self.allowed(limit),
            component: Arc::clone(&self.component),
        }
    }

    /// A limit's value, as the manifest writes it.
    pub(crate) fn allowed(&self, limit: Limit) -> String {
        let value = self.limits.value(limit.name());
        value.unwrap_or_else(|| STACK.to_owned())
    }

    /// Whether a line about what the component did may go to the log, which costs it as its own lines do:
    /// it can bring about as many as it likes.
    pub(crate) fn may_log(&self, bytes: usize) -> bool {
        let may = self.log.take(bytes);
        if !may {
            self.exceeded(Limit::LogRate);
        }
        may
    }

    /// Counts that a limit was reached, and tells the log, though not for each of a thousand.
    pub(crate) fn exceeded(&self, limit: Limit) {
        let Some(times) = self.due(limit) else { return };
        tracing::warn!(
            tenant = &*self.tenant,
            component = &*self.component,
            limit = limit.name(),
            times,
            "{}; raise it under [component.{}.tool.sbd.limits] if the component is right to ask for more",
            self.over(limit),
            self.component,
        );
    }

    /// How often the limit was reached since the last line about it, if a line is due.
    fn due(&self, limit: Limit) -> Option<u64> {
        let mut exceeded = self.exceeded.lock().ok()?;
        let now = Instant::now();
        let Some(known) = exceeded.get_mut(&limit) else {
            let first = Exceeded {
                counter: self.counter(limit),
                logged_at: now,
                since: 0,
            };
            first.counter.increment(1);
            exceeded.insert(limit, first);
            return Some(1);
        };
        known.counter.increment(1);
        known.since += 1;
        if now.duration_since(known.logged_at) < LOG_EVERY {
            return None;
        }
        known.logged_at = now;
        Some(std::mem::take(&mut known.since))
    }

    fn counter(&self, limit: Limit) -> metrics::Counter {
        metrics::counter!(
            LIMIT_EXCEEDED,
            "tenant" => tenant_label(&self.tenant).to_string(),
            "component" => self.component.to_string(),
            "limit" => limit.name(),
        )
    }
}
