//! Metrics of the process, rendered for Prometheus.
//!
//! The names are constants, so that whoever records one cannot misspell it:
//! `metrics::counter!(HTTP_REQUESTS, "method" => ..).increment(1)`. Label values must come from
//! small, closed sets (a route is its template, never the path), because every combination is a
//! time series of its own.

use crate::{Error, process};
use metrics::Counter;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// Counter: requests answered. Labels `method`, `route`, `status`, `component`, `tenant`.
pub const HTTP_REQUESTS: &str = "http_requests_total";
/// Histogram, seconds: from a request's first byte to its response's head. Labels `method`,
/// `route`, `component`, `tenant`.
pub const HTTP_REQUEST_DURATION: &str = "http_request_duration_seconds";
/// Gauge: requests being worked on.
pub const HTTP_REQUESTS_IN_PROGRESS: &str = "http_requests_in_progress";
/// Gauge: connections open that left HTTP (WebSockets).
pub const UPGRADED_CONNECTIONS: &str = "http_upgraded_connections";
/// Gauge: live instances. Label `component`.
pub const INSTANCES: &str = "sbd_instances";
/// Counter: look-ups in the compile cache. Label `result`: `hit`, `miss` or `rejected`.
pub const COMPILE_CACHE: &str = "sbd_compile_cache_total";
/// Counter: guests that trapped. Labels `component`, `tenant`.
pub const COMPONENT_TRAPS: &str = "sbd_component_traps_total";
/// Counter: requests and calls refused by a limit. Labels `tenant`, `component`, `limit`.
pub const LIMIT_EXCEEDED: &str = "sbd_limit_exceeded_total";
/// Counter: deliveries of events. Labels `tenant`, `component`, `outcome`: `taken`, `parked`, `failed` or
/// `unreachable`.
pub const EVENT_DELIVERIES: &str = "sbd_event_deliveries_total";
/// Gauge: the worst state of a component's circuit breakers in any tenant: 0 closed, 1 half open, 2 open.
/// Labels `what` (`requests`, `events`, `tasks` or `inference`: what they let through), `component`.
pub const CIRCUIT_BREAKER_STATE: &str = "sbd_circuit_breaker_state";
/// Counter: attempts at tasks that are over. Labels `queue` and `outcome`: `succeeded`, `again`, `failed`,
/// `unreachable`, or `lost` where the task was canceled or too late meanwhile.
pub const TASKS: &str = "sbd_tasks_total";
/// Gauge: tasks that are being worked on. Label `queue`.
pub const TASKS_RUNNING: &str = "sbd_tasks_running";
/// Counter: calls of capabilities by guests. Labels `capability`, `operation`.
pub const CAPABILITY_CALLS: &str = "sbd_capability_calls_total";
/// Counter: questions to models. Labels `backend` and `outcome`: `answered`, `failed` or `left`.
pub const INFERENCE_REQUESTS: &str = "sbd_inference_requests_total";
/// Counter: tokens, as providers counted them. Labels `tenant`, `component`, `model`, `kind`: `prompt` or
/// `completion`.
pub const INFERENCE_TOKENS: &str = "sbd_inference_tokens_total";
/// Gauge: questions that models are answering. Label `backend`.
pub const INFERENCE_RUNNING: &str = "sbd_inference_running";
/// Gauge: questions that wait for models. Label `backend`.
pub const INFERENCE_WAITING: &str = "sbd_inference_waiting";
/// Histogram, seconds: from a question's turn to the first piece of its answer. Label `backend`.
pub const INFERENCE_FIRST_TOKEN: &str = "sbd_inference_first_token_seconds";
/// Gauge, bytes: collections of vectors that searches hold in memory.
pub const VECTORS_MEMORY: &str = "sbd_vectors_memory_bytes";
/// Counter: backups that a schedule asked for. Label `result`: `made` or `failed`.
pub const BACKUPS: &str = "sbd_backups_total";
/// Gauge, seconds since 1970: when the last of them was made since the process started.
pub const BACKUP_LAST_SUCCESS: &str = "sbd_backup_last_success_time_seconds";
/// Gauge, seconds since 1970: when the process installed its metrics, which it does as it starts.
pub const PROCESS_START_TIME: &str = "process_start_time_seconds";
/// Gauge, bytes: resident memory of the process, read when metrics are rendered (Linux only).
pub const PROCESS_RESIDENT_MEMORY: &str = "process_resident_memory_bytes";

