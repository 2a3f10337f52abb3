//! The API of the application as one OpenAPI 3.1 document: what every component offers at
//! `GET /-/openapi.json`, united.

mod check;
mod merge;

pub use check::problems;
pub(crate) use merge::{Info, Part, merge};

use crate::components::Components;
use crate::routes::Routes;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sbd_runtime::{Call, body};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;

/// Largest document of one component. Parsed it takes up to fifty times as much.
const LARGEST: usize = 1024 * 1024;

/// Most documents that are kept: tenants with the same features off share one.
const MOST_KEPT: usize = 64;

/// How long a document is kept that lacks a component which could not be asked: not every reader
/// is to ask it again.
const INCOMPLETE_KEPT: Duration = Duration::from_secs(5);

/// What the components offer, asked for at first use and kept until refreshed.
pub(crate) struct Catalogue {
    info: Arc<Info>,
    parts: RwLock<Option<Arc<[Part]>>>,
    merged: Arc<Mutex<Documents>>,
    asking: Arc<tokio::sync::Mutex<()>>,
    time_limit: Duration,
}

/// The merged documents, by the features that are off.
type Documents = HashMap<BTreeSet<Arc<str>>, Kept>;

struct Kept {
    document: Bytes,
    /// Until when, if it is incomplete.
    until: Option<Instant>,
}

/// Held while the components are asked and their documents merged, so that many first readers do
/// it once. Whoever works on a thread has a share: the work goes on when its reader leaves.
type Asking = Arc<OwnedMutexGuard<()>>;

/// How a component answered.
enum Offer {
    Document(Bytes),
    /// It has one that is larger than [`LARGEST`].
    TooLarge,
    /// It has none; for a component not written for this host that is in order.
    Nothing,
    /// It could not be asked now; it is asked again after [`INCOMPLETE_KEPT`].
    Unavailable(String),
}

// === impl Catalogue ===

impl Catalogue {
    pub(crate) fn new(info: Info, time_limit: Duration) -> Self {
        Self {
            info: Arc::new(info),
            parts: RwLock::default(),
            merged: Arc::default(),
            asking: Arc::default(),
            time_limit,
        }
    }

    /// The document of a tenant as JSON: what is off there is not in it.
    pub(crate) async fn document<C: Components>(
        &self,
        components: &C,
        routes: &Routes,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
    ) -> Bytes {
        let off = components.switched_off(tenant);
        if let Some(kept) = self.kept(&off) {
            return kept;
        }
        let asking = self.asking().await;
        if let Some(kept) = self.kept(&off) {
            return kept;
        }
        let (parts, complete) = match self.parts() {
            Some(parts) => (parts, true),
            None => {
                self.ask_all(components, routes, tenant, request_id, &asking)
                    .await
            }
        };
        let shown = shown(components, routes, &parts, &off);
        let info = Arc::clone(&self.info);
        let merged = Arc::clone(&self.merged);
        on_a_thread(&asking, move || {
            let (document, warnings) = merge(&info, shown);
            for warning in warnings {
                tracing::warn!(target: "sbd::openapi", "{warning}");
            }
            let document = Bytes::from(document.to_string());
            let kept = Kept {
                document: document.clone(),
                until: (!complete).then(|| Instant::now() + INCOMPLETE_KEPT),
            };
            let mut merged = merged.lock().unwrap_or_else(PoisonError::into_inner);
            if merged.len() >= MOST_KEPT {
                merged.clear();
            }
            merged.insert(off, kept);
            document
        })
        .await
    }

    /// Asks the components again, for example after one was swapped.
    pub(crate) async fn refresh<C: Components>(
        &self,
        components: &C,
        routes: &Routes,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
    ) {
        let asking = self.asking().await;
        self.ask_all(components, routes, tenant, request_id, &asking)
            .await;
    }

    async fn asking(&self) -> Asking {
        Arc::new(Arc::clone(&self.asking).lock_owned().await)
    }

    fn parts(&self) -> Option<Arc<[Part]>> {
        self.parts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn merged(&self) -> MutexGuard<'_, Documents> {
        self.merged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, off: &BTreeSet<Arc<str>>) -> Option<Bytes> {
        let merged = self.merged();
        let kept = merged.get(off)?;
        let lasts = kept.until.is_none_or(|until| Instant::now() < until);
        lasts.then(|| kept.document.clone())
    }

