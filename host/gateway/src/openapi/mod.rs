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
use http_body_util::{BodyExt as _, Limited};
use sbd_runtime::{Call, body};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// Largest document of one component.
const LARGEST: usize = 8 * 1024 * 1024;

/// Most documents that are kept: tenants with the same features off share one.
const MOST_KEPT: usize = 64;

/// What the components offer, asked for at first use and kept until refreshed.
pub(crate) struct Catalogue {
    info: Info,
    parts: RwLock<Option<Arc<[Part]>>>,
    /// The merged documents, by the features that are off.
    merged: Mutex<HashMap<BTreeSet<Arc<str>>, Bytes>>,
    /// Held while the components are asked, so that many first readers ask once.
    asking: tokio::sync::Mutex<()>,
    time_limit: Duration,
}

/// How a component answered.
enum Offer {
    Document(Value),
    /// It has none; for a component not written for this host that is in order.
    Nothing,
    /// It could not be asked now; the next reader tries again.
    Unavailable(String),
}

// === impl Catalogue ===

impl Catalogue {
    pub(crate) fn new(info: Info, time_limit: Duration) -> Self {
        Self {
            info,
            parts: RwLock::default(),
            merged: Mutex::default(),
            asking: tokio::sync::Mutex::new(()),
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
        if let Some(kept) = self.merged().get(&off) {
            return kept.clone();
        }
        let (parts, complete) = match self.parts() {
            Some(parts) => (parts, true),
            None => {
                let _asking = self.asking.lock().await;
                match self.parts() {
                    Some(parts) => (parts, true),
                    None => self.ask_all(components, routes, tenant, request_id).await,
                }
            }
        };
        let document = self.merge(components, routes, &parts, &off);
        if complete {
            let mut merged = self.merged();
            if merged.len() >= MOST_KEPT {
                merged.clear();
            }
            merged.insert(off, document.clone());
        }
        document
    }

    /// Asks the components again, for example after one was swapped.
    pub(crate) async fn refresh<C: Components>(
        &self,
        components: &C,
        routes: &Routes,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
    ) {
        let _asking = self.asking.lock().await;
        self.ask_all(components, routes, tenant, request_id).await;
    }

    fn parts(&self) -> Option<Arc<[Part]>> {
        self.parts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn merged(&self) -> MutexGuard<'_, HashMap<BTreeSet<Arc<str>>, Bytes>> {
        self.merged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn merge<C: Components>(
        &self,
        components: &C,
        routes: &Routes,
        parts: &[Part],
        off: &BTreeSet<Arc<str>>,
    ) -> Bytes {
        let is_on = |component: &str, path: &str| {
            off.is_empty() || {
                let features = components.features_at(component, path);
                !features.iter().any(|feature| off.contains(feature))
            }
        };
        let parts = parts.iter();
        // Without its component a document's schemas and tags say nothing either.
        let parts = parts.filter(|part| !off.contains(part.component.as_str()));
        let (document, warnings) =
            merge(&self.info, parts.cloned().collect(), |component, path| {
                routes.leads_to(path, component) && is_on(component, path)
            });
        for warning in warnings {
            tracing::warn!(target: "sbd::openapi", "{warning}");
        }
        Bytes::from(document.to_string())
    }

    /// What the components offer, and whether each could be asked: only then it is kept.
    async fn ask_all<C: Components>(
        &self,
        components: &C,
        routes: &Routes,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
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
        let mut parts = Vec::new();
        let mut complete = true;
        for (component, offer) in futures::future::join_all(questions).await {
            match offer {
                Offer::Document(document) => parts.push(Part {
                    component: component.to_string(),
                    document,
                }),
                Offer::Nothing => tracing::debug!(%component, "offers no OpenAPI document"),
                Offer::Unavailable(reason) => {
                    complete = false;
                    tracing::warn!(%component, reason, "could not be asked for its OpenAPI document");
                }
            }
        }
        let parts: Arc<[Part]> = parts.into();
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
        // A component that answers every path with a page has no document either.
        Ok(body) => {
            serde_json::from_slice(&body.to_bytes()).map_or(Offer::Nothing, Offer::Document)
        }
        Err(error) => Offer::Unavailable(error.to_string()),
    }
}