/// Upper bounds of every histogram's buckets in seconds: the defaults of Prometheus' client
/// libraries (5 ms to 10 s), extended downward because an embedded component answers well below
/// 5 ms, and upward to the longest request that the host lets run.
pub const DURATION_BUCKETS: [f64; 16] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// Tenants that metrics tell apart.
const NAMED_TENANTS: usize = 100;

/// Samples of a histogram pile up until they are sorted into buckets; this often that is done
/// even if nobody reads the metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// Whether what is counted from now on is kept.
static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// The metrics of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// Counts one call of a capability by a guest, for example `("cache", "get")`.
pub fn capability_called(capability: &'static str, operation: &'static str) {
    thread_local! {
        /// The counters this thread has used. Finding one by its labels takes longer than most calls.
        static KNOWN: RefCell<Vec<(&'static str, &'static str, Counter)>> = const { RefCell::new(Vec::new()) };
    }

    KNOWN.with_borrow_mut(|known| {
        // Texts of the program itself: the same text is mostly at the same place, and a text found
        // twice counts all the same.
        if let Some((.., counter)) = known
            .iter()
            .find(|(c, o, _)| std::ptr::eq(*c, capability) && std::ptr::eq(*o, operation))
        {
            return counter.increment(1);
        }
        let counter =
            metrics::counter!(CAPABILITY_CALLS, "capability" => capability, "operation" => operation);
        counter.increment(1);
        // Before there is a recorder, a counter goes nowhere, for ever.
        if IS_INSTALLED.load(Ordering::Acquire) {
            known.push((capability, operation, counter));
        }
    });
}

/// Shows how many bytes of collections of vectors are held in memory.
#[allow(clippy::cast_precision_loss, reason = "a gauge needs no more digits")]
pub fn vectors_in_memory(bytes: usize) {
    metrics::gauge!(VECTORS_MEMORY).set(bytes as f64);
}

/// The value of the label `tenant`: the name of the first hundred tenants that are counted, `other`
/// for the rest, as every value makes time series of its own.
pub fn tenant_label(tenant: &Arc<str>) -> Arc<str> {
    static NAMED: LazyLock<RwLock<HashSet<Arc<str>>>> = LazyLock::new(RwLock::default);
    static OTHER: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("other"));

    if &**tenant == "default" {
        return Arc::clone(tenant);
    }
    let named = NAMED.read().unwrap_or_else(PoisonError::into_inner);
    if named.contains(tenant) {
        return Arc::clone(tenant);
    }
    let full = named.len() >= NAMED_TENANTS;
    drop(named);
    if full {
        return Arc::clone(&OTHER);
    }
    let mut named = NAMED.write().unwrap_or_else(PoisonError::into_inner);
    named.insert(Arc::clone(tenant));
    Arc::clone(tenant)
}

// === impl Metrics ===

impl Metrics {
    /// Collects metrics from now on. A second call answers the same collection.
    ///
    /// # Errors
    /// [`Error::Taken`] if another recorder is already there; [`Error::Metrics`] if the thread
    /// that keeps histograms small cannot be started.
    pub fn install() -> Result<Self, Error> {
        static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);

        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = &*installed {
            return Ok(metrics.clone());
        }
        let recorder = PrometheusBuilder::new()
            .set_buckets(&DURATION_BUCKETS)
            .map_err(|error| Error::Metrics(error.to_string()))?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| Error::Taken("metrics"))?;
        IS_INSTALLED.store(true, Ordering::Release);
        describe();
        record_start_time();
        keep_up(handle.clone())?;
        Ok(installed.insert(Self { handle }).clone())
    }

    /// Everything collected so far, in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        if let Some(bytes) = process::resident_bytes() {
            metrics::gauge!(PROCESS_RESIDENT_MEMORY).set(bytes as f64);
        }
        self.handle.render()
    }
}

