//! The application at a moment: which components there are, each in which version.
//!
//! A request keeps the application it arrived at, all along the components that call each other for
//! it: no answer is made by two versions, and what is taken away stays until the last of them is done.

use crate::component::{LoadedComponent, Loader};
use crate::offers::Offered;
use crate::origin::{Chain, Passage};
use crate::{
    Body, Call, Chained, Error, Gate, Inner, InvokeError, Question, Reply, Stats, Verdict,
};
use http::{Request, Response};
use sbd_contract::header;
use sbd_features::Catalogue;
use sbd_manifest::App;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Reads a component's file, given the `source` of its manifest entry.
pub type ReadSource = Box<dyn Fn(&Path) -> std::io::Result<Vec<u8>> + Send + Sync>;

/// What an application is made of.
pub struct Definition {
    /// The manifest.
    pub app: Arc<App>,
    /// Where components come from: files, or the bundle in the binary.
    pub read_source: ReadSource,
    /// Values of the application's variables, already resolved, by component.
    pub variables: HashMap<String, BTreeMap<String, String>>,
}

/// An application whose components are ready, served or not yet. Cheap to clone.
#[derive(Clone)]
pub struct Application {
    pub(crate) runtime: Arc<Inner>,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// How an application differs from another one. Component names, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Components that the other one has not.
    pub added: Vec<String>,
    /// Components with another file, or another declaration.
    pub changed: Vec<String>,
    /// Components that only the other one has.
    pub removed: Vec<String>,
}

pub(crate) struct Snapshot {
    pub(crate) app: Arc<App>,
    pub(crate) components: HashMap<Arc<str>, Arc<LoadedComponent>>,
    pub(crate) features: Arc<Catalogue>,
}

// === impl Application ===

impl Application {
    /// The manifest.
    pub fn app(&self) -> &Arc<App> {
        &self.snapshot.app
    }

    /// SHA-256 of a component's bytes, in hexadecimal digits.
    pub fn sha256(&self, component: &str) -> Option<&str> {
        let component = self.snapshot.components.get(component)?;
        Some(&component.sha256)
    }

    /// How it differs from another one.
    pub fn changes_since(&self, before: &Self) -> Changes {
        let mut changes = Changes::default();
        for (id, component) in &self.snapshot.components {
            match before.snapshot.components.get(id) {
                None => changes.added.push(id.to_string()),
                Some(old) if old.revision != component.revision => {
                    changes.changed.push(id.to_string());
                }
                Some(_) => {}
            }
        }
        let old = before.snapshot.components.keys();
        let removed = old.filter(|id| !self.snapshot.components.contains_key(*id));
        changes.removed = removed.map(ToString::to_string).collect();
        for list in [
            &mut changes.added,
            &mut changes.changed,
            &mut changes.removed,
        ] {
            list.sort();
        }
        changes
    }

    /// Sends a request to a component. Headers that begin with `sbd-` are replaced by the host's.
    ///
    /// # Errors
    /// When there is no answer; see [`InvokeError`]. An error status of the component is an answer.
    pub async fn invoke(
        &self,
        call: Call,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        header::drop_all(request.headers_mut());
        let component = self.snapshot.component(&call.component)?;
        let limits = &component.declared.settings.limits;
        let chain = Chain::new(Arc::clone(&self.snapshot), limits.calls, limits.call_depth);
        let chained = Chained {
            tenant: call.tenant,
            component: Arc::clone(component),
            passage: Passage {
                request_id: call.request_id,
                class: call.class,
                principal: call.principal,
                depth: 0,
                chain: Arc::new(chain),
            },
        };
        self.runtime.invoke(&self.snapshot, chained, request).await
    }

    /// Asks a component something at a path under `/-/`, and takes its whole answer.
    ///
    /// # Errors
    /// As [`Self::invoke`], and when the answer is too large or breaks off.
    pub async fn ask(&self, call: Call, question: Question) -> Result<Reply, InvokeError> {
        question
            .put(call, |call, request| self.invoke(call, request))
            .await
    }

    /// What a component offers, if it says so.
    pub fn offer(&self, component: &str) -> Option<&Arc<Offered>> {
        self.snapshot.components.get(component)?.offer.as_ref()
    }

    /// Hears of sessions that the auth component has ended, by tenant; whatever the application is by
    /// then.
    pub fn on_revoked(&self, observer: impl Fn(&str, &[String]) + Send + Sync + 'static) {
        if let Ok(mut observers) = self.runtime.revoked.write() {
            observers.push(Box::new(observer));
        }
    }

    /// Figures of this moment.
    pub fn stats(&self) -> Stats {
        self.runtime.stats(&self.snapshot)
    }

    /// Watches how a component does in its first requests. The answer comes when enough have been
    /// seen, and never if they never come. `None`: there is no such component, or it is watched already.
    pub fn watch(
        &self,
        component: &str,
        gate: Gate,
    ) -> Option<impl Future<Output = Option<Verdict>> + Send + 'static> {
        let component = self.snapshot.components.get(component)?;
        let verdict = component.watch.begin(gate)?;
        Some(async { verdict.await.ok() })
    }
}

// === impl Changes ===

impl Changes {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// Makes the components of an application ready; those that are served unchanged stay what they
    /// are. Blocks.
    pub(crate) fn load(
        loader: Loader<'_>,
        definition: &Definition,
        served: Option<&Self>,
    ) -> Result<Self, Error> {
        let mut components = HashMap::new();
        for declared in definition.app.components.values() {
            let id: Arc<str> = Arc::from(declared.id.as_str());
            let component = LoadedComponent::load(loader, definition, declared, served)?;
            components.insert(id, component);
        }
        Ok(Self {
            app: Arc::clone(&definition.app),
            components,
            features: Arc::new(crate::features::catalogue(&definition.app)),
        })
    }

    pub(crate) fn component(&self, id: &str) -> Result<&Arc<LoadedComponent>, InvokeError> {
        let component = self.components.get(id);
        component.ok_or_else(|| InvokeError::UnknownComponent(id.to_owned()))
    }

    pub(crate) fn has(&self, component: &LoadedComponent) -> bool {
        let own = self.components.get(component.declared.id.as_str());
        own.is_some_and(|own| own.revision == component.revision)
    }

    /// How much a bucket may hold: as much as the most generous of the components that may open it.
    pub(crate) fn bucket_bytes(&self, bucket: &str) -> u64 {
        let opens = |component: &&Arc<LoadedComponent>| component.stores.contains(bucket);
        let limits = self.components.values().filter(opens);
        limits
            .map(|component| component.declared.settings.limits.stored_bytes.bytes())
            .max()
            .unwrap_or_default()
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("app", &self.app.name)
            .finish_non_exhaustive()
    }
}
