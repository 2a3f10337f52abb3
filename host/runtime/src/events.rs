//! The events and tasks of a tenant, for whoever sends them to components.

use crate::stores::Stores;
use crate::tenants::Place;
use crate::{Error, Runtime};
use futures::future::BoxFuture;
use sbd_documents::{Event, Operation, Outcome};
use sbd_events::{NewEvent, Refused};
use sbd_metering::Cause;
use std::fmt;
use std::sync::Arc;

/// Hears that the components of a tenant publish events, so that they are delivered, or that they enqueue
/// tasks, so that they are worked on. `()` hears nothing.
pub trait Publishing: Send + Sync + 'static {
    /// Events or tasks are about to be committed. What is answered is dropped when they are, or are not.
    ///
    /// # Errors
    /// When they could be committed and nobody ever see to them.
    fn announce<'a>(&'a self, tenant: &'a Arc<str>)
    -> BoxFuture<'a, Result<Box<dyn Send>, String>>;
}

/// The events of one tenant, which stays open as long as somebody has this.
#[derive(Clone)]
pub struct EventLog {
    /// Where they are published.
    pub documents: Arc<dyn sbd_documents::Backend>,
    /// What is kept of their deliveries.
    pub deliveries: Arc<dyn sbd_events::Backend>,
    _open: Arc<Place>,
}

/// The tasks of one tenant, which stays open as long as somebody has this.
#[derive(Clone)]
pub struct TaskStore {
    /// Where they are kept.
    pub tasks: Arc<dyn sbd_tasks::Backend>,
    _open: Arc<Place>,
}

/// What is published, or enqueued, in one tenant.
pub(crate) struct Announcer {
    pub(crate) tenant: Arc<str>,
    pub(crate) publishing: Arc<dyn Publishing>,
}

/// What one component publishes beside its transactions: each time a transaction that does nothing else.
pub(crate) struct ComponentLog {
    pub(crate) documents: Arc<dyn sbd_documents::Backend>,
    pub(crate) announce: Arc<dyn sbd_documents::Announce>,
    pub(crate) component: Arc<str>,
}

// === impl Publishing ===

impl Publishing for () {
    fn announce<'a>(&'a self, _: &'a Arc<str>) -> BoxFuture<'a, Result<Box<dyn Send>, String>> {
        Box::pin(async { Ok(Box::new(()) as Box<dyn Send>) })
    }
}

// === impl Announcer ===

impl sbd_documents::Announce for Announcer {
    fn announce(&self) -> BoxFuture<'_, Result<Box<dyn Send>, String>> {
        self.publishing.announce(&self.tenant)
    }
}

// === impl ComponentLog ===

impl sbd_events::Log for ComponentLog {
    fn publish(
        &self,
        events: Vec<NewEvent>,
        cause: Cause,
    ) -> BoxFuture<'_, Result<Vec<String>, Refused>> {
        let publish = |event: NewEvent| {
            Operation::Publish(Event {
                kind: event.kind,
                subject: event.subject,
                data: event.data,
                attributes: event.attributes,
                cause: cause.clone(),
            })
        };
        let steps: Vec<_> = events.into_iter().map(publish).collect();
        Box::pin(async move {
            // Until the commit is over, one way or the other.
            let announced = self.announce.announce().await;
            let _announced = announced.map_err(Refused::Unavailable)?;
            let outcomes = self.documents.transact(&self.component, steps).await;
            let ids = outcomes.map_err(refused)?.into_iter();
            let ids = ids.filter_map(|outcome| match outcome {
                Outcome::Published(id) => Some(id),
                _ => None,
            });
            Ok(ids.collect())
        })
    }
}

fn refused(error: sbd_documents::Error) -> Refused {
    use sbd_documents::Error;
    match error {
        Error::Full => Refused::Full(None),
        Error::Quota(limit) => Refused::Full(Some(limit)),
        Error::Limit(_) => Refused::Limit(error.to_string()),
        Error::Unavailable(reason) => Refused::Unavailable(reason),
        wrong => Refused::Invalid(wrong.to_string()),
    }
}

impl sbd_tasks::Announce for Announcer {
    fn announce(&self) -> BoxFuture<'_, Result<Box<dyn Send>, String>> {
        self.publishing.announce(&self.tenant)
    }
}

// === impl Runtime ===

impl Runtime {
    /// The events of a tenant, which is opened for it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn events(&self, tenant: &Arc<str>) -> Result<EventLog, Error> {
        let (stores, open) = self.stores(tenant).await?;
        Ok(EventLog {
            documents: stores.documents,
            deliveries: stores.deliveries,
            _open: open,
        })
    }

    /// The tasks of a tenant, which is opened for it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn tasks(&self, tenant: &Arc<str>) -> Result<TaskStore, Error> {
        let (stores, open) = self.stores(tenant).await?;
        Ok(TaskStore {
            tasks: stores.tasks,
            _open: open,
        })
    }

    async fn stores(&self, tenant: &Arc<str>) -> Result<(Stores, Arc<Place>), Error> {
        let place = self.inner.place(tenant)?;
        self.inner.open(&place, tenant).await?;
        let stores = place.tenant.get().map(|open| open.stores().clone());
        let stores = stores
            .ok_or_else(|| Error::capability("storage", &"the tenant is closing; try again"))?;
        Ok((stores, place))
    }
}

// === impl EventLog ===

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").finish_non_exhaustive()
    }
}

// === impl TaskStore ===

impl fmt::Debug for TaskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskStore").finish_non_exhaustive()
    }
}
