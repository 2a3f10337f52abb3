//! The access log line and the metrics of one request.

use crate::concurrency::{Concurrency, Place};
use crate::error::Refusal;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::{Counter, Gauge, Histogram};
use sbd_contract::header;
use sbd_runtime::Body;
use sbd_runtime::body::BodyError;
use sbd_telemetry::access::Access;
use sbd_telemetry::metrics::{
    HTTP_REQUEST_DURATION, HTTP_REQUESTS, HTTP_REQUESTS_IN_PROGRESS, tenant_label,
};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What a request is counted as whose answer broke off: whatever its head said, it has none.
const BROKEN_OFF: u16 = 500;

/// nginx's number for "the client left before there was an answer".
const CLIENT_LEFT: u16 = 499;

/// The metric handles, each looked up by name once.
pub(crate) struct Series {
    known: RwLock<HashMap<Labels, Handles>>,
    in_progress: Gauge,
    nothing: Arc<str>,
}

/// All values are bounded: methods to the known ones, routes to those of the manifest, components
/// and tenants to those that exist.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Labels {
    method: &'static str,
    route: Arc<str>,
    status: u16,
    component: Arc<str>,
    tenant: Arc<str>,
}

#[derive(Clone)]
struct Handles {
    requests: Counter,
    duration: Histogram,
}

/// One request, from its head to the last byte of its answer. Counted and logged when dropped, so
/// that a request whose client left is seen as well.
pub(crate) struct Record {
    series: Arc<Series>,
    started: Instant,
    /// From the request's head to the answer's.
    to_head: Option<Duration>,
    uri: Uri,
    labels: Labels,
    pub(crate) request_id: Arc<str>,
    /// The administrator who asks in a user's place.
    impersonated_by: Option<Arc<str>>,
    /// Its place among the payer's requests that are under way.
    place: Option<Arc<Place>>,
}

/// A response body that keeps the record of its request.
pub(crate) struct Tracked {
    body: Body,
    record: Record,
}

// === impl Series ===

impl Series {
    pub(crate) fn new() -> Self {
        Self {
            known: RwLock::new(HashMap::new()),
            in_progress: metrics::gauge!(HTTP_REQUESTS_IN_PROGRESS),
            nothing: Arc::from("none"),
        }
    }

    /// Opens the record of a request.
    pub(crate) fn begin(
        self: &Arc<Self>,
        method: &Method,
        uri: &Uri,
        request_id: Arc<str>,
    ) -> Record {
        self.in_progress.increment(1.0);
        Record {
            series: Arc::clone(self),
            started: Instant::now(),
            to_head: None,
            uri: uri.clone(),
            labels: Labels {
                method: bounded(method),
                route: Arc::clone(&self.nothing),
                status: CLIENT_LEFT,
                component: Arc::clone(&self.nothing),
                tenant: Arc::clone(&self.nothing),
            },
            request_id,
            impersonated_by: None,
            place: None,
        }
    }

    fn handles(&self, labels: &Labels) -> Handles {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handles) = known.get(labels) {
            return handles.clone();
        }
        drop(known);
        let handles = Handles {
            requests: metrics::counter!(
                HTTP_REQUESTS,
                "method" => labels.method,
                "route" => labels.route.to_string(),
                "status" => labels.status.to_string(),
                "component" => labels.component.to_string(),
                "tenant" => labels.tenant.to_string(),
            ),
            duration: metrics::histogram!(
                HTTP_REQUEST_DURATION,
                "method" => labels.method,
                "route" => labels.route.to_string(),
                "component" => labels.component.to_string(),
                "tenant" => labels.tenant.to_string(),
            ),
        };
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(labels.clone(), handles.clone());
        handles
    }
}

fn bounded(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}

// === impl Record ===

impl Record {
    /// The request keeps its place until its answer has ended.
    pub(crate) fn place(&mut self, place: Arc<Place>) {
        self.place = Some(place);
    }

    /// Its answer lasts: it takes a place among those that do.
    pub(crate) fn lasts(&self, lasting: &Concurrency) -> Result<(), Refusal> {
        self.place
            .as_ref()
            .map_or(Ok(()), |place| place.lasts(lasting))
    }

    /// It is from an administrator in a user's place, if it is.
    pub(crate) fn impersonated_by(&mut self, administrator: Option<&Arc<str>>) {
        self.impersonated_by = administrator.cloned();
    }

    /// Says on an answer who acts in a user's place.
    pub(crate) fn mark(&self, answer: &mut HeaderMap) {
        let by = self.impersonated_by.as_deref().unwrap_or_default();
        if let Ok(by) = HeaderValue::try_from(by)
            && !by.is_empty()
        {
            answer.insert(header::IMPERSONATED_BY, by);
        }
    }

    pub(crate) fn tenant(&mut self, tenant: &Arc<str>) {
        self.labels.tenant = tenant_label(tenant);
    }

    pub(crate) fn route(&mut self, pattern: &Arc<str>) {
        self.labels.route = Arc::clone(pattern);
    }

    pub(crate) fn component(&mut self, component: &Arc<str>) {
        self.labels.component = Arc::clone(component);
    }

    /// Who answers, as metrics name them.
    pub(crate) fn answerer(&self) -> &str {
        &self.labels.component
    }

    /// The answer's head is ready.
    pub(crate) fn answered(&mut self, status: http::StatusCode) {
        self.labels.status = status.as_u16();
        self.to_head = Some(self.started.elapsed());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        self.series.in_progress.decrement(1.0);
        let handles = self.series.handles(&self.labels);
        handles.requests.increment(1);
        handles.duration.record(self.to_head.unwrap_or(elapsed));
        let access = Access {
            request_id: &self.request_id,
            method: self.labels.method,
            path: self.uri.path(),
            status: self.labels.status,
            duration_ms: elapsed.as_secs_f64() * 1000.0,
            tenant: &self.labels.tenant,
            component: &self.labels.component,
            impersonated_by: self.impersonated_by.as_deref().unwrap_or_default(),
        };
        access.log();
    }
}

// === impl Tracked ===

impl Tracked {
    pub(crate) fn new(body: Body, record: Record) -> Self {
        if let (Some(place), false) = (&record.place, body.is_end_stream()) {
            place.flows();
        }
        Self { body, record }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Err(_)))) {
            self.record.labels.status = BROKEN_OFF;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