    /// What the components offer, and whether each could be asked: only then it lasts.
    async fn ask_all<C: Components>(
        &self,
        components: &C,
        routes: &Routes,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
        asking: &Asking,
    ) -> (Arc<[Part]>, bool) {
        let questions = routes.documented().map(|component| async move {
            let call = Call {
                tenant: Arc::clone(tenant),
                component: Arc::clone(component),
                request_id: Arc::clone(request_id),
                caller: None,
            };
            let offer = tokio::time::timeout(self.time_limit, ask(components, call)).await;
            let offer =
                offer.unwrap_or_else(|_| Offer::Unavailable("no answer in time".to_owned()));
            (component, offer)
        });
        let mut documents = Vec::new();
        let mut complete = true;
        for (component, offer) in futures::future::join_all(questions).await {
            match offer {
                Offer::Document(document) => documents.push((component.to_string(), document)),
                Offer::TooLarge => tracing::warn!(
                    target: "sbd::openapi",
                    "the OpenAPI document of `{component}` is left out: it is larger than {LARGEST} bytes"
                ),
                Offer::Nothing => tracing::debug!(%component, "offers no OpenAPI document"),
                Offer::Unavailable(reason) => {
                    complete = false;
                    tracing::warn!(%component, reason, "could not be asked for its OpenAPI document");
                }
            }
        }
        let parts: Arc<[Part]> =
            on_a_thread(asking, || documents.into_iter().filter_map(valid).collect()).await;
        if complete {
            *self.parts.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&parts));
            self.merged().clear();
        }
        (parts, complete)
    }
}

async fn ask<C: Components>(components: &C, call: Call) -> Offer {
    let request = Request::get(format!(
        "http://{}.spin.internal/-/openapi.json",
        call.component
    ))
    .body(body::empty());
    let request = match request {
        Ok(request) => request,
        Err(error) => return Offer::Unavailable(error.to_string()),
    };
    let (head, body) = match components.invoke(call, request).await {
        Ok(response) => response.into_parts(),
        Err(error) => return Offer::Unavailable(error.to_string()),
    };
    if head.status != StatusCode::OK {
        return if head.status.is_server_error() {
            Offer::Unavailable(head.status.to_string())
        } else {
            Offer::Nothing
        };
    }
    match Limited::new(body, LARGEST).collect().await {
        Ok(body) => Offer::Document(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Offer::TooLarge,
        Err(error) => Offer::Unavailable(error.to_string()),
    }
}

/// What a component answered as a part, if it is a valid document.
fn valid((component, text): (String, Bytes)) -> Option<Part> {
    // A component that answers every path with a page has no document either.
    let document: Value = serde_json::from_slice(&text).ok()?;
    let problems = problems(&document);
    if let Some(first) = problems.first() {
        tracing::warn!(
            target: "sbd::openapi",
            "the OpenAPI document of `{component}` is left out: {first:.200} ({} found)",
            problems.len()
        );
        return None;
    }
    let paths = document.get("paths").and_then(Value::as_object);
    let paths = paths.into_iter().flat_map(Map::keys);
    Some(Part {
        component,
        document: text,
        paths: paths.cloned().collect(),
    })
}

/// What of the parts is public where these features are off: what a component offers but no route
/// leads to is not part of the API.
fn shown<C: Components>(
    components: &C,
    routes: &Routes,
    parts: &[Part],
    off: &BTreeSet<Arc<str>>,
) -> Vec<Part> {
    let is_on = |component: &str, path: &str| {
        off.is_empty() || {
            let features = components.features_at(component, path);
            !features.iter().any(|feature| off.contains(feature))
        }
    };
    // Without its component a document's schemas and tags say nothing either.
    let parts = parts
        .iter()
        .filter(|part| !off.contains(part.component.as_str()));
    let public = |part: &Part| {
        let mut part = part.clone();
        let component = &part.component;
        part.paths.retain(|path| {
            !path.starts_with("/-/") && routes.leads_to(path, component) && is_on(component, path)
        });
        part
    };
    parts.map(public).collect()
}

/// Does work that takes long where no other request waits behind it.
async fn on_a_thread<T: Send + 'static>(
    asking: &Asking,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let held = Arc::clone(asking);
    let work = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(held);
        done
    });
    match work.await {
        Ok(done) => done,
        // The request path accounts for it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
