//! The API of the application as one OpenAPI 3.1 document: what every component offers and what the
//! host answers itself, united.

mod merge;

pub(crate) use merge::{Info, Part, merge};
pub use sbd_runtime::openapi::problems;

use crate::components::Components;
use crate::error::GatewayError;
use crate::host_routes::HostRoute;
use crate::routes::Routes;
use bytes::Bytes;
use sbd_contract::path;
use sbd_runtime::{NoOffer, Offered};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// Most documents that are kept: tenants with the same features off share one.
const MOST_KEPT: usize = 64;

/// Where a name is taken, the host's begins with this.
const HOST: &str = "host";

/// What the components of an application offer, and the host, merged at first use.
pub(crate) struct Catalogue {
    info: Arc<Info>,
    parts: Vec<Part>,
    /// What the host answers, whatever is off.
    hosts: Vec<Part>,
    merged: Arc<Mutex<Documents>>,
    merging: Arc<tokio::sync::Mutex<()>>,
}

/// The merged documents, by the features that are off.
type Documents = HashMap<BTreeSet<Arc<str>>, Bytes>;

/// Held while documents are merged, so that many first readers do it once. The thread that works has
/// a share: the work goes on when its reader leaves.
type Merging = Arc<OwnedMutexGuard<()>>;

// === impl Catalogue ===

impl Catalogue {
    /// What these components offer on public routes, and the host on those of its own.
    ///
    /// # Errors
    /// When the document of a host's route is none.
    pub(crate) fn new<C: Components>(
        info: Info,
        components: &C,
        routes: &Routes,
        host: &[HostRoute],
    ) -> Result<Self, GatewayError> {
        let parts = routes.documented().filter_map(|component| {
            let offered = components.offer(component)?;
            let is_public = |path: &&String| {
                !path.starts_with(path::RESERVED) && routes.leads_to(path, component)
            };
            Some(Part {
                component: component.to_string(),
                paths: offered.paths.iter().filter(is_public).cloned().collect(),
                document: offered.document.clone(),
            })
        });
        Ok(Self {
            info: Arc::new(info),
            parts: parts.collect(),
            hosts: hosts(routes, host)?,
            merged: Arc::default(),
            merging: Arc::default(),
        })
    }

    /// The document of a tenant as JSON: what is off there is not in it.
    pub(crate) async fn document<C: Components>(&self, components: &C, tenant: &str) -> Bytes {
        let off = components.switched_off(tenant);
        if let Some(kept) = self.kept(&off) {
            return kept;
        }
        let merging: Merging = Arc::new(Arc::clone(&self.merging).lock_owned().await);
        if let Some(kept) = self.kept(&off) {
            return kept;
        }
        let shown = self.shown(components, &off);
        let info = Arc::clone(&self.info);
        let merged = Arc::clone(&self.merged);
        on_a_thread(merging, move || {
            let (document, warnings) = merge(&info, shown);
            for warning in warnings {
                tracing::warn!(target: "sbd::openapi", "{warning}");
            }
            let document = Bytes::from(document.to_string());
            let mut merged = merged.lock().unwrap_or_else(PoisonError::into_inner);
            if merged.len() >= MOST_KEPT {
                merged.clear();
            }
            merged.insert(off, document.clone());
            document
        })
        .await
    }

    fn merged(&self) -> MutexGuard<'_, Documents> {
        self.merged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, off: &BTreeSet<Arc<str>>) -> Option<Bytes> {
        self.merged().get(off).cloned()
    }

    /// The parts where these features are off.
    fn shown<C: Components>(&self, components: &C, off: &BTreeSet<Arc<str>>) -> Vec<Part> {
        let is_on = |component: &str, path: &str| {
            off.is_empty() || {
                let features = components.features_at(component, path);
                !features.iter().any(|feature| off.contains(feature))
            }
        };
        // Without its component a document's schemas and tags say nothing either.
        let parts = self
            .parts
            .iter()
            .filter(|part| !off.contains(part.component.as_str()));
        let public = |part: &Part| {
            let mut part = part.clone();
            part.paths.retain(|path| is_on(&part.component, path));
            part
        };
        parts
            .map(public)
            .chain(self.hosts.iter().cloned())
            .collect()
    }
}

/// The documents of the host's routes, each once, with the paths that lead to these.
fn hosts(routes: &Routes, host: &[HostRoute]) -> Result<Vec<Part>, GatewayError> {
    let mut parts: Vec<Part> = Vec::new();
    for route in host {
        let Some(document) = &route.document else {
            continue;
        };
        let offered = Offered::read(document.clone()).map_err(|wrong| {
            route.wrong(match wrong {
                NoOffer::OfOthers => "its document is not OpenAPI".to_owned(),
                NoOffer::Wrong { reason, .. } => reason,
            })
        })?;
        let paths = offered.paths.into_iter();
        let paths = paths.filter(|path| routes.leads_to_host(path, route));
        match parts.iter_mut().find(|part| part.document == document) {
            Some(part) => part.paths.extend(paths),
            None => parts.push(Part {
                component: HOST.to_owned(),
                document: document.clone(),
                paths: paths.collect(),
            }),
        }
    }
    // An application that has all these routes itself has the names of their schemas, too.
    parts.retain(|part| !part.paths.is_empty());
    Ok(parts)
}

/// Does work that takes long where no other request waits behind it.
async fn on_a_thread<T: Send + 'static>(
    merging: Merging,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let work = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(merging);
        done
    });
    match work.await {
        Ok(done) => done,
        // The request path accounts for it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
