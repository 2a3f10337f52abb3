//! Another application in place of the one that is served, without a request that notices.
//!
//! Made ready, tried, switched, settled: only the third step changes what is served, and it cannot
//! fail.

use crate::requests::{Class, Question};
use crate::served::Snapshot;
use crate::served::component::LoadedComponent;
use crate::tenants::Tenant;
use crate::{Application, Call, Definition, Error, Inner, InvokeError, Runtime};
use sbd_contract::path;
use std::sync::Arc;
use std::time::Duration;

/// So much of an unhealthy component's answer is shown.
const EXCERPT: usize = 300;

/// How often to see what is left of what was replaced.
const LOOK: Duration = Duration::from_millis(100);

impl Runtime {
    /// Makes an application ready: reads, compiles and links what is different from what is served.
    /// Nothing of it is served yet.
    ///
    /// # Errors
    /// The first thing that is wrong, with what to do about it.
    pub async fn load(&self, definition: Definition) -> Result<Application, Error> {
        let inner = Arc::clone(&self.inner);
        let loading = tokio::task::spawn_blocking(move || {
            let served = inner.current.load_full();
            Snapshot::load(inner.loader(), &definition, Some(&served))
        });
        let snapshot = loading
            .await
            .map_err(|error| Error::Engine(error.to_string()))??;
        Ok(Application::new(&self.inner, Arc::new(snapshot)))
    }

    /// Tries what is different from what is served: every tenant that is open must be able to keep
    /// what it declares, and in `tenant` it is started and asked `GET /-/health`. A component that has
    /// no such path is well if it answers at all.
    ///
    /// # Errors
    /// The first that does not start, is not well, or does not fit a tenant's data. What was tried is
    /// forgotten; the data is as before.
    pub async fn probe(&self, next: &Application, tenant: &Arc<str>) -> Result<(), Error> {
        self.inner.tried.store(Some(Arc::clone(&next.snapshot)));
        let tried = self.try_changed(next, tenant).await;
        if tried.is_err() {
            self.give_up();
        }
        tried
    }

    /// Forgets what was tried and is not to be served.
    pub fn give_up(&self) {
        self.inner.tried.store(None);
        self.settle();
    }

    async fn try_changed(&self, next: &Application, tenant: &Arc<str>) -> Result<(), Error> {
        let served = self.inner.current.load_full();
        let components = next.snapshot.components.values();
        for component in components.filter(|component| !served.has(component)) {
            self.inner.fit(&next.snapshot, component).await?;
            self.inner.ask(&next.snapshot, component, tenant).await?;
        }
        Ok(())
    }

    /// Serves this application from now on. Requests that run go on with the one they arrived at;
    /// instances of what is not served any more end when their last answers have.
    pub fn switch(&self, next: &Application) {
        self.inner.current.store(Arc::clone(&next.snapshot));
        self.inner.tried.store(None);
        self.settle();
    }

    /// Retires what is not served, until it is gone.
    fn settle(&self) {
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            loop {
                let mut left = 0;
                for place in inner.places() {
                    if let Some(tenant) = place.tenant.get() {
                        left += inner.settle(tenant).await;
                    }
                }
                if left == 0 {
                    return inner.prune_compiled().await;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
    }
}

impl Inner {
    /// Whether a component is tried, and not served yet.
    pub(crate) fn tries(&self, component: &LoadedComponent) -> bool {
        let tried = self.tried.load();
        let is_tried = tried.as_ref().is_some_and(|tried| tried.has(component));
        is_tried && !self.current.load().has(component)
    }

    /// Lets go in a tenant of what is neither served nor tried; answers how much of it is left.
    pub(crate) async fn settle(&self, tenant: &Tenant) -> usize {
        let (served, tried) = (self.current.load_full(), self.tried.load_full());
        tenant.settle(&served, tried.as_deref()).await
    }

    /// Prepares a component for the open tenants that use another version of it.
    async fn fit(
        self: &Arc<Self>,
        application: &Snapshot,
        component: &Arc<LoadedComponent>,
    ) -> Result<(), Error> {
        for place in self.places() {
            let tenant = place.tenant.get();
            if let Some(tenant) =
                tenant.filter(|tenant| tenant.uses(component.declared.id.as_str()))
            {
                let tried = self.tries(component);
                tenant
                    .prepare(&self.shared, application, component, tried)
                    .await?;
            }
        }
        Ok(())
    }

    /// Starts an instance and asks whether it is well.
    async fn ask(
        self: &Arc<Self>,
        application: &Arc<Snapshot>,
        component: &Arc<LoadedComponent>,
        tenant: &Arc<str>,
    ) -> Result<(), Error> {
        let id = component.declared.id.as_str();
        let unwell = |reason: String| Error::Unwell {
            component: id.to_owned(),
            reason,
        };
        // First and by itself: what does not fit the tenant's data says so in its own words.
        let place = self.place(tenant)?;
        self.open(&place, tenant).await?;
        let Some(open) = place.tenant.get() else {
            return Err(unwell(format!("the tenant `{tenant}` is not open")));
        };
        let tried = self.tries(component);
        open.prepare(&self.shared, application, component, tried)
            .await?;
        let limits = &component.declared.settings.limits;
        let call = Call {
            tenant: Arc::clone(tenant),
            component: Arc::from(id),
            request_id: Arc::from("req_probe"),
            class: Class::Probe,
            principal: None,
        };
        let application = Application::new(self, Arc::clone(application));
        let question = Question::get(path::HEALTH).with_room(limits.response_body.bytes_usize());
        let asking = application.ask(call, question);
        let answer = match tokio::time::timeout(2 * limits.request_timeout, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(InvokeError::Trapped)) => {
                return Err(unwell(
                    "it failed when it was tried; the log says how".to_owned(),
                ));
            }
            Ok(Err(error)) => return Err(unwell(error.to_string())),
            Err(_) => {
                return Err(unwell(format!(
                    "its answer to {} does not end",
                    path::HEALTH
                )));
            }
        };
        let status = answer.status;
        if !status.is_server_error() {
            return Ok(());
        }
        let shown: String = String::from_utf8_lossy(&answer.body)
            .chars()
            .take(EXCERPT)
            .collect();
        Err(unwell(format!(
            "it answered {} with {status}: {shown}",
            path::HEALTH
        )))
    }
}
