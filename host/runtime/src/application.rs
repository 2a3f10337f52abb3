//! An application as whoever embeds the runtime has it: requests go in, answers come out.

use crate::body::full;
use crate::delegation;
use crate::offers::Offered;
use crate::principal::{Authenticated, SealError};
use crate::requests::running::{Chain, Neighbours, OnRoute, RequestContext};
use crate::requests::trace;
use crate::served::Snapshot;
use crate::served::canary::{Canary, CanaryOutcome};
use crate::{Body, Call, Chained, Changes, Class, Inner, InvokeError, Question, Reply, Stats};
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use sbd_contract::{Principal, header};
use sbd_features::{Catalogue, State, Switches};
use sbd_manifest::{App, Target};
use sbd_metering::Delegated;
use sbd_pace::Tripped;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// An application whose components are ready, served or not yet. Cheap to clone.
#[derive(Clone)]
pub struct Application {
    pub(crate) runtime: Arc<Inner>,
    pub(crate) snapshot: Arc<Snapshot>,
    neighbours: Arc<dyn Neighbours>,
}

/// The components of an application, for each other. What runs does not keep the runtime alive.
struct Chaining {
    runtime: Weak<Inner>,
    snapshot: Arc<Snapshot>,
}

// === impl Chaining ===

impl Neighbours for Chaining {
    fn open(&self, sealed: &HeaderValue, tenant: &str) -> Result<Authenticated, SealError> {
        let runtime = self.runtime.upgrade().ok_or(SealError::Forged)?;
        runtime.seal.open(sealed, tenant)
    }

    fn delegate(&self, principal: &Principal, component: &str) -> Result<Delegated, String> {
        let runtime = self.runtime.upgrade().ok_or("the host is stopping")?;
        let delegated =
            delegation::delegate(&runtime.seal, principal, component, &principal.scopes);
        delegated.map_err(|error| error.to_string())
    }

    fn on_route(&self, path: &str) -> Option<OnRoute> {
        let found = self.snapshot.routes.find(path)?;
        let trigger = self.snapshot.app.triggers.get(found.trigger)?;
        Some(match &trigger.target {
            Target::Component(id) => OnRoute::Component(Arc::from(id.as_str())),
            Target::Static {
                status,
                headers,
                body,
            } => {
                let mut answer = Response::builder().status(*status);
                for (name, value) in headers {
                    answer = answer.header(name, value);
                }
                // The gateway has made the same of it.
                OnRoute::Static(answer.body(full(body.clone())).ok()?)
            }
        })
    }

    fn call(
        &self,
        tenant: Arc<str>,
        component: &str,
        context: RequestContext,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Body>, InvokeError>> {
        let (runtime, snapshot) = (self.runtime.upgrade(), Arc::clone(&self.snapshot));
        let component = snapshot.component(component).cloned();
        Box::pin(async move {
            let stopped = || InvokeError::CannotStart("the host is stopping".to_owned());
            let call = Chained {
                tenant,
                component: component?,
                context,
            };
            let runtime = runtime.ok_or_else(stopped)?;
            runtime.invoke(&snapshot, call, request).await
        })
    }
}

impl fmt::Debug for Chaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaining").finish_non_exhaustive()
    }
}

// === impl Application ===

impl Application {
    pub(crate) fn new(runtime: &Arc<Inner>, snapshot: Arc<Snapshot>) -> Self {
        let chaining = Chaining {
            runtime: Arc::downgrade(runtime),
            snapshot: Arc::clone(&snapshot),
        };
        Self {
            runtime: Arc::clone(runtime),
            snapshot,
            neighbours: Arc::new(chaining),
        }
    }

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
        let event = match call.class {
            Class::Events => request.headers().get("ce-id"),
            _ => None,
        };
        let event = event.and_then(|id| id.to_str().ok()).map(Arc::from);
        let component = self.snapshot.component(&call.component)?;
        let limits = &component.declared.settings.limits;
        let chain = Chain::new(
            Arc::clone(&self.neighbours),
            limits.calls,
            limits.call_depth,
        );
        let chained = Chained {
            tenant: call.tenant,
            component: Arc::clone(component),
            context: RequestContext {
                request_id: call.request_id,
                class: call.class,
                event,
                trace: trace::of(request.headers()),
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

    /// Hears of sessions and tokens that the auth component has ended or taken something from, by tenant;
    /// whatever the application is by then.
    pub fn on_revoked(&self, observer: impl Fn(&str, &[String]) + Send + Sync + 'static) {
        if let Ok(mut observers) = self.runtime.revoked.write() {
            observers.push(Box::new(observer));
        }
    }

    /// Figures of this moment.
    pub fn stats(&self) -> Stats {
        self.runtime.stats(&self.snapshot)
    }

    /// The circuit breakers that are not closed.
    pub fn tripped(&self) -> Vec<Tripped> {
        self.runtime.shared.breakers.tripped(Instant::now())
    }

    /// Watches how a component does in its first requests. The answer comes when enough have been
    /// seen, and never if they never come. `None`: there is no such component, or it is watched already.
    pub fn watch(
        &self,
        component: &str,
        gate: Canary,
    ) -> Option<impl Future<Output = Option<CanaryOutcome>> + Send + 'static> {
        let component = self.snapshot.components.get(component)?;
        let verdict = component.watch.begin(gate)?;
        Some(async { verdict.await.ok() })
    }

    /// The features that the application declares.
    pub fn features(&self) -> &Catalogue {
        &self.snapshot.features
    }

    /// Which of them are on.
    pub fn switches(&self) -> &Switches {
        &self.runtime.shared.switches
    }

    /// The features that are off for everybody in a tenant.
    pub fn switched_off(&self, tenant: &str) -> BTreeSet<Arc<str>> {
        let features = self.features();
        let off = features
            .features()
            .filter(|feature| features.state(self.switches(), tenant, &feature.name) == State::Off);
        off.map(|feature| Arc::clone(&feature.name)).collect()
    }

    /// The features that a component's path belongs to: the component itself, and parts of it.
    pub fn features_at(&self, component: &str, path: &str) -> Vec<Arc<str>> {
        let loaded = self.snapshot.components.get(component);
        let parts = loaded
            .into_iter()
            .flat_map(|loaded| loaded.switched.at(path));
        std::iter::once(Arc::from(component))
            .chain(parts.cloned())
            .collect()
    }
}
