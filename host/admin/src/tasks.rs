//! The tasks of a tenant: which there are, and an end to one.

use crate::{Admin, Error};
use http::StatusCode;
use jiff::Timestamp;
use sbd_registry::Actor;
use sbd_runtime::TaskStore;
use sbd_tasks::{Filter, Listed, State, Task};
use serde_json::Value;

impl Admin {
    /// The tasks of a tenant, the newest first, those in a state if one is named.
    ///
    /// # Errors
    /// When there is no such tenant, or they cannot be read.
    pub async fn tasks(
        &self,
        tenant: &str,
        state: Option<State>,
        offset: u64,
        most: u32,
    ) -> Result<Listed, Error> {
        let filter = Filter { user: None, state };
        let listed = self.task_store(tenant).await?;
        let listed = listed.tasks.list(filter, offset, most).await;
        listed.map_err(unavailable)
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none of this id, or it cannot be read.
    pub async fn task(&self, tenant: &str, id: &str) -> Result<Task, Error> {
        let task = self.task_store(tenant).await?.tasks.get(id).await;
        task.map_err(unavailable)?.ok_or_else(|| no_task(id))
    }

    /// Cancels one that has not ended, with those that come after it.
    ///
    /// # Errors
    /// As [`Self::task`]; when it has ended.
    pub async fn cancel_task(&self, actor: &Actor, tenant: &str, id: &str) -> Result<(), Error> {
        let target = format!("{tenant}/{id}");
        let cancel = async {
            let store = self.task_store(tenant).await?;
            self.task(tenant, id).await?;
            let canceled = store.tasks.cancel(id, Timestamp::now()).await;
            match canceled.map_err(unavailable)? {
                true => Ok(()),
                false => Err(Error::new(
                    StatusCode::CONFLICT,
                    "CONFLICT",
                    format!("the task {id} has ended already; `sbd tasks show` says how"),
                )),
            }
        };
        self.act(actor, "task.cancel", &target, Value::Null, cancel)
            .await
    }

    async fn task_store(&self, tenant: &str) -> Result<TaskStore, Error> {
        let tenant = self.served(tenant)?;
        let store = self.runtime.tasks(&tenant).await;
        store.map_err(unavailable)
    }
}

fn no_task(id: &str) -> Error {
    let shown = id.escape_debug();
    let message = format!("there is no task `{shown}`; `sbd tasks list TENANT` lists them");
    Error::new(StatusCode::NOT_FOUND, "UNKNOWN_TASK", message)
}

fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::unavailable(error.to_string())
}
