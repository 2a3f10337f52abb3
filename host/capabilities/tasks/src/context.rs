//! What one component of one tenant may do with tasks.

use crate::announce::Announce;
use crate::backend::Backend;
use crate::error::Error;
use crate::limits::{LEASE, MAX_OPEN, MAX_TASKS, MAX_WAIT};
use crate::task::{NewTask, Progress, Task};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// The tasks of one component of one tenant. Cheap to clone.
#[derive(Clone)]
pub struct TasksCtx {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) announce: Arc<dyn Announce>,
    component: Arc<str>,
    queues: Arc<BTreeMap<String, String>>,
}

// === impl TasksCtx ===

impl TasksCtx {
    /// The tasks of `component` within the backend's tenant: those that it offers to work on, each with
    /// its queue. `announce` hears of new ones.
    pub fn new(
        backend: Arc<dyn Backend>,
        announce: Arc<dyn Announce>,
        component: Arc<str>,
        queues: Arc<BTreeMap<String, String>>,
    ) -> Self {
        Self {
            backend,
            announce,
            component,
            queues,
        }
    }

    /// Whose they are.
    pub fn component(&self) -> &Arc<str> {
        &self.component
    }

    /// The queue of a task of this name.
    ///
    /// # Errors
    /// [`Error::UnknownTask`] with the names that there are.
    pub fn queue(&self, name: &str) -> Result<&str, Error> {
        let queue = self.queues.get(name).map(String::as_str);
        queue.ok_or_else(|| {
            let names: Vec<&str> = self.queues.keys().map(String::as_str).collect();
            Error::UnknownTask(match names.is_empty() {
                true => format!(
                    "the component offers to work on no task, and so not on `{name}`; declare it with #[task(\"{name}\")]"
                ),
                false => format!(
                    "the component offers no task `{name}`; it offers {}",
                    names.join(", ")
                ),
            })
        })
    }

    /// Enqueues tasks, all or none; answers their ids in order. Once begun it comes to its end, even if
    /// nobody waits for it.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::Unavailable`], [`Error::Storage`].
    pub async fn enqueue(&self, tasks: Vec<NewTask>) -> Result<Vec<String>, Error> {
        if tasks.is_empty() || tasks.len() > MAX_TASKS {
            return Err(Error::Invalid(format!(
                "1 to {MAX_TASKS} tasks are enqueued at once, not {}; split the list",
                tasks.len()
            )));
        }
        let open = self.backend.open_of(&self.component).await?;
        if open.saturating_add(tasks.len() as u64) > MAX_OPEN {
            return Err(Error::Limit(format!(
                "{open} tasks of this component have not ended, and there may be {MAX_OPEN}; enqueue more when some have"
            )));
        }
        let this = self.clone();
        // The announcement must outlive the write, which goes on without its caller.
        let enqueued = tokio::spawn(async move {
            let announced = this.announce.announce().await;
            let _announced = announced.map_err(Error::Unavailable)?;
            this.backend.enqueue(tasks, Timestamp::now()).await
        });
        let ended = |error: tokio::task::JoinError| Error::Unavailable(error.to_string());
        enqueued.await.map_err(ended)?
    }

    /// A task of the component.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn get(&self, id: &str) -> Result<Option<Task>, Error> {
        let task = self.backend.get(id).await?;
        Ok(task.filter(|task| task.component == self.component))
    }

    /// The same once it has ended, or as it is after this time, a minute at most.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn wait(&self, id: &str, time: Duration) -> Result<Option<Task>, Error> {
        let until = tokio::time::Instant::now() + time.min(MAX_WAIT);
        // Before the first look, so that no end is missed.
        let mut changes = self.backend.changes();
        loop {
            let task = self.get(id).await?;
            if task.as_ref().is_none_or(|task| task.state.is_ended()) {
                return Ok(task);
            }
            let ends = async {
                loop {
                    match changes.recv().await {
                        Ok(change) if change.is_ended && &*change.id == id => return,
                        Ok(_) => {}
                        Err(RecvError::Lagged(_)) => return,
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            if tokio::time::timeout_at(until, ends).await.is_err() {
                return self.get(id).await;
            }
        }
    }

    /// Cancels a task of the component, with those that come after it; says whether there was one.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn cancel(&self, id: &str) -> Result<bool, Error> {
        match self.get(id).await? {
            Some(_) => self.backend.cancel(id, Timestamp::now()).await,
            None => Ok(false),
        }
    }

    /// Says how far a task of the component has come; says whether this attempt is still under way.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn report(&self, id: &str, attempt: u32, progress: Progress) -> Result<bool, Error> {
        if self.get(id).await?.is_none() {
            return Ok(false);
        }
        let lease = Timestamp::now() + LEASE;
        self.backend.report(id, attempt, progress, lease).await
    }
}
