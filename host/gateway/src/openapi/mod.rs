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
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Largest document of one component.
const LARGEST: usize = 8 * 1024 * 1024;

/// The merged document, made at first use and kept until refreshed.
pub(crate) struct Catalogue {
    info: Info,
    kept: RwLock<Option<Bytes>>,
    /// Held while the components are asked, so that many first readers ask once.
    making: tokio::sync::Mutex<()>,
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
            kept: RwLock::new(None),
            making: tokio::sync::Mutex::new(()),
            time_limit,
        }
    }

    /// The document as JSON.
    pub(crate) async fn document<C: Components>(
        &self,
        components: &C,
        routes: &Routes,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
    ) -> Bytes {
        if let Some(kept) = self.kept() {
            return kept;
        }
        let _making = self.making.lock().await;
        match self.kept() {
            Some(kept) => kept,
            None => self.make(components, routes, tenant, request_id).await,
        }
    }

    /// Asks the components again, for example after one was swapped.
    pub(crate) async fn refresh<C: Components>(
        &self,
        components: &C,
        routes: &Routes,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
    ) {
        let _making = self.making.lock().await;
        self.make(components, routes, tenant, request_id).await;
    }

    fn kept(&self) -> Option<Bytes> {
        self.kept
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn make<C: Components>(
        &self,
        components: &C,
        routes: &Routes,
        tenant: &Arc<str>,
        request_id: &Arc<str>,
    ) -> Bytes {
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
        let (document, warnings) = merge(&self.info, parts, |component, path| {
            routes.leads_to(path, component)
        });
        for warning in warnings {
            tracing::warn!(target: "sbd::openapi", "{warning}");
        }
        let bytes = Bytes::from(document.to_string());
        if complete {
            *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(bytes.clone());
        }
        bytes
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