fn describe() {
    metrics::describe_counter!(HTTP_REQUESTS, "Requests answered.");
    metrics::describe_histogram!(
        HTTP_REQUEST_DURATION,
        metrics::Unit::Seconds,
        "Time from a request's first byte to its response's head."
    );
    metrics::describe_gauge!(HTTP_REQUESTS_IN_PROGRESS, "Requests being worked on.");
    metrics::describe_gauge!(
        UPGRADED_CONNECTIONS,
        "Connections open that left HTTP, such as WebSockets."
    );
    metrics::describe_gauge!(INSTANCES, "Live component instances.");
    metrics::describe_counter!(COMPILE_CACHE, "Look-ups in the compile cache.");
    metrics::describe_counter!(COMPONENT_TRAPS, "Component instances that trapped.");
    metrics::describe_counter!(LIMIT_EXCEEDED, "Requests and calls refused by a limit.");
    metrics::describe_counter!(EVENT_DELIVERIES, "Deliveries of events to components.");
    metrics::describe_gauge!(
        CIRCUIT_BREAKER_STATE,
        "The worst state of circuit breakers: 0 closed, 1 half open, 2 open."
    );
    metrics::describe_counter!(TASKS, "Attempts at tasks, by queue and what came of them.");
    metrics::describe_gauge!(TASKS_RUNNING, "Tasks that are being worked on.");
    metrics::describe_counter!(CAPABILITY_CALLS, "Calls of capabilities by components.");
    metrics::describe_counter!(INFERENCE_REQUESTS, "Questions to models.");
    metrics::describe_counter!(INFERENCE_TOKENS, "Tokens, as providers counted them.");
    metrics::describe_gauge!(INFERENCE_RUNNING, "Questions that models are answering.");
    metrics::describe_gauge!(INFERENCE_WAITING, "Questions that wait for models.");
    metrics::describe_histogram!(
        INFERENCE_FIRST_TOKEN,
        metrics::Unit::Seconds,
        "Time from a question's turn to the first piece of its answer."
    );
    metrics::describe_gauge!(
        VECTORS_MEMORY,
        metrics::Unit::Bytes,
        "Collections of vectors that searches hold in memory."
    );
    metrics::describe_counter!(BACKUPS, "Backups that a schedule asked for.");
    metrics::describe_gauge!(
        BACKUP_LAST_SUCCESS,
        metrics::Unit::Seconds,
        "When the last scheduled backup was made."
    );
    metrics::describe_gauge!(
        PROCESS_START_TIME,
        metrics::Unit::Seconds,
        "When the process started, in seconds since 1970."
    );
    metrics::describe_gauge!(
        PROCESS_RESIDENT_MEMORY,
        metrics::Unit::Bytes,
        "Resident memory of the process."
    );
}

fn record_start_time() {
    // A clock before 1970 is not worth an error: the gauge then stays away.
    if let Ok(since) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        metrics::gauge!(PROCESS_START_TIME).set(since.as_secs_f64());
    }
}

/// Starts the thread that sorts samples into buckets for as long as the process lives.
fn keep_up(handle: PrometheusHandle) -> Result<(), Error> {
    let run = move || {
        loop {
            std::thread::sleep(UPKEEP);
            handle.run_upkeep();
        }
    };
    std::thread::Builder::new()
        .name("sbd-metrics".to_owned())
        .spawn(run)
        .map(drop)
        .map_err(|error| Error::Metrics(error.to_string()))
}
